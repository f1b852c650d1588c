"""The upgrade of an older MariaDB's system tables, by programs that are played."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from dbhandler.errors import DbHandlerError
from dbhandler.settings.config import Config
from dbhandler.volume import upgrade


@pytest.fixture
def config(tmp_path: Path) -> Config:
    folders = {"DBHANDLER_DATA_DIR": str(tmp_path), "DBHANDLER_RUN_DIR": str(tmp_path)}
    return Config.from_environ({"DBHANDLER_ENGINE": "mariadb", **folders})


def play(tmp_path: Path, patch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Puts programs into the PATH; a name's `_` stands for `-`."""
    patch.setenv("PATH", str(tmp_path), prepend=":")
    patch.setattr(upgrade, "TIMEOUT", 0.5)
    played = {"zstd": 'cat > "$3"', "mariadb_dump": "true", "mariadb_upgrade": "true"} | scripts
    for name, script in played.items():
        program = tmp_path / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)


@pytest.mark.parametrize(
    ("scripts", "sentence"),
    [
        ({"mariadb_upgrade": "exec sleep 30"}, "mariadb-upgrade has not finished within"),
        ({"mariadb_dump": "exec sleep 30"}, "the system tables are not backed up within"),
        ({"zstd": "exec sleep 30"}, "the system tables are not backed up within"),
        ({"mariadb_dump": "exit 3"}, "cannot be backed up, so they are not upgraded"),
        ({"mariadb_upgrade": "exit 3"}, "mariadb-upgrade failed with status 3"),
    ],
)
def test_a_program_that_fails_or_hangs_is_one_sentence(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch, scripts: dict[str, str], sentence: str
) -> None:
    play(tmp_path, monkeypatch, **scripts)
    private = SimpleNamespace(wait_for=lambda server: None)
    with pytest.raises(DbHandlerError, match=sentence):
        upgrade.upgrade_mariadb(private, config, "10.11.6-MariaDB")  # type: ignore[arg-type]
