"""A figure beside what it is compared with, and all of them as a table and as a chart."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table. value is compared with `reach`: a ratio to `other`, a difference, or a plain figure.
    Where nothing is promised reach is None."""

    name: str
    compared: str
    ours: float
    other: float | None
    unit: str
    kind: str
    reach: float | None
    ratio: float | None = None
    """That of its own which each round has, their median; None for that of the medians."""

    @property
    def value(self) -> float:
        if self.kind == "ratio":
            return self.ours / (self.other or 1) if self.ratio is None else self.ratio
        return self.ours - (self.other or 0) if self.kind == "more" else self.ours

    @property
    def reached(self) -> bool:
        return self.reach is None or self.value <= self.reach

    def row(self) -> str:
        sign = {"ratio": " ×", "more": f" {self.unit} more", "plain": f" {self.unit}"}[self.kind]
        other = "–" if self.other is None else f"{self.other:.4g} {self.unit}"
        mark = "" if self.reached else " **missed**"
        reach = "–" if self.reach is None else f"≤ {self.reach:g}{sign}"
        return (
            f"| {self.name} | {self.ours:.4g} {self.unit} | {self.compared} | {other} | "
            f"{self.value:.2f}{sign}{mark} | {reach} |"
        )


def in_rounds(
    name: str, compared: str, rounds: Sequence[tuple[float, float]], unit: str, reach: float | None, scale: float = 1
) -> Figure:
    """What was measured of both sides in each round, one after the other; scale makes it the unit's."""
    ours, other = (statistics.median(side) * scale for side in zip(*rounds, strict=True))
    ratio = statistics.median(mine / theirs for mine, theirs in rounds)
    return Figure(name, compared, ours, other, unit, "ratio", reach, ratio)


def table(figures: list[Figure]) -> str:
    """The figures as Markdown."""
    head = "| figure | here | compared with | there | result | to reach |\n|---|---|---|---|---|---|\n"
    return head + "".join(figure.row() + "\n" for figure in figures)


def chart(figures: list[Figure]) -> str:
    """The figures as an SVG: how much of what is allowed each one uses."""
    bars = []
    promised = [(figure, figure.reach) for figure in figures if figure.reach is not None]
    for number, (figure, reach) in enumerate(promised):
        share, y = max(0.0, figure.value / reach), 40 + 26 * number
        colour = "#2a7" if figure.reached else "#c43"
        name = re.sub("[`]", "", figure.name)
        bars.append(
            f'<text x="8" y="{y + 12}">{name}</text>'
            f'<rect x="400" y="{y}" width="{min(share, 1.4) * 240:.0f}" height="16" fill="{colour}"/>'
            f'<text x="{408 + min(share, 1.4) * 240:.0f}" y="{y + 12}">{share:.0%}</text>'
        )
    height = 56 + 26 * len(promised)
    size = f'width="820" height="{height}"'
    line = f'<line x1="640" y1="32" x2="640" y2="{height - 14}" stroke="#555" stroke-dasharray="4"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
        f'<rect {size} fill="white"/>'
        '<text x="8" y="22" font-size="14">Share of what is to be reached at most (shorter is better)</text>'
        f"{''.join(bars)}{line}</svg>\n"
    )
