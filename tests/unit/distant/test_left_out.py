"""What the engines' tools say of one object, and what of everything."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dbhandler.backup import dumping
from dbhandler.backup.tool import Refused, fed, loader, printed
from dbhandler.distant.dump_note import DumpNote, read
from dbhandler.distant.left_out import left_out
from dbhandler.distant.position import Position

VIEW = "mariadb-dump: Couldn't execute 'SHOW FIELDS FROM `v`': View 'x.v' references invalid table(s) (1356)"
MERGE = "mariadb-dump: Couldn't execute 'show create table `m`': Unable to open underlying table (1168)"
CRASHED = "mysqldump: Error 1194: Table 't' is marked as crashed and should be repaired when dumping table `t`"
LOADED = "ERROR 1146 (42S02) at line 75: Table 'x.i' doesn't exist"
LOST = "mariadb-dump: Error 2013: Lost connection to server during query when dumping table `t` at row: 9"


@pytest.mark.parametrize("line", [VIEW, MERGE, CRASHED, LOADED])
def test_one_object_is_named(line: str) -> None:
    assert left_out([line, "", "-- Warning: column statistics not supported by the server."]) == [line]


@pytest.mark.parametrize(
    "line",
    [
        LOST,
        "mariadb-dump: Got error: 1045: \"Access denied for user 'x'@'y'\" when trying to connect",
        "mysqldump: Error 1412: Table definition has changed, please retry transaction when dumping `t`",
        "ERROR 1064 (42000) at line 3: You have an error in your SQL syntax",
        "Segmentation fault",
    ],
)
def test_anything_else_ends_it(line: str) -> None:
    assert left_out([VIEW, line]) is None


def sh(text: str, *arguments: str) -> list[str]:
    return ["sh", "-c", text, "sh", *arguments]


@pytest.fixture(autouse=True)
def _taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumping, "HEARD", 0.0)


POSITION = "-- SET GLOBAL gtid_slave_pos='0-1-5';"


def test_a_dump_that_lacks_one_object_is_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    note = tmp_path / "note"
    dump = sh('echo "$2"; echo "$1" >&2; exit 2', VIEW, POSITION)
    assert dumping.main([str(note), "mariadb", *dump]) == 0
    assert capfd.readouterr().out == f"{POSITION}\n"
    assert read(note, "mariadb") == DumpNote(Position.parse("0-1-5", "mariadb"), (VIEW,))


@pytest.mark.parametrize(("said", "status"), [(LOST, 2), ("", 3)])
def test_any_other_end_is_none(tmp_path: Path, said: str, status: int, capfd: pytest.CaptureFixture[str]) -> None:
    dump = sh('echo "$3"; echo "$1" >&2; exit $2', said, str(status), POSITION)
    assert dumping.main([str(tmp_path / "note"), "mariadb", *dump]) == status
    assert not (tmp_path / "note").exists() and capfd.readouterr().err == f"{said}\n"


def test_a_dump_without_a_position_is_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert dumping.main([str(tmp_path / "note"), "mariadb", *sh("echo dump")]) == 70
    assert not (tmp_path / "note").exists()
    assert capfd.readouterr().err == "the dump does not say at which position it is\n"


def test_what_nobody_takes_any_more_ends_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def closed(_chunk: bytes) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", SimpleNamespace(buffer=SimpleNamespace(write=closed)))
        assert dumping.main([str(tmp_path / "note"), "mariadb", "yes"]) == 70
    assert capfd.readouterr().err == "Broken pipe\n"


def test_how_the_dump_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert dumping.main(["note", "mariadb"]) == 64
    assert capsys.readouterr().err.startswith("usage: dbhandler-backup-dump")


def test_what_is_printed_comes_by_lines() -> None:
    missing: list[str] = []
    assert list(printed(sh('printf "a\\nb"; echo "$1" >&2; exit 2', VIEW), missing)) == [b"a\n", b"b"]
    assert missing == [VIEW]


def test_a_tool_that_fails_says_so_at_its_end() -> None:
    lines = printed(sh('echo a; echo "$1" >&2; exit 2', LOST), [])
    assert next(lines) == b"a\n"
    with pytest.raises(Refused, match="Lost connection"):
        next(lines)


def test_what_is_fed_is_taken_or_refused(tmp_path: Path) -> None:
    missing: list[str] = []
    with fed(sh('cat > "$1"; echo "$2" >&2; exit 1', str(tmp_path / "taken"), LOADED), missing) as stdin:
        stdin.write(b"SELECT 1;")
    assert ((tmp_path / "taken").read_bytes(), missing) == (b"SELECT 1;", [LOADED])
    with pytest.raises(Refused, match="sh failed"), fed(sh("exit 1"), []) as stdin:
        stdin.write(b"x" * 1_000_000)


def test_no_statement_that_fails_is_repeated_in_a_log() -> None:
    assert "--skip-print-query-on-error" in loader("mariadb", "--no-defaults")
    assert loader("mysql", "--no-defaults")[:2] == ["mysql", "--no-defaults"]
