"""Whether every server is backed up, as Docker asks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dbhandler.backup import health
from dbhandler.backup.record import Record
from dbhandler.backup.source import Source, remember


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    for number in (1, 2):
        folder = tmp_path / "sources" / f"key-{number}"
        remember(folder, Source(f"key-{number}", f"db-{number}", "mariadb"))
        Record(folder).note(stream=None, base=None, repository=None, away=False)
    return {"DBHANDLER_BACKUP_DIR": str(tmp_path)}


def asked(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    return health.main([], environ), capsys.readouterr().out


def test_all_is_well(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(environ, capsys) == (0, "all servers that were met are backed up\n")


def test_where_nothing_was_met_nothing_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked({"DBHANDLER_BACKUP_DIR": str(tmp_path)}, capsys)[0] == 0


@pytest.mark.parametrize("name", ["stream", "base", "repository"])
def test_one_sentence_for_each_that_is_not(
    name: str, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Record(tmp_path / "sources" / "key-2").note(**{name: "it is away"})
    assert asked(environ, capsys) == (1, "db-2: it is away\n")


def test_a_server_that_is_away_is_no_fault_of_the_backup_s(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Record(tmp_path / "sources" / "key-2").note(stream="it is away", away=True)
    assert asked(environ, capsys)[0] == 0


def test_a_folder_that_says_nothing(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sources" / "key-1" / "source.json").unlink()
    assert asked(environ, capsys) == (1, f"{tmp_path}/sources/key-1 is no folder of a server's backups\n")


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert health.main(["--help"], {}) == 0
    assert capsys.readouterr().out.startswith("usage: dbhandler-backup-health\n")
    assert health.main(["now"], {}) == os.EX_USAGE
