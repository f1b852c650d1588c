"""The page of what was: which time, of which server, and the pictures of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from dbhandler.console.history import History, Point
from dbhandler.console.measuring import TOTAL
from dbhandler.console.pages import render
from dbhandler.console.plots import PLOTS, Line, Plot, lines

RANGES: Mapping[str, tuple[str, int]] = {
    "1h": ("last hour", 3600), "6h": ("6 hours", 6 * 3600), "1d": ("a day", 86400), "7d": ("7 days", 7 * 86400),
    "14d": ("14 days", 14 * 86400),
}  # fmt: skip
NOTHING = "Nothing is known of that time yet: a value is noted every 15 seconds."
NOWHERE = "No folder is named in which it could be kept (DBHANDLER_CONSOLE_HISTORY)."


class Past:
    """Makes the page of what a history has kept; None: there is no history."""

    def __init__(self, history: History | None, clock: Callable[[], float] = time.time) -> None:
        self._history, self._clock = history, clock

    def main(self, range_name: str, server: str) -> str:
        """The main part of the page; whatever is no range is the last hour."""
        chosen = range_name if range_name in RANGES else next(iter(RANGES))
        until = self._clock()
        since = until - RANGES[chosen][1]
        return render(
            "history", server=server, quoted=quote(server, safe=""), since=since, until=until, chosen=chosen,
            ranges=[(name, title) for name, (title, _) in RANGES.items()],
            nothing=NOTHING if self._history else NOWHERE, pictures=self._pictures(server, since, until),
        )  # fmt: skip

    def _pictures(self, server: str, since: float, until: float) -> list[tuple[Plot, Sequence[Line], float]]:
        beginning = f"server/{server}/" if server else f"{TOTAL}/"
        found = list[tuple[Plot, Sequence[Line], float]]()
        for plot in PLOTS:
            drawn, top = lines(plot, self._points(plot, beginning, since, until), since, until)
            if drawn:
                found.append((plot, drawn, top))
        return found

    def _points(self, plot: Plot, beginning: str, since: float, until: float) -> Mapping[str, Sequence[Point]]:
        if self._history is None:
            return {}
        names = [name for series in plot.series for name in self._named(beginning + series)]
        read = self._history.read(names, since, until)
        return {name.rpartition("/")[2]: points for name, points in read.items()}

    def _named(self, series: str) -> list[str]:
        assert self._history is not None  # noqa: S101
        return self._history.names(series[:-1]) if series.endswith("*") else [series]
