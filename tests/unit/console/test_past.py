"""Pictures of what was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbhandler.console.history import History
from dbhandler.console.past import Past
from dbhandler.console.plots import MOST_LINES, PLOTS, lines, number

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("most", "top"),
    [(0.0, 1.0), (1.0, 1.0), (3.0, 5.0), (7.0, 10.0), (11.0, 20.0), (99.0, 100.0), (101.0, 200.0), (0.04, 0.05),
     (0.0011, 0.002), (600.0, 1000.0)],
)  # fmt: skip
def test_the_upper_end_is_a_round_number(most: float, top: float) -> None:
    assert lines(PLOTS[0], {"a": [(NOW, most)]}, NOW, NOW + 60)[1] == pytest.approx(top)


def test_a_line_is_broken_where_nothing_was_noted() -> None:
    points = [(NOW, 1.0), (NOW + 15, 1.0), (NOW + 600, 1.0), (NOW + 615, 0.5)]
    [[line], _] = [lines(PLOTS[0], {"a": points}, NOW, NOW + 3600)[0], None]
    assert [part[0] for part in line.path.split(" ") if part[0] in "ML"] == ["M", "L", "M", "L"]
    assert (line.last, line.least, line.most) == ("0.5", "0.5", "1")


def test_of_many_lines_the_largest_are_drawn() -> None:
    points = {f"x{value}": [(NOW, float(value))] for value in range(20)}
    drawn, _ = lines(PLOTS[0], points, NOW, NOW + 60)
    assert [line.name for line in drawn] == [f"x{value}" for value in range(19, 19 - MOST_LINES, -1)]


@pytest.mark.parametrize(("value", "written"), [(0.0, "0"), (0.12345, "0.123"), (12.5, "12.5"), (1234.5, "1234")])
def test_numbers_have_as_many_digits_as_say_something(value: float, written: str) -> None:
    assert number(value) == written


def test_the_page_shows_what_there_is(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add(NOW - 30, {"total/databases": 7.0, "total/requests/created": 0.5, "total/requests/denied": 0.1})
    history.add(NOW - 15, {"total/databases": 8.0, "server/<b>/databases": 3.0})
    past = Past(history, lambda: float(NOW))
    text = past.main("1h", "")
    assert "8 now, 7 to 8" in text and "created: 0.5 now" in text and "denied" in text
    assert "Connections" not in text and 'aria-current="true">last hour' in text
    own = past.main("nonsense", "<b>")
    assert "3 now" in own and "<b>" not in own and "&lt;b&gt;" in own and "server=%3Cb%3E" in own


def test_where_nothing_is_kept_the_page_says_so(tmp_path: Path) -> None:
    assert "DBHANDLER_CONSOLE_HISTORY" in Past(None).main("1h", "")
    assert "every 15 seconds" in Past(History(tmp_path)).main("14d", "")
    assert not re.search('<svg viewBox="0 0 480', Past(History(tmp_path)).main("1d", "x"))
