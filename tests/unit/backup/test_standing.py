"""How the backups stand, by what is noted and written: the repository is not even there."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dbhandler.backup.followed import Followed
from dbhandler.backup.logs import Logs
from dbhandler.backup.overview import Range
from dbhandler.backup.record import Record
from dbhandler.backup.restoring import Backup
from dbhandler.backup.source import Source, remember
from dbhandler.backup.standing import FRESH, Standing, Standings
from dbhandler.backup.stream import Stream
from dbhandler.distant.position import Position
from dbhandler.requests.backup_state import BackupState, Trouble, heard
from tests.support.binlog import FORMAT, XID, gtid
from tests.support.fakes import Clock
from tests.support.repository import PlayedRepository

SOURCE = Source("key-1", "db-1", "mariadb")


def wrote(logs: Logs, after: int, now: float, *numbers: int) -> None:
    """A range that begins after this position."""
    logs.begin(Position.parse(f"0-5-{after}", "mariadb"), "a", now)
    logs.append(FORMAT, now)
    for number in numbers:
        for event in (gtid(number, int(now)), XID):
            logs.append(event, now)


class Kept:
    """A folder of sources, one of which may be followed."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock, self.folder = clock, folder / SOURCE.id
        self.standings = Standings(folder, lambda id: self.followed if id == SOURCE.id else None, clock)
        self.followed: Followed | None = None
        remember(self.folder, SOURCE)

    def follow(self) -> Followed:
        backup = Backup(SOURCE, self.folder, PlayedRepository(), self.folder / "scratch")  # type: ignore[arg-type]
        stream = Stream(SOURCE, backup.logs, None)  # type: ignore[arg-type]
        stream.complaint = None
        self.followed = Followed(SOURCE, backup, stream, Record(self.folder), threading.Thread())
        return self.followed

    def note(self, *bases: tuple[float, int], **values: object) -> None:
        noted = [[time, f"0-5-{number}"] for time, number in bases]
        Record(self.folder).note(bases=noted, **values)

    def one(self) -> Standing:
        """How the one source stands, a moment later."""
        self.clock.advance(FRESH)
        [found] = self.standings.read()
        return found


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> Kept:
    return Kept(tmp_path, clock)


def test_what_is_written_now_counts_before_it_is_noted_anywhere(kept: Kept) -> None:
    logs = kept.follow().backup.logs
    wrote(logs, 1, 1000.0, 2)
    kept.note((1000.0, 1), shipped=5.0, proven=4.0)
    assert kept.one() == Standing(SOURCE, [Range(1000.0, 1000.0)], 5.0, 4.0, True, None)
    for event in (gtid(3, 1700), XID):
        logs.append(event, 1700.0)
    assert kept.one().ranges == [Range(1000.0, 1700.0)]


def test_a_gap_is_one(kept: Kept) -> None:
    logs = kept.follow().backup.logs
    wrote(logs, 1, 1000.0, 2)
    wrote(logs, 9, 2000.0, 10)
    kept.note((1000.0, 1), (2000.0, 9))
    one = kept.one()
    assert one.ranges == [Range(1000.0, 1000.0), Range(2000.0, 2000.0)]
    assert one.state == BackupState("key-1", "db-1", 1000, 2000, 1, None)


def test_of_a_new_one_nothing_is_known(kept: Kept) -> None:
    kept.follow().stream.complaint = "it has not begun"
    assert kept.one() == Standing(SOURCE, [], None, None, False, Trouble.STREAM)


@pytest.mark.parametrize(
    ("noted", "complaint", "away", "trouble"),
    [
        ({}, None, False, None),
        # The stream says itself how it is: what the keeper notes is late.
        ({"stream": "no log"}, None, False, None),
        ({"stream": None}, "no log", False, Trouble.STREAM),
        ({"base": "t1 of shop differs"}, None, False, Trouble.BASE),
        ({"repository": "full"}, None, False, Trouble.REPOSITORY),
        ({"base": "x", "repository": "full"}, "no log", False, Trouble.STREAM),
        ({}, "no log", True, Trouble.AWAY),
        ({"base": "x"}, "no log", True, Trouble.BASE),
    ],
)
def test_what_is_wrong_in_one_word(
    kept: Kept, noted: dict[str, object], complaint: str | None, away: bool, trouble: Trouble | None
) -> None:
    stream = kept.follow().stream
    stream.complaint, stream.away = complaint, away
    kept.note(**noted)
    assert (kept.one().trouble, kept.one().streaming) == (trouble, complaint is None)


def test_of_one_that_was_not_met_since_the_start_all_is_known_but_that_it_flows(kept: Kept) -> None:
    logs = Logs(kept.folder / "logs", "mariadb")
    wrote(logs, 1, 1000.0, 2)
    logs.settle()
    kept.note((1000.0, 1), stream=None, proven=4)
    assert kept.one() == Standing(SOURCE, [Range(1000.0, 1000.0)], None, 4.0, False, Trouble.AWAY)


def test_its_files_are_read_once(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote(Logs(kept.folder / "logs", "mariadb"), 1, 1000.0, 2)
    kept.note((1000.0, 1))
    found = kept.one().ranges
    with monkeypatch.context() as patched:
        patched.setattr(Logs, "spans", lambda _logs: pytest.fail("they are read again"))
        assert kept.one().ranges == found == [Range(1000.0, 1000.0)]
    kept.note()
    assert kept.one().ranges == []


def test_while_files_change_what_was_found_before_stands(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote(kept.follow().backup.logs, 1, 1000.0, 2)
    kept.note((1000.0, 1))
    found = kept.one().ranges

    def gone(_logs: Logs) -> None:
        raise FileNotFoundError(2, "No such file")

    monkeypatch.setattr(Logs, "spans", gone)
    assert kept.one().ranges == found == [Range(1000.0, 1000.0)]


@pytest.mark.parametrize("bases", [None, 7, [7], [["x", "0-5-1"]], [[1.0, "no position"]], [[1.0]], [[1.0, 7]]])
def test_a_damaged_record_is_as_good_as_none(kept: Kept, bases: object) -> None:
    wrote(kept.follow().backup.logs, 1, 1000.0, 2)
    Record(kept.folder).note(bases=bases, shipped="now")
    assert (kept.one().ranges, kept.one().shipped) == ([], None) or kept.one().ranges == ()


def test_who_asks_again_and_again_costs_no_more(kept: Kept) -> None:
    kept.follow()
    assert kept.one().proven is None
    kept.note(proven=7.0)
    assert kept.standings.read()[0].proven is None
    assert kept.one().proven == 7.0


def test_folders_that_say_nothing_cost_themselves(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "key-0").mkdir()
    assert kept.one().source == SOURCE


def test_what_others_are_told_holds_no_sentence_and_no_name_of_a_database(kept: Kept) -> None:
    kept.follow()
    kept.note(base="what it restores is not as the server: rows of 'secret'.'t1'", wrong=["rows of 'secret'.'t1'"])
    line = kept.standings.told(b"")
    assert heard(line) == ([BackupState("key-1", "db-1", None, None, 0, None, Trouble.BASE)], 0)
    assert b"secret" not in line
