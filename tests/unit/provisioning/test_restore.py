"""Restoring, and the operator's command line, up to where a real server is needed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dbhandler.boot import admin
from dbhandler.errors import ServerError
from dbhandler.provisioning.dump import Header
from dbhandler.provisioning.restore import _feed, _owned

HEADER = Header("shop", "clerk", "utf8mb4", "utf8mb4_bin", "mariadb")
LINES = [
    b"CREATE DEFINER=`clerk`@`%` FUNCTION `f`()\n",
    b"/*!50013 DEFINER=`clerk`@`%` SQL SECURITY DEFINER */\n",
    b"/*!50003 CREATE*/ /*!50017 DEFINER=`clerk`@`%`*/ /*!50003 TRIGGER\n",
    b"INSERT INTO `t` VALUES ('DEFINER=`clerk`@`%`');\n",
    b"/*!50013 DEFINER=`clerk2`@`%` SQL SECURITY DEFINER */\n",
]


def test_what_ran_with_the_rights_of_the_former_account_runs_with_those_of_the_new_one() -> None:
    first, second, third, *others = _owned([b"", b"", b"", *LINES], "clerk", "o`ther")
    assert first == LINES[0].replace(b"clerk", b"o``ther")
    assert second == LINES[1].replace(b"clerk", b"o``ther")
    assert third == LINES[2].replace(b"clerk", b"o``ther")
    assert others == LINES[3:]


def test_for_the_same_account_a_dump_stays_as_it_is() -> None:
    assert list(_owned([b"header"] * 3 + LINES, "clerk", "clerk")) == LINES


def dump(folder: Path, content: bytes) -> Path:
    file = folder / "dump.sql.gz"
    file.write_bytes(gzip.compress(HEADER.encode() + content))
    return file


def test_the_client_gets_the_dump_without_its_header(tmp_path: Path) -> None:
    _feed(("sh", "-c", f"cat > {tmp_path}/got"), dump(tmp_path, b"a\nb\n"), HEADER, "clerk")
    assert (tmp_path / "got").read_bytes() == b"a\nb\n"


def test_what_the_client_complains_of_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"not restored: 'ERROR 1 at line 2\\x1b'"):
        _feed(("sh", "-c", "printf 'ERROR 1 at\\nline 2\\033' >&2; exit 1"), dump(tmp_path, b"x" * 10**6), HEADER, "a")


def test_a_client_that_quotes_a_large_statement_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    quoting = "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo ERROR 1142 >&2; exit 1"
    with pytest.raises(ServerError, match=r"ERROR 1142'$"):
        _feed(("timeout", "20", "sh", "-c", quoting), dump(tmp_path, b"x\n" * 10**6), HEADER, "clerk")


def test_a_damaged_dump_is_told(tmp_path: Path) -> None:
    file = dump(tmp_path, bytes(range(256)) * 1000)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ServerError, match="damaged"):
        _feed(("cat",), file, HEADER, "clerk")


@pytest.mark.parametrize("arguments", [["nonsense"], ["reissue"], ["restore", "shop", "--into", "x"], ["dumps", "x"]])
def test_wrong_usage_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        admin.main(arguments, {})
    assert error.value.code == 64
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["reissue", "mysql"], 64, "belongs to the server itself"),
        (["reissue", "a b"], 64, "has to match"),
        (["restore", "shop", "--as", "x;y"], 69, "does not answer"),
        (["reissue", "shop"], 69, "does not answer"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, said: str
) -> None:
    environ = {"DBHANDLER_STATE_DIR": str(tmp_path), "DBHANDLER_RUN_DIR": str(tmp_path)}
    assert admin.main(arguments, environ) == status
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and said in told.err


def test_dumps_are_listed_while_the_server_is_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trash").mkdir()
    dump(tmp_path, b"").rename(tmp_path / "trash" / "shop-20260101T000000Z-0123456789abcdef.sql.gz")
    environ = {"DBHANDLER_STATE_DIR": str(tmp_path), "DBHANDLER_RUN_DIR": str(tmp_path)}
    assert admin.main(["dumps"], environ) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["DUMP", "DATABASE"]
    assert line.split()[:2] == ["shop-20260101T000000Z-0123456789abcdef.sql.gz", "shop"]
