"""The trash, and the dumps in it, with small programs in place of the engine's own."""

import gzip
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from dbhandler.errors import ServerError
from dbhandler.provisioning.dump import Header, dump_command, read_header, write_dump
from dbhandler.provisioning.trash import ABANDONED, DAY, Trash

ONE, OTHER = "0123456789abcdef", "fedcba9876543210"


def header(database: str = "shop") -> Header:
    return Header(database, "clerk", "utf8mb4", "utf8mb4_bin", "mariadb")


def trash(folder: Path, script: str, days: int = 7) -> Trash:
    def command(database: str) -> Sequence[str]:
        return ["sh", "-c", script, "dump", database]

    return Trash(folder / "trash", command, days)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "trash").iterdir())


def test_a_dump_is_whole_private_and_named(tmp_path: Path) -> None:
    name = trash(tmp_path, 'echo "dump of $1"').keep(header("a/b"), ONE)
    assert names(tmp_path) == [name]
    file = tmp_path / "trash" / name
    assert name.startswith("a%2Fb-") and name.endswith(".sql.gz")
    assert gzip.decompress(file.read_bytes()).splitlines()[1:] == [
        b"CREATE DATABASE IF NOT EXISTS `a/b` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;",
        b"USE `a/b`;",
        b"dump of a/b",
    ]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("database", ["shop", "x`; DROP DATABASE y; -- %", "line\nbreak", "\N{SNOWMAN}" * 64])
def test_a_dump_says_what_it_is_of(tmp_path: Path, database: str) -> None:
    bin = trash(tmp_path, "true")
    name = bin.keep(header(database), ONE)
    assert read_header(tmp_path / "trash" / name) == header(database)
    assert [kept.path.name for kept in bin.dumps(database)] == [name]
    assert bin.dumps("another") == []


@pytest.mark.parametrize(
    "content", [b"", b"text", gzip.compress(b"-- a dump of version 0.1\n", mtime=0), gzip.compress(b"[]\n", mtime=0)]
)
def test_a_file_without_our_header_has_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.sql.gz"
    file.write_bytes(content)
    assert read_header(file) is None


def test_two_drops_within_a_second_have_a_dump_each(tmp_path: Path) -> None:
    bin = Trash(tmp_path / "trash", lambda name: ["true"], 7, lambda: 1_700_000_000.0)
    assert bin.keep(header(), ONE) != bin.keep(header(), OTHER)
    assert len(bin.dumps("shop")) == 2


def test_a_dump_that_fails_half_way_is_none_and_says_why(tmp_path: Path) -> None:
    script = "echo half; printf 'Got error: 1449:\\nno\\033[2J definer' >&2; exit 3"
    with pytest.raises(ServerError) as error:
        trash(tmp_path, script).keep(header(), ONE)
    assert str(error.value) == (
        "the dump of 'shop' failed, so nothing is dropped: 'Got error: 1449: no\\x1b[2J definer'"
    )
    assert names(tmp_path) == []


def test_a_program_that_complains_without_end_is_cut(tmp_path: Path) -> None:
    with pytest.raises(ServerError) as error:
        trash(tmp_path, "yes complaint | head -c 3000000 >&2; exit 1").keep(header(), ONE)
    assert len(str(error.value)) < 500


def test_a_dump_program_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="cannot be written"):
        Trash(tmp_path / "trash", lambda name: ["no-such-program", name], 7).keep(header(), ONE)
    assert names(tmp_path) == []


def test_a_dump_that_stands_still_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="stood still"):
        write_dump(["sleep", "60"], header(), tmp_path / "x.part", stalled=0.3)


def test_a_long_dump_that_grows_is_not_given_up(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4; do head -c 100000 /dev/urandom; sleep 0.25; done"
    write_dump(["sh", "-c", script], header(), tmp_path / "x.part", stalled=0.8)


def test_a_trash_that_is_no_folder_is_an_error_and_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "trash").write_text("a file")
    bin = trash(tmp_path, "echo x")
    bin.expire()
    assert bin.dumps() == []
    with pytest.raises(ServerError, match="cannot be written"):
        bin.keep(header(), ONE)


def test_old_dumps_and_unfinished_ones_go_and_nothing_else(tmp_path: Path) -> None:
    bin = trash(tmp_path, "echo x")
    new = bin.keep(header("new"), ONE)
    folder = tmp_path / "trash"
    used = f"used-20200101T000000Z-{OTHER}.sql.gz"
    for name in ("old-20200101T000000Z.sql.gz", used, "mine.sql.gz", "notes.txt"):
        (folder / name).touch()
        os.utime(folder / name, (0, time.time() - 8 * DAY))
    cut, written = (f"{name}-20260101T000000Z-0123456789abcdef.sql.part" for name in ("cut", "written"))
    for name in (cut, written):
        (folder / name).touch()
    os.utime(folder / cut, (0, time.time() - ABANDONED - 1))
    (folder / "folder-20200101T000000Z.sql.gz").mkdir()
    (folder / "link-20200101T000000Z.sql.gz").symlink_to(tmp_path)
    assert bin.expire({used}) == ["old-20200101T000000Z.sql.gz"]
    left = ["folder-20200101T000000Z.sql.gz", "link-20200101T000000Z.sql.gz", "mine.sql.gz", new, "notes.txt"]
    assert names(tmp_path) == [*left, used, written]


def test_what_was_written_for_one_drop_goes_and_nothing_else(tmp_path: Path) -> None:
    bin = trash(tmp_path, "echo x")
    bin.keep(header(), ONE)
    other = bin.keep(header(), OTHER)
    bin.remove_all(ONE)
    assert names(tmp_path) == [other]


def test_without_days_a_dump_lives_as_long_as_its_drop(tmp_path: Path) -> None:
    bin = trash(tmp_path, "echo x", days=0)
    name = bin.keep(header(), ONE)
    bin.expire({name})
    assert names(tmp_path) == [name]
    bin.expire()
    assert names(tmp_path) == []


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_a_database_is_no_option_of_the_dump_program(engine: str) -> None:
    command = dump_command(engine, Path("/s"), "mysql")("--all-databases")
    assert list(command[-2:]) == ["--", "--all-databases"]
