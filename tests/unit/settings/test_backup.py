"""The settings of the backup's container."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.errors import ConfigError
from dbhandler.settings.backup import backup_settings
from dbhandler.trust.secret import new_secret

SECRET = new_secret()
POOL = {"DBHANDLER_POOL_SECRET": SECRET}


def test_the_defaults() -> None:
    settings = backup_settings(POOL)
    assert (settings.folder, settings.repository) == (Path("/backups"), "/backups/repository")
    assert (settings.ship, settings.every, settings.keep, settings.password) == (30, 86400, None, None)
    assert len(settings.secrets) == 1


def test_every_setting() -> None:
    settings = backup_settings({
        **POOL, "DBHANDLER_BACKUP_DIR": "/b", "RESTIC_REPOSITORY": "s3:https://s3.example/x", "RESTIC_PASSWORD": "own",
        "DBHANDLER_BACKUP_SHIP": "5s", "DBHANDLER_BACKUP_EVERY": "12h", "DBHANDLER_BACKUP_KEEP": "--keep-last 3",
    })  # fmt: skip
    assert (settings.folder, settings.repository) == (Path("/b"), "s3:https://s3.example/x")
    assert (settings.ship, settings.every, settings.keep, settings.password) == (5, 43200, "--keep-last 3", "own")


def test_the_repository_is_in_the_folder() -> None:
    assert backup_settings({**POOL, "DBHANDLER_BACKUP_DIR": "/b"}).repository == "/b/repository"


def test_its_secrets_may_be_files_and_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    settings = backup_settings({**POOL, "RESTIC_PASSWORD_FILE": str(tmp_path / "password")})
    assert settings.password == "hunter2"
    assert "hunter2" not in repr(settings) and repr(settings.secrets[0]) not in repr(settings)


@pytest.mark.parametrize("environ", [{}, {"DBHANDLER_POOL_SECRET": ""}])
def test_without_a_pool_there_is_nothing_to_back_up(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"^DBHANDLER_POOL_SECRET has to be the secret of the pool"):
        backup_settings(environ)


@pytest.mark.parametrize("name", ["DBHANDLER_BACKUP_SHIP", "DBHANDLER_BACKUP_EVERY"])
@pytest.mark.parametrize("value", ["0", "daily", "1.5h", "-1"])
def test_a_wrong_time_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: a time is a number above 0 .*, not '{value}'$"):
        backup_settings({**POOL, name: value})
