"""The table that a person reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbhandler.requests.backup_state import BackupState, Trouble
from dbhandler.status.backups import Backups, Row
from dbhandler.status.servers import ServerStatus
from dbhandler.status.table import backup_table, duration, table

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


def test_databases_over_their_quota_stand_beside_their_number() -> None:
    assert "  12 (3 over quota)  " in table([replace(FULL, over_quota=3)])


def test_a_line_that_is_cut_says_so() -> None:
    heading, row = table([FULL], 60).splitlines()
    assert (len(heading), len(row)) == (60, 60) and heading.endswith("…") and row.endswith("…")
    assert table([FULL], 1000) == table([FULL])


def test_a_member_moves_no_cursor_and_forges_no_line() -> None:
    shown = table([ServerStatus("a\n\x1b[2Jb\u2028", True, "\x07", last_error="x\ry")])
    assert shown.count("\n") == 2
    assert shown.replace("\n", "").isprintable()


def test_the_backups() -> None:
    rows = [
        Row("db-9", None),
        Row("db-1", BackupState("key-1", "db-1", 0, 60, 2, 30, Trouble.AWAY)),
        Row("x\x1b[2J", BackupState("key-2", "x", None, None, 0, None, Trouble.BASE)),
        Row("new", BackupState("key-3", "new", None, None, 0, None)),
        Row("db-4", BackupState("key-4", "db-4", 0, 253402300799, 0, None)),
        Row("db-5", BackupState("key-5", "db-5", 0, 60, 0, 59)),
    ]
    assert backup_table(Backups(rows, 7)).splitlines() == [
        "BACKUP OF  RECOVERABLE FROM     TO                   GAPS  LAST PROVEN          TROUBLE",
        "db-9       -                    -                       -  -                    not backed up",
        "db-1       1970-01-01 00:00:00  1970-01-01 00:01:00     2  1970-01-01 00:00:30  its server is away",
        "x?[2J      -                    -                       0  -                    "
        "its last base could not be taken or proven",
        "new        -                    -                       0  -                    nothing yet",
        "db-4       1970-01-01 00:00:00  9999-12-31 23:59:59     0  -                    not proven yet",
        "db-5       1970-01-01 00:00:00  1970-01-01 00:01:00     0  1970-01-01 00:00:59  -",
        "and 7 more that are no worse: `dbhandler-backup list` in the backup has all",
    ]
    assert max(map(len, backup_table(Backups(rows, 7), 40).splitlines())) == 40


def test_where_there_is_no_backup_nothing_is_said() -> None:
    assert backup_table(Backups()) == ""


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (3659, "1 h"),
        (7260, "2 h 1 min"), (86400, "1 d"), (86460, "1 d"), (90000, "1 d 1 h"), (10**8, "1157 d 9 h"),
    ],
)  # fmt: skip
def test_a_duration_is_its_two_largest_units(seconds: int, shown: str) -> None:
    assert duration(seconds) == shown
