"""What the engines' tools say of one object, and what of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.backup import dumping
from dbhandler.backup.left_out import left_out
from dbhandler.backup.tool import Refused, fed, loader, printed

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


def test_a_dump_that_lacks_one_object_is_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    notes = tmp_path / "notes"
    assert dumping.main([str(notes), *sh('echo dump; echo "$1" >&2; exit 2', VIEW)]) == 0
    assert (capfd.readouterr().out, notes.read_text()) == ("dump\n", f"{VIEW}\n")


@pytest.mark.parametrize(("said", "status"), [(LOST, 2), ("", 3)])
def test_any_other_end_is_none(tmp_path: Path, said: str, status: int) -> None:
    assert dumping.main([str(tmp_path / "notes"), *sh('echo "$1" >&2; exit $2', said, str(status))]) == status
    assert not (tmp_path / "notes").exists()


def test_how_the_dump_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert dumping.main([]) == 64
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
