"""What was being carried out when a process was killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from dbhandler.audit.record import Entry, unaudited
from dbhandler.audit.under_way import UnderWay, under_way_of
from dbhandler.settings.config import Config

ENTRY = Entry("create_db", "unknown", "shop\n\N{SNOWMAN}", origin="event create_db #7")


def killed(path: Path, entry: Entry) -> None:
    """A process that is killed in the middle of its second deed."""
    if (child := os.fork()) == 0:
        under_way = UnderWay(path)
        with under_way.noted(Entry("x" * 500, "unknown")):
            pass
        with under_way.noted(entry):
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def left(path: Path) -> list[Entry]:
    told: list[Entry] = []
    UnderWay(path).tell_left(told.append)
    return told


def test_a_kill_in_the_middle_is_told_once(tmp_path: Path) -> None:
    killed(tmp_path / "note", ENTRY)
    [told] = left(tmp_path / "note")
    assert (told.operation, told.outcome, told.database, told.origin) == (
        "create_db", "unknown", ENTRY.database, ENTRY.origin,
    )  # fmt: skip
    assert told.reason and "killed" in told.reason
    assert left(tmp_path / "note") == []
    assert (tmp_path / "note").stat().st_mode & 0o777 == 0o600


def test_what_ended_by_itself_is_not_told(tmp_path: Path) -> None:
    under_way = UnderWay(tmp_path / "note")
    with under_way.noted(ENTRY):
        pass
    with pytest.raises(KeyError), under_way.noted(ENTRY):
        raise KeyError
    assert left(tmp_path / "note") == []


def test_it_is_kept_until_the_trail_has_been_told(tmp_path: Path) -> None:
    killed(tmp_path / "note", ENTRY)

    def fail(_: Entry) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        UnderWay(tmp_path / "note").tell_left(fail)
    assert len(left(tmp_path / "note")) == 1


@pytest.mark.parametrize("content", [b"", b"-", b"{}\n", b'{"operation": 1, "x": 2}\n', b"\xff\n", b"[]\n"])
def test_a_damaged_note_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "note").write_bytes(content)
    assert left(tmp_path / "note") == []


def test_without_a_place_nothing_is_noted(tmp_path: Path) -> None:
    for under_way in (UnderWay(), UnderWay(tmp_path / "no" / "folder")):
        with under_way.noted(ENTRY):
            under_way.tell_left(lambda _: pytest.fail("there is nothing"))


def test_where_no_trail_is_wanted_there_is_no_file(tmp_path: Path) -> None:
    config = Config.from_environ({"DBHANDLER_ENGINE": "mariadb", "DBHANDLER_STATE_DIR": str(tmp_path)})
    under_way_of(config, unaudited)
    assert list(tmp_path.iterdir()) == []
    under_way_of(config, lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["audit-under-way"]
