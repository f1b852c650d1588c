"""The command line: what is printed where, and the exit status."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dbhandler.pool.cli import main
from dbhandler.trust.pool import Pool
from dbhandler.trust.secret import new_secret, parse


def test_keygen_prints_a_new_secret_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    made: list[bytes] = []
    for _ in range(2):
        assert main(["keygen"], {}) == os.EX_OK
        told = capsys.readouterr()
        assert (told.out.count("\n"), told.err) == (1, "")
        made += parse(told.out)
    assert made[0] != made[1]


def test_the_id_is_that_of_the_first_secret(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    new, old = new_secret(), new_secret()
    (tmp_path / "secret").write_text(f"{new}\n{old}\n")
    for environ in (
        {"DBHANDLER_POOL_SECRET": new},
        {"DBHANDLER_POOL_SECRET": f"{new} {old}"},
        {"DBHANDLER_POOL_SECRET_FILE": str(tmp_path / "secret")},
    ):
        assert main(["id"], environ) == os.EX_OK
        assert capsys.readouterr().out == f"{Pool(parse(new)).id}\n"


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "DBHANDLER_POOL_SECRET is not set: there is no pool to tell the id of"),
        (
            {"DBHANDLER_POOL_SECRET": "hunter2"},
            "DBHANDLER_POOL_SECRET is wrong: a secret is 32 bytes in base64url: dbhandler-pool keygen makes one",
        ),
    ],
)
def test_a_wrong_setting_is_a_sentence_that_quotes_nothing(
    environ: dict[str, str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["id"], environ) == os.EX_USAGE
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"dbhandler-pool: {sentence}\n")


def test_its_help_and_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], {}) == os.EX_OK
    assert "dbhandler-pool keygen" in capsys.readouterr().out
    assert main([], {}) == os.EX_USAGE
    assert "usage: dbhandler-pool" in capsys.readouterr().err
    for argv in (["keygen", "x"], ["dance\n"], ["id", "--force"]):
        assert main(argv, {}) == os.EX_USAGE
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("dbhandler-pool: no such command: ") and told.err.count("\n") == 1
