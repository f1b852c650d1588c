"""The table that a person reads."""

from __future__ import annotations

import pytest

from dbhandler.status.servers import ServerStatus
from dbhandler.status.table import duration, table

FULL = ServerStatus(
    "db-1", True, "ready", "mariadb", "11.8.6-MariaDB-0+deb13u1", 12, 0, 93784, "10.0.0.9", 3306, "ouch",
    "2026-01-01T00:00:00Z",
)  # fmt: skip


def test_columns_stand_under_their_headings() -> None:
    assert table([FULL, ServerStatus("a-longer-name", False, "failed")]) == (
        "NODE           SERVER          STATE   DATABASES  SPOOL   UPTIME  ADDRESS        LAST ERROR\n"
        "db-1           mariadb 11.8.6  ready          12      0  1 d 2 h  10.0.0.9:3306  2026-01-01 00:00:00Z ouch\n"
        "a-longer-name  -               failed          -      -        -  -              -\n"
    )


def test_a_line_that_is_cut_says_so() -> None:
    heading, row = table([FULL], 60).splitlines()
    assert (len(heading), len(row)) == (60, 60) and heading.endswith("…") and row.endswith("…")
    assert table([FULL], 1000) == table([FULL])


def test_a_member_moves_no_cursor_and_forges_no_line() -> None:
    shown = table([ServerStatus("a\n\x1b[2Jb\u2028", True, "\x07", last_error="x\ry")])
    assert shown.count("\n") == 2
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (3659, "1 h"),
        (7260, "2 h 1 min"), (86400, "1 d"), (86460, "1 d"), (90000, "1 d 1 h"), (10**8, "1157 d 9 h"),
    ],
)  # fmt: skip
def test_a_duration_is_its_two_largest_units(seconds: int, shown: str) -> None:
    assert duration(seconds) == shown
