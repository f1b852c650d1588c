"""From which base a moment is made, and what is left behind: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from dbhandler.backup import restoring as module
from dbhandler.backup.binlog import read
from dbhandler.backup.history import Before, Latest, Moment, Through, Time, Unrecoverable
from dbhandler.backup.restoring import Backup
from dbhandler.backup.source import Source
from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError, Unavailable
from tests.support.binlog import FORMAT, XID, gtid
from tests.support.repository import PlayedRepository, dump_at


class Copy:
    """A private server that notes what is done with it."""

    def __init__(self) -> None:
        self.loaded = b""
        self.replayed: list[str] = []
        self.after = ""
        self.fails: Exception | None = None

    def load(self, dump: IO[bytes]) -> None:
        self.loaded = dump.read()
        if self.fails:
            raise self.fails

    def replay(self, files: list[Path], after: str) -> None:
        self.replayed = [group.gtid for file in files for group in read(file, "mariadb")]
        self.after = after


@pytest.fixture
def copy(monkeypatch: pytest.MonkeyPatch) -> Copy:
    made = Copy()

    @contextmanager
    def replica(engine: str, folder: Path) -> Iterator[Copy]:
        assert (engine, folder.stat().st_mode & 0o777) == ("mariadb", 0o700)
        yield made

    monkeypatch.setattr(module, "replica", replica)
    return made


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    """Transactions 2 to 5, of the times 1002 to 1005, and bases at 1, 3 and 5."""
    repository = PlayedRepository()
    for number in (1, 3, 5):
        repository.add(dump_at(f"0-5-{number}"), kind="base", source="key-1", time=f"{1000.5 + number:.3f}")
    made = Backup(Source("key-1", "db-1", "mariadb"), tmp_path / "x", repository, tmp_path / "scratch")  # type: ignore[arg-type]
    made.logs.begin(Position.parse("0-5-1", "mariadb"), "a", 1001.0)
    made.logs.append(FORMAT, 1001.0)
    for number in (2, 3, 4, 5):
        made.logs.append(gtid(number, 1000 + number), 1000.0 + number)
        made.logs.append(XID, 1000.0 + number)
    made.logs.settle()
    return made


@pytest.mark.parametrize(
    ("moment", "base", "replayed"),
    [
        (Latest(), 5, []),
        (Through("0-5-5"), 5, []),
        (Before("0-5-5"), 3, [2, 3, 4]),
        (Through("0-5-4"), 3, [2, 3, 4]),
        (Through("0-5-3"), 3, []),
        (Before("0-5-3"), 1, [2]),
        (Time(1004.5), 3, [2, 3, 4]),
        (Time(1002.5), 1, [2]),
        (Position.parse("0-5-4", "mariadb"), 3, [2, 3, 4]),
    ],
)
def test_the_newest_base_that_is_not_after_the_moment(
    moment: Moment, base: int, replayed: list[int], backup: Backup, copy: Copy, tmp_path: Path
) -> None:
    with backup.at(moment) as made:
        assert made is copy  # type: ignore[comparison-overlap]
    assert (copy.loaded, copy.after) == (dump_at(f"0-5-{base}"), f"0-5-{base}")
    # What is in the base already the tool leaves out; beyond the moment there is nothing.
    assert copy.replayed == [f"0-5-{number}" for number in replayed]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_base_that_is_named_is_the_one(backup: Backup, copy: Copy) -> None:
    first = backup.bases.list()[0]
    with backup.at(Latest(), first):
        pass
    assert (copy.after, copy.replayed) == ("0-5-1", ["0-5-2", "0-5-3", "0-5-4", "0-5-5"])


@pytest.mark.parametrize("moment", [Time(900.0), Through("0-5-99"), Before("0-5-1")])
def test_a_moment_that_is_in_no_backup(moment: Moment, backup: Backup, copy: Copy, tmp_path: Path) -> None:
    with pytest.raises(Unrecoverable), backup.at(moment):
        pass
    assert copy.loaded == b"" and list((tmp_path / "scratch").iterdir()) == []


def test_without_a_base_there_is_none(tmp_path: Path, copy: Copy) -> None:
    source = Source("key-1", "db-1", "mariadb")
    backup = Backup(source, tmp_path, PlayedRepository(), tmp_path / "scratch")  # type: ignore[arg-type]
    with pytest.raises(Unrecoverable, match="there is no base of 'db-1' yet"), backup.at(Latest()):
        pass


@pytest.mark.parametrize("failure", [DbHandlerError("no"), Unavailable("no"), OSError(28, "full")])
def test_what_fails_leaves_nothing_behind(failure: Exception, backup: Backup, copy: Copy, tmp_path: Path) -> None:
    copy.fails = failure
    with pytest.raises(type(failure)), backup.at(Latest()):
        pass
    assert list((tmp_path / "scratch").iterdir()) == []
