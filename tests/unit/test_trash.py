import gzip
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from dbhandler.errors import ServerError, Unavailable
from dbhandler.trash import DAY, Trash, dump_command


def trash(folder: Path, script: str, **options: object) -> Trash:
    def command(database: str) -> Sequence[str]:
        return ["sh", "-c", script, "dump", database]

    return Trash(folder / "trash", command, 7)


def test_a_dump_is_whole_private_and_named(tmp_path: Path) -> None:
    trash(tmp_path, 'echo "dump of $1"').keep("a/b")
    [file] = (tmp_path / "trash").iterdir()
    assert file.name.startswith("a%2Fb-") and file.name.endswith(".sql.gz")
    assert gzip.decompress(file.read_bytes()) == b"dump of a/b\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_dump_that_fails_half_way_is_none(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="nothing is dropped"):
        trash(tmp_path, "echo half; exit 3").keep("shop")
    assert list((tmp_path / "trash").iterdir()) == []


def test_a_dump_program_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="could not be begun"):
        Trash(tmp_path / "trash", lambda name: ["no-such-program", name], 7).keep("shop")


def test_a_long_dump_goes_on_and_is_found_by_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbhandler.trash.PATIENCE", 0.05)
    long = trash(tmp_path, f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo done")
    with pytest.raises(Unavailable, match="ask again"):
        long.keep("shop")
    assert not list((tmp_path / "trash").glob("*.sql.gz"))
    (tmp_path / "go").touch()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            long.keep("shop")
            break
        except Unavailable:
            continue
    assert len(list((tmp_path / "trash").glob("*.sql.gz"))) == 1


def test_old_dumps_go(tmp_path: Path) -> None:
    bin = trash(tmp_path, "echo x")
    bin.keep("new")
    old = tmp_path / "trash" / "old-20200101T000000Z.sql.gz"
    old.touch()
    os.utime(old, (0, time.time() - 8 * DAY))
    bin.expire()
    assert [file.name.split("-")[0] for file in (tmp_path / "trash").iterdir()] == ["new"]


def test_a_database_is_no_option_of_the_dump_program() -> None:
    command = dump_command("mariadb", Path("/s"), "mysql")("--all-databases")
    assert list(command[-2:]) == ["--", "--all-databases"]
