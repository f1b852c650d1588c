"""The settings of the backup's container: their names, defaults and rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dbhandler.errors import ConfigError
from dbhandler.settings.config import MetricsSettings, metrics_settings
from dbhandler.settings.duration import seconds
from dbhandler.settings.pool import pool_secrets
from dbhandler.settings.serf import SerfSettings, serf_settings
from dbhandler.settings.setting import Reader

FOLDER = "/backups"
SOURCES = "sources"
"""The folder in it with one for each source."""
SCRATCH = "scratch"
"""The folder in it of private servers, which outlive nobody."""


@dataclass(frozen=True)
class BackupSettings:
    """Where backups are kept and how often: folder is the volume's, repository where restic keeps what is shipped;
    ship and every are seconds; keep are restic's options of retention."""

    folder: Path
    repository: str
    ship: int
    every: int
    keep: str | None
    metrics: MetricsSettings | None
    serf: SerfSettings
    secrets: tuple[bytes, ...] = field(repr=False)
    password: str | None = field(repr=False)
    """The repository's, where it is not to come from the pool's secret."""


def backup_settings(environ: Mapping[str, str]) -> BackupSettings:
    """Reads and checks them. Raises ConfigError."""
    read = Reader(environ)
    if not (secrets := pool_secrets(environ)):
        raise ConfigError("DBHANDLER_POOL_SECRET has to be the secret of the pool whose servers are to be backed up")
    folder = Path(read.text("DBHANDLER_BACKUP_DIR") or FOLDER)
    return BackupSettings(
        folder=folder,
        repository=read.text("RESTIC_REPOSITORY") or str(folder / "repository"),
        ship=_seconds(read, "DBHANDLER_BACKUP_SHIP", "30s"),
        every=_seconds(read, "DBHANDLER_BACKUP_EVERY", "1d"),
        keep=read.text("DBHANDLER_BACKUP_KEEP"),
        metrics=metrics_settings(read),
        serf=serf_settings(environ),
        secrets=secrets,
        password=read.text("RESTIC_PASSWORD"),
    )


def _seconds(read: Reader, name: str, default: str) -> int:
    try:
        return seconds(read.text(name) or default)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error
