"""What can be restored, in a table and in ranges."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.backup.base import Base
from dbhandler.backup.logs import Logs
from dbhandler.backup.overview import Overview, Range, overview, ranges, said, table
from dbhandler.backup.record import Record, complaints
from dbhandler.backup.source import Source, remember
from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError
from tests.support.binlog import FORMAT, XID, gtid
from tests.support.repository import PlayedRepository, dump_at

SOURCE = Source("key-1", "db-1", "mariadb")


def position(number: int) -> Position:
    return Position.parse(f"0-5-{number}", "mariadb")


def wrote(logs: Logs, after: int, now: float, *numbers: int) -> None:
    """A range that begins after this position."""
    logs.begin(position(after), "a", now)
    logs.append(FORMAT, now)
    for number in numbers:
        for event in (gtid(number, int(now)), XID):
            logs.append(event, now)


def base(number: int, time: float) -> Base:
    return Base(PlayedRepository().add(b""), time, position(number))


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    made = Logs(tmp_path / "logs", "mariadb")
    wrote(made, 1, 1000.0, 2, 3)
    wrote(made, 3, 1100.0, 4)
    # After a gap.
    wrote(made, 9, 2000.0, 10)
    wrote(made, 20, 3000.0, 21)
    made.settle()
    return made


def test_a_range_begins_with_the_first_base_in_it(logs: Logs) -> None:
    bases = [base(2, 1050.0), base(3, 1090.0), base(9, 2001.0)]
    assert ranges(bases, logs) == [Range(1050.0, 1100.0), Range(2001.0, 2001.0)]


def test_a_base_outside_of_all_logs_makes_none(logs: Logs) -> None:
    assert ranges([base(0, 900.0), base(7, 1500.0), base(30, 4000.0)], logs) == []
    assert ranges([], logs) == []


def test_a_base_is_a_moment_even_where_nothing_came_after_it(logs: Logs) -> None:
    assert ranges([base(21, 3600.0)], logs) == [Range(3600.0, 3600.0)]


def test_what_is_known_of_one(tmp_path: Path) -> None:
    remember(tmp_path, SOURCE)
    wrote(Logs(tmp_path / "logs", "mariadb"), 1, 1000.0, 2)
    Record(tmp_path).note(stream="away", base=None, shipped=5.0, proven=4, left_out=["view x"])
    repository = PlayedRepository()
    repository.add(dump_at("0-5-1"), kind="base", source="key-1", time="1000.000")
    repository.add(dump_at("0-5-1"), kind="base", source="key-2", time="1000.000")
    assert overview(tmp_path, repository) == Overview(  # type: ignore[arg-type]
        SOURCE, 1, [Range(1000.0, 1000.0)], 5.0, 4.0, ["away"], ["view x"]
    )


def test_of_a_new_one_nothing_is_known(tmp_path: Path) -> None:
    remember(tmp_path, SOURCE)
    assert overview(tmp_path, PlayedRepository()) == Overview(SOURCE, 0, [], None, None, [], [])  # type: ignore[arg-type]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DbHandlerError, match="no folder of a server's backups"):
        overview(tmp_path, PlayedRepository())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("noted", "told"),
    [
        ({}, []),
        ({"stream": None, "base": None, "repository": None, "away": False}, []),
        ({"stream": "no log", "base": "no disk", "repository": "full"}, ["no log", "no disk", "full"]),
        # That a server is away is no fault of its backup.
        ({"stream": "no log", "away": True, "base": "no disk"}, ["no disk"]),
    ],
)
def test_what_is_wrong(noted: dict[str, object], told: list[str]) -> None:
    assert list(complaints(noted)) == told


def test_the_table() -> None:
    shown = table([
        Overview(SOURCE, 12, [Range(0.0, 60.0), Range(3600.0, 86399.0)], 86399.0, 7.9, []),
        Overview(Source("cluster-x", "shop", "mysql"), 0, [], None, None, ["away", "no disk"], ["view x"]),
    ])  # fmt: skip
    assert shown == [
        "SERVER  ENGINE   BASES  RECOVERABLE FROM     TO                   SHIPPED              LAST PROVEN",
        "db-1    mariadb  12     1970-01-01 00:00:00  1970-01-01 00:01:00  1970-01-01 23:59:59  1970-01-01 00:00:07",
        "                 (gap)  1970-01-01 01:00:00  1970-01-01 23:59:59  1970-01-01 23:59:59  1970-01-01 00:00:07",
        "shop    mysql    0      nothing yet                               never                never",
        "shop: away",
        "shop: no disk",
        "shop: not in its backup: view x",
    ]


def test_a_time_is_said_as_at_takes_it() -> None:
    assert (said(1795467845.9), said(None)) == ("2026-11-23 21:04:05", "never")
