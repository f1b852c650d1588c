"""Bases: what they are called, where they are in the log, and who gives them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from dbhandler.backup import base as module
from dbhandler.backup.base import Base, Bases, dump_command
from dbhandler.backup.source import Source
from dbhandler.distant.dump_note import position_in
from dbhandler.distant.node import Node
from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError, Denied, Unavailable
from tests.support.fakes import Clock
from tests.support.repository import PlayedRepository, dump_at

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
OTHER = "3e11fa47-71ca-11e1-9e33-c80aa9429563"
SOURCE = Source("key-1", "db-1", "mariadb", (Node("a", "10.0.0.1", 3306), Node("b", "10.0.0.2", 3306)))


class Reached:
    """The way to servers, some of which are away."""

    def __init__(self, **away: Exception) -> None:
        self._away = away

    def option_file(self, node: Node, engine: str) -> Path:
        if node.name in self._away:
            raise self._away[node.name]
        return Path(f"/run/{node.name}-{engine}.cnf")


def found(dump: bytes, engine: str) -> str:
    return str(position_in(io.BytesIO(dump).read, engine))


FAKE = b"CREATE PROCEDURE p()\nBEGIN\n-- SET GLOBAL gtid_slave_pos='9-9-9';\nEND ;;\n"
END = b"-- SET GLOBAL gtid_slave_pos='0-1-5,1-2-7';\n-- Dump completed\n"


@pytest.mark.parametrize(
    ("dump", "position"),
    [
        (END, "0-1-5,1-2-7"),
        (FAKE + END, "0-1-5,1-2-7"),
        (b"INSERT INTO x VALUES ('-- SET GLOBAL gtid_slave_pos=\\'9-9-9\\'');\n" + END, "0-1-5,1-2-7"),
        (b"-- SET GLOBAL gtid_slave_pos='';\n", ""),
        # Longer than what is looked at, and the line across what is read at once.
        (FAKE + b"x" * (1 << 20) + b"\n" + END, "0-1-5,1-2-7"),
        (b"x" * ((1 << 20) - 20) + b"\n" + END, "0-1-5,1-2-7"),
        (b"x" * (3 << 20) + b"\n" + END, "0-1-5,1-2-7"),
    ],
)
def test_mariadb_tells_it_at_the_end(dump: bytes, position: str) -> None:
    assert found(dump, "mariadb") == position


HEAD = (
    b"-- MySQL dump\n/* SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '" + f"{UUID}:1-5:7,\n{OTHER}:1-2".encode() + b"';*/\n"
)


@pytest.mark.parametrize(
    ("dump", "position"),
    [
        (HEAD, f"{UUID}:1-5:7,{OTHER}:1-2"),
        (b"SET @@GLOBAL.GTID_PURGED='+" + f"{UUID}:1-5';\n".encode(), f"{UUID}:1-5"),
        (b"SET @@GLOBAL.GTID_PURGED='" + f"{UUID}:1-5';\n".encode(), f"{UUID}:1-5"),
        (HEAD + f"-- SET @@GLOBAL.GTID_PURGED='{OTHER}:1-9';\n".encode(), f"{UUID}:1-5:7,{OTHER}:1-2"),
        (HEAD + b"x" * (3 << 20), f"{UUID}:1-5:7,{OTHER}:1-2"),
    ],
)
def test_mysql_tells_it_first_and_in_several_lines(dump: bytes, position: str) -> None:
    assert found(dump, "mysql") == position


@pytest.mark.parametrize(
    ("engine", "dump", "sentence"),
    [
        ("mariadb", b"", "does not say at which position it is"),
        ("mysql", b"", "does not say at which position it is"),
        ("mariadb", b"  -- SET GLOBAL gtid_slave_pos='0-1-5';\n", "does not say"),
        ("mysql", b"x" * (1 << 20) + HEAD, "does not say"),
        ("mariadb", b"-- SET GLOBAL gtid_slave_pos='0-1';\n", "tells no position: '0-1' is no GTID"),
        ("mysql", b"SET @@GLOBAL.GTID_PURGED='\xff';\n", "tells no position"),
    ],
)
def test_a_dump_without_one_is_no_base(engine: str, dump: bytes, sentence: str) -> None:
    with pytest.raises(DbHandlerError, match=sentence):
        found(dump, engine)


@pytest.mark.parametrize(
    ("engine", "tool", "option"),
    [("mariadb", "mariadb-dump", "--master-data=2"), ("mysql", "mysqldump", "--set-gtid-purged=COMMENTED")],
)
def test_the_command_that_takes_one(engine: str, tool: str, option: str) -> None:
    command = dump_command(engine, Path("/run/x.cnf"))
    # The option file counts only as the first one.
    assert command[:2] == [tool, "--defaults-file=/run/x.cnf"]
    wanted = {option, "--single-transaction", "--all-databases", "--routines", "--events", "--triggers", "--hex-blob",
              "--force"}  # fmt: skip
    assert wanted <= set(command)


def test_one_is_taken_of_the_first_node_that_is_there(tmp_path: Path, clock: Clock) -> None:
    repository = PlayedRepository(dump_at("0-1-5"))
    bases = Bases(repository, SOURCE, tmp_path)  # type: ignore[arg-type]
    taken = bases.take(Reached(a=Unavailable("away")), clock)  # type: ignore[arg-type]
    assert (str(taken.position), taken.time, taken.missing) == ("0-1-5", 1000.0, ())
    assert taken.snapshot.tags == {"kind": "base", "source": "key-1", "time": "1000.000"}
    [command] = repository.commands
    assert command[:3] == ["dbhandler-backup-dump", str(tmp_path / "bases" / "note"), "mariadb"]
    assert list(command[3:]) == dump_command("mariadb", Path("/run/b-mariadb.cnf"))
    # Of its content nothing is read again.
    assert (bases.list(), repository.count("dump")) == ([taken], 0)


@pytest.mark.parametrize("last", [Denied("it does not know us"), OSError(28, "No space left on device")])
def test_without_a_node_there_is_none(last: Exception, tmp_path: Path) -> None:
    bases = Bases(PlayedRepository(), SOURCE, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(type(last), match=str(last.args[-1])):
        bases.take(Reached(a=Unavailable("away"), b=last))  # type: ignore[arg-type]
    bases.source = Source("key-1", "db-1", "mariadb")
    with pytest.raises(Unavailable, match="no server of it is ready"):
        bases.take(Reached())  # type: ignore[arg-type]


def test_what_was_left_out_is_remembered(tmp_path: Path) -> None:
    repository = PlayedRepository(dump_at("0-1-5"))
    repository.left_out = ["table a", "table b"]
    Bases(repository, SOURCE, tmp_path).take(Reached())  # type: ignore[arg-type]
    [known] = Bases(repository, SOURCE, tmp_path).list()  # type: ignore[arg-type]
    assert known.missing == ("table a", "table b")


def test_one_that_cannot_be_looked_at_now_stays(tmp_path: Path) -> None:
    repository = PlayedRepository()
    repository.add(dump_at("0-1-5"), kind="base", source="key-1", time="1.000")
    bases = Bases(repository, SOURCE, tmp_path)  # type: ignore[arg-type]
    repository.fails["dump"] = Unavailable("away")
    with pytest.raises(Unavailable):
        bases.list()
    assert len(bases.list()) == 1


def test_one_that_is_damaged_does_not_take_the_others_with_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    repository = PlayedRepository()
    repository.add(b"-- MariaDB dump\n", kind="base", source="key-1", time="1.000")
    good = repository.add(dump_at("0-1-5"), kind="base", source="key-1", time="2.000")
    bases = Bases(repository, SOURCE, tmp_path)  # type: ignore[arg-type]
    assert [base.snapshot for base in [*bases.list(), *bases.list()]] == [good, good]
    assert caplog.messages == ["a base of 'db-1' is none: the dump does not say at which position it is"]


def test_one_of_another_volume_s_is_read_once(tmp_path: Path) -> None:
    repository = PlayedRepository()
    snapshot = repository.add(dump_at("0-1-5"), kind="base", source="key-1", time="7.000")
    repository.add(dump_at("0-1-9"), kind="base", source="key-2", time="8.000")
    bases = Bases(repository, SOURCE, tmp_path)  # type: ignore[arg-type]
    assert bases.list() == bases.list() == [Base(snapshot, 7.0, Position.parse("0-1-5", "mariadb"))]
    assert repository.count("dump") == 1
    noted = tmp_path / "bases" / f"{snapshot.id}.json"
    assert json.loads(noted.read_text()) == {"position": "0-1-5", "missing": []}
    assert noted.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"position": "x", "missing": []}'])
def test_a_damaged_note_is_made_anew(content: str, tmp_path: Path) -> None:
    repository = PlayedRepository()
    snapshot = repository.add(dump_at("0-1-5"), kind="base", source="key-1", time="7.000")
    (tmp_path / "bases").mkdir()
    (tmp_path / "bases" / f"{snapshot.id}.json").write_text(content)
    [base] = Bases(repository, SOURCE, tmp_path).list()  # type: ignore[arg-type]
    assert str(base.position) == "0-1-5"


def test_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    repository = PlayedRepository()
    for number in (1, 2):
        repository.add(dump_at(f"0-1-{number}"), kind="base", source="key-1", time=f"{number}.000")
    bases = Bases(repository, SOURCE, tmp_path)  # type: ignore[arg-type]
    first, second = bases.list()
    bases.forget(first)
    assert bases.list() == [second]
    bases.forget_all_but([second])
    assert [path.name for path in (tmp_path / "bases").glob("*.json")] == [f"{second.snapshot.id}.json"]


def test_its_time_is_the_moment_it_was_begun() -> None:
    assert module._time(PlayedRepository().add(b"")) == 0.0
