"""Who has which database, as a person and a machine read it."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from dbhandler import command
from dbhandler.boot.operator_table import as_json, table
from dbhandler.provisioning.overview import Row

OWN = Row(
    "shop", "clerk", "main", datetime(2026, 1, 2, 3, 4, 5, 600), 90061, 1767323045250, 1767323046000, 5_000_000, 3, 12,
    1767323045,
)  # fmt: skip


def test_the_table_says_what_there_is_and_what_is_not_known() -> None:
    heading, own, nobodys = table([OWN, Row("wiki", size=0)]).splitlines()
    assert heading.split() == [
        "DATABASE",
        "ACCOUNT",
        "ROLE",
        "AGE",
        "ENDS",
        "SIZE",
        "CONNECTIONS",
        "LOGINS",
        "LAST",
        "WRITE",
    ]
    assert own.split() == [
        "shop", "clerk", "main", "1", "d", "1", "h", "2026-01-02", "03:04:05Z", "4.8", "MiB", "3", "12", "2026-01-02",
        "03:04:05Z",
    ]  # fmt: skip
    assert nobodys.split() == ["wiki", "-", "-", "-", "-", "0", "B", "-", "-", "-"]


def test_a_machine_gets_whole_times_bytes_and_seconds() -> None:
    own, nobodys = json.loads(as_json([OWN, Row("wiki", size=0)]))
    assert own == {
        "database": "shop", "account": "clerk", "role": "main", "since": "2026-01-02T03:04:05Z", "age": 90061,
        "ends": "2026-01-02T03:04:05.250Z", "former_password_ends": "2026-01-02T03:04:06.000Z", "size": 5_000_000,
        "over_quota": False, "connections": 3, "logins": 12, "last_write": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    assert nobodys.keys() == own.keys()
    known = {key: value for key, value in nobodys.items() if value is not None}
    assert known == {"database": "wiki", "size": 0, "over_quota": False}


def test_one_over_its_quota_is_shown() -> None:
    rows = [Row("wiki", size=5_000_000, over_quota=True)]
    assert "  4.8 MiB (over quota)  " in table(rows).splitlines()[1]
    assert json.loads(as_json(rows))[0]["over_quota"] is True


def test_nothing_is_a_list_too() -> None:
    assert as_json([]) == "[]" and table([]).startswith("DATABASE")


def test_a_name_works_on_no_terminal() -> None:
    rows = [Row("\x1b[2J", "a\nb@%", "other", size=1)]
    assert table(rows).splitlines()[1].isprintable() and as_json(rows).isprintable()


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (10240, "10 KiB"),
        (1024**3 * 3 // 2, "1.5 GiB"),
        (1024**6 * 5, "5120 PiB"),
    ],
)
def test_sizes_are_short(size: int, said: str) -> None:
    assert command.size(size) == said
