"""dbhandler-backup, the command: what it asks for, what it prints, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dbhandler.backup import cli
from dbhandler.backup.cli import folder_of, main
from dbhandler.backup.history import Before, Moment
from dbhandler.backup.logs import Logs
from dbhandler.backup.record import Record
from dbhandler.backup.restoring import Backup
from dbhandler.backup.source import Source, remember
from dbhandler.client.connection import Connection
from dbhandler.distant.events import HEADER
from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError, Denied, Unavailable
from dbhandler.settings.backup import BackupSettings, backup_settings
from dbhandler.trust.secret import new_secret
from tests.support.binlog import FORMAT, gtid, raw
from tests.support.repository import PlayedRepository, dump_at

ENVIRON = {"DBHANDLER_POOL_SECRET": new_secret()}
ONE, TWO = Source("key-1", "db-1", "mariadb"), Source("key-2", "db-2", "mariadb")
CONNECTION = Connection("shop_before", "10.0.0.1", 3306, "shop_before", "hunter2", ca="pem", ca_file="/backups/x.pem")


class Played:
    """The command with a repository and a volume."""

    def __init__(self, folder: Path, *sources: Source) -> None:
        self.folder, self.repository = folder, PlayedRepository()
        for source in sources:
            remember(folder / "sources" / source.id, source)

    def run(self, *argv: str) -> int:
        return main(list(argv), {**ENVIRON, "DBHANDLER_BACKUP_DIR": str(self.folder)})

    @property
    def settings(self) -> BackupSettings:
        return backup_settings({**ENVIRON, "DBHANDLER_BACKUP_DIR": str(self.folder)})


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    made = Played(tmp_path, ONE, TWO)
    monkeypatch.setattr(cli, "open_repository", lambda _settings, _environ: made.repository)
    return made


@pytest.mark.parametrize(
    "argv",
    [
        [], ["x"], ["list", "x"], ["run", "x"], ["check", "--all"], ["find"], ["find", "--drop"], ["restore"],
        ["restore", "shop", "--at", "latest"], ["restore", "shop", "--as", "x"],
        ["restore", "--at", "latest", "--as", "x"],
        ["restore", "shop", "--at", "latest", "--as", "x", "--format", "xml"],
        ["restore", "shop", "--a", "latest", "--as", "x"],
    ],
)  # fmt: skip
def test_wrong_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv, ENVIRON)
    assert ended.value.code == os.EX_USAGE
    told = capsys.readouterr()
    assert told.err.startswith("dbhandler-backup") and told.err.count("\n") == 1 and not told.out


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--help"], "exit status: 0 done"), (["restore", "--help"], "before:GTID"),
        (["--version"], "dbhandler-backup "), (["find", "--help"], "--drop NAME"),
    ],
)  # fmt: skip
def test_its_help(argv: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv, ENVIRON)
    assert ended.value.code == 0 and told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "DBHANDLER_POOL_SECRET has to be the secret of the pool"),
        ({**ENVIRON, "DBHANDLER_BACKUP_SHIP": "often"}, "DBHANDLER_BACKUP_SHIP: a time is a number"),
        ({**ENVIRON, "DBHANDLER_BACKUP_SHIPS": "5s"}, "DBHANDLER_BACKUP_SHIPS is no setting"),
    ],
)
def test_wrong_settings(environ: dict[str, str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"], environ) == os.EX_USAGE
    assert capsys.readouterr().err.startswith(f"dbhandler-backup: {sentence}")


def test_the_container_s_own_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "run", lambda environ: 42 if environ == ENVIRON else 0)
    assert main(["run"], ENVIRON) == 42


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Unavailable("the repository is away"), os.EX_UNAVAILABLE),
        (DbHandlerError("another password"), os.EX_SOFTWARE),
        (Denied("no"), os.EX_NOPERM),
        (OSError(28, "No space left on device", "/backups/x"), os.EX_SOFTWARE),
    ],
)
def test_a_repository_that_does_not_open(
    failure: Exception, status: int, played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    played.repository.fails["open"] = failure
    assert played.run("list") == status
    told = capsys.readouterr()
    assert told.err.startswith("dbhandler-backup: ") and told.err.count("\n") == 1 and not told.out


def test_the_list(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    assert played.run("list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["SERVER", "db-1", "db-2"]


def test_a_list_with_something_wrong(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    Record(played.folder / "sources" / "key-2").note(base="no disk")
    assert played.run("list") == 1
    assert capsys.readouterr().out.splitlines()[-1] == "db-2: no disk"


def test_the_list_of_nothing(played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    played.folder = tmp_path / "empty"
    assert played.run("list") == 0
    assert capsys.readouterr().out.startswith("SERVER") and not played.folder.exists()


def statement(text: str, schema: str = "shop") -> bytes:
    """MariaDB's event of one statement."""
    body = bytes(8) + bytes([len(schema)]) + bytes(4) + schema.encode() + b"\0" + text.encode()
    return raw(2, body)


