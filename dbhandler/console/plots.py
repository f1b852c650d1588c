"""Pure: pictures of what was, as SVG that is read without colours, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dbhandler.command import size
from dbhandler.console.history import LEVELS, Point

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 480, 170, 62, 20, 8
"""Of a picture, and its margins."""
MOST_LINES = 6
"""As many are told apart; what else there is, is the last one's."""
GAP = 3
"""Steps without a value after which a line is broken."""


@dataclass(frozen=True)
class Plot:
    """What one picture shows: series by the end of their names, and how a value is written."""

    title: str
    series: tuple[str, ...]
    written: Callable[[float], str]
    scale: float = 1.0


@dataclass(frozen=True)
class Line:
    """One series in a picture: what it is called, its path, its last, least and largest value as written."""

    name: str
    path: str
    last: str
    least: str
    most: str


def number(value: float) -> str:
    """A number with as many digits as say something."""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _bytes(value: float) -> str:
    return size(int(value))


def _milliseconds(value: float) -> str:
    return f"{number(value * 1000)} ms"


def _percent(value: float) -> str:
    return f"{number(value * 100)} %"


PLOTS = (
    Plot("Servers", ("servers", "ready"), number),
    Plot("Databases", ("databases",), number),
    Plot("Requests in a second, by outcome", ("requests/*",), number),
    Plot("Time of a request", ("latency",), _milliseconds),
    Plot("Bytes of all databases", ("bytes",), _bytes),
    Plot("Connections", ("connections",), number),
    Plot("Queries in a second", ("queries",), number),
    Plot("Slow queries in a second", ("slow",), number),
    Plot("Write sets that wait (replication)", ("lag",), number),
    Plot("Pause of writes (flow control)", ("pause",), _percent),
    Plot("Events that wait (spool)", ("spool",), number),
)


def lines(plot: Plot, points: Mapping[str, Sequence[Point]], since: float, until: float) -> tuple[list[Line], float]:
    """The lines of a picture of these series, by their names, and the value at its upper end."""
    found = {name: values for name, values in points.items() if values}
    top = _top(max((value for values in found.values() for _, value in values), default=0.0))
    kept = sorted(found, key=lambda name: -max(value for _, value in found[name]))[:MOST_LINES]
    return [_line(name, found[name], top, since, until, plot.written) for name in kept], top


def _line(
    name: str, values: Sequence[Point], top: float, since: float, until: float, written: Callable[[float], str]
) -> Line:
    told = [value for _, value in values]
    path = _path(values, top, since, until)
    return Line(name, path, written(told[-1]), written(min(told)), written(max(told)))


def _path(values: Sequence[Point], top: float, since: float, until: float) -> str:
    width, height = WIDTH - LEFT - 4, HEIGHT - BOTTOM - TOP
    step = next((level.step for level in LEVELS if level.kept >= until - since), LEVELS[-1].step)
    parts, last = list[str](), float("-inf")
    for at, value in values:
        x = LEFT + width * (at - since) / (until - since)
        y = TOP + height * (1 - value / top)
        parts.append(f"{'L' if at - last <= GAP * step else 'M'}{x:.1f} {y:.1f}")
        last = at
    # A single point is a dot that is seen.
    return " ".join(parts) + (" h1" if len(parts) == 1 else "")


def _top(most: float) -> float:
    """A round number that is no less than the largest value."""
    if most <= 0:
        return 1.0
    exponent = 10.0 ** (len(f"{int(most)}") - 1) if most >= 1 else 10.0 ** -(len(f"{1 / most:.0f}"))
    return next(step * exponent for step in (1, 2, 5, 10, 20, 50, 100) if step * exponent >= most)