def wrote(played: Played, *statements: str) -> None:
    logs = Logs(played.folder / "sources" / "key-1" / "logs", "mariadb")
    logs.begin(Position.parse("", "mariadb"), "a", 1000.0)
    logs.append(FORMAT, 1000.0)
    for number, text in enumerate(statements, 1):
        # One that stands alone needs no end.
        event = bytearray(gtid(number))
        logs.append(standing_alone(event), 1000.0)
        logs.append(statement(text), 1000.0)
    logs.settle()


def standing_alone(event: bytearray) -> bytes:
    """The GTID of what is one statement, as DDL is."""
    number = int.from_bytes(event[19:27], "little")
    return raw(162, number.to_bytes(8, "little") + bytes(4) + b"\1" + bytes(6))


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("DROP TABLE `orders`", "orders", True),
        ("DROP TABLE IF EXISTS `shop`.`orders`,`x` /* generated by server */", "orders", True),
        ("DROP TABLE orders,lines", "lines", True),
        ("DROP TABLE `a b`.`c``d`", "c`d", True),
        ("DROP DATABASE my-shop", "my-shop", True),
        ("drop database shop", "shop", True),
        ("  /* DBeaver 24 */ -- by hand\n DROP TABLE orders", "orders", True),
        ("ALTER TABLE orders DROP COLUMN price", "price", True),
        ("TRUNCATE TABLE orders", "orders", True),
        ("RENAME TABLE orders TO gone", "gone", True),
        # All that is dropped in a database is of the database.
        ("DROP TABLE orders", "shop", True),
        ("DROP TABLE orders2", "orders", False),
        ("CREATE TABLE orders (id int)", "orders", False),
    ],
)
def test_what_was_dropped_is_found(
    text: str, name: str, found: bool, played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    wrote(played, text)
    assert played.run("find", "--drop", name) == 0
    out = capsys.readouterr().out
    assert out.startswith("db-1  1970-01-01 00:16:40  0-5-1  ") if found else out == ""
    assert out.count("\n") == found and HEADER.decode("latin-1") not in out


def test_it_is_found_on_the_server_that_is_named(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    wrote(played, "DROP TABLE a", "DROP TABLE b")
    for server, count in (("db-1", 1), ("key-1", 1), ("db-2", 0)):
        assert played.run("find", "--drop", "b", "--server", server) == 0
        assert capsys.readouterr().out.count("0-5-2") == count


class Copy:
    """A private server that holds one database."""

    def __init__(self) -> None:
        self.missing = ["view x"]

    def dump(self, database: str) -> Iterator[bytes]:
        yield f"dump of {database}".encode()


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is done for a restore, in order."""
    done: list[object] = []

    @contextmanager
    def at(backup: Backup, moment: Moment) -> Iterator[Copy]:
        done.append((backup.source.name, moment))
        yield Copy()

    def ask_for(name: str, source: Source, settings: BackupSettings, folder: Path) -> Connection:
        assert folder.stat().st_mode & 0o777 == 0o700
        done.append(f"ask for {name}")
        return CONNECTION

    def load(dump: Iterator[bytes], connection: Connection, folder: Path) -> list[str]:
        done.append(b"".join(dump))
        return ["table y"]

    monkeypatch.setattr(Backup, "at", at)
    monkeypatch.setattr(cli, "check_free", lambda name, source, settings: done.append(f"is {name} free?"))
    monkeypatch.setattr(cli, "check_there", lambda copy, name: done.append(f"was {name} there?"))
    monkeypatch.setattr(cli, "ask_for", ask_for)
    monkeypatch.setattr(cli, "load", load)
    return done


def test_a_restore(played: Played, restored: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert played.run("restore", "shop", "--at", "before:0-5-7", "--as", "shop_before", "--server", "db-2") == 0
    assert restored == [
        "is shop_before free?", ("db-2", Before("0-5-7")), "was shop there?", "ask for shop_before", b"dump of shop",
    ]  # fmt: skip
    told = capsys.readouterr()
    assert "DB_NAME=shop_before\n" in told.out and "DB_PASSWORD=hunter2\n" in told.out
    # The file of this container's is nobody else's.
    assert "/backups/x.pem" not in told.out
    assert told.err == "dbhandler-backup: not brought: table y\ndbhandler-backup: not brought: view x\n"


def test_its_account_in_another_form(
    played: Played, restored: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--at", "latest", "--as", "shop_before", "--server", "db-1", "--format", "dsn")
    assert played.run("restore", "shop", *arguments) == 0
    assert capsys.readouterr().out == "mysql://shop_before:hunter2@10.0.0.1:3306/shop_before\n"


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--at", "yesterday", "--as", "x", "--server", "db-1"], os.EX_USAGE, "a moment is a time"),
        (["--at", "latest", "--as", "x" * 65, "--server", "db-1"], os.EX_USAGE, "64"),
        (["--at", "latest", "--as", "x"], os.EX_SOFTWARE, "which one: there are backups of db-1, db-2"),
        (["--at", "latest", "--as", "x", "--server", "db-3"], os.EX_SOFTWARE, "no backup of a server 'db-3'"),
    ],
)  # fmt: skip
def test_a_restore_that_is_wrong_is_refused_before_anything_is_done(
    arguments: list[str], status: int, sentence: str, played: Played, restored: list[object],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert played.run("restore", "shop", *arguments) == status
    assert sentence in capsys.readouterr().err and restored == []


def test_a_name_that_is_taken_costs_no_work(
    played: Played, restored: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def taken(*_: object) -> None:
        raise Denied("there is a database 'x' already")

    monkeypatch.setattr(cli, "check_free", taken)
    assert played.run("restore", "shop", "--at", "latest", "--as", "x", "--server", "db-1") == os.EX_NOPERM
    assert restored == [] and "already" in capsys.readouterr().err


def test_where_there_is_one_server_it_need_not_be_named(tmp_path: Path) -> None:
    alone = Played(tmp_path, ONE)
    assert folder_of(alone.settings, None) == folder_of(alone.settings, "db-1") == tmp_path / "sources" / "key-1"


@pytest.mark.parametrize(("failure", "status"), [(None, 0), (DbHandlerError("damaged"), os.EX_SOFTWARE)])
def test_the_check(failure: Exception | None, status: int, played: Played) -> None:
    if failure:
        played.repository.fails["check"] = failure
    assert played.run("check") == status and played.repository.count("check") == 1


def test_what_is_forgotten_is_gone(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "known_sources", lambda _settings: [TWO])
    for source in (ONE, TWO):
        played.repository.add(dump_at("0-5-1"), kind="base", source=source.id, time="1.000")
    assert played.run("forget", "db-1") == 0
    assert [snapshot.tags["source"] for snapshot in played.repository.kept] == ["key-2"]
    assert [folder.name for folder in (played.folder / "sources").iterdir()] == ["key-2"]
    assert played.repository.count("prune") == 1


def test_what_lives_is_not_forgotten(
    played: Played, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "known_sources", lambda _settings: [ONE])
    assert played.run("forget", "db-1") == os.EX_NOPERM
    assert "'db-1' is backed up now" in capsys.readouterr().err
    assert (played.folder / "sources" / "key-1").exists() and played.repository.done == ["open"]
