"""The settings of the database container: their names, defaults and rules."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dbhandler import paths
from dbhandler.address import is_backup, is_host
from dbhandler.errors import ConfigError
from dbhandler.inventory import InRun, InState
from dbhandler.log import shown
from dbhandler.os_user import socket_user
from dbhandler.requests.policy import DEFAULT_PATTERN, MAX_ACCOUNTS, MAX_COPIES, Policy
from dbhandler.settings.names import official
from dbhandler.settings.output import LOG_FORMATS, AuditSettings, audit_settings
from dbhandler.settings.pool import (
    DirectorySettings,
    GroupSettings,
    Part,
    binlog,
    directory_settings,
    group_name,
    group_settings,
    part_of,
    pool_secrets,
)  # fmt: skip
from dbhandler.settings.serf import SerfSettings, serf_settings
from dbhandler.settings.setting import Reader
from dbhandler.spool import DEFAULT_MAX

ROOT_SETTINGS = official(
    "ROOT_PASSWORD",
    "ROOT_PASSWORD_HASH",
    "RANDOM_ROOT_PASSWORD",
    "ALLOW_EMPTY_ROOT_PASSWORD",
    "ALLOW_EMPTY_PASSWORD",
)
"""The official images' settings that say how root logs in."""

ENGINES = {"mariadb": "mariadbd", "mysql": "mysqld"}
"""Engine -> name of its server program."""

_TAKEN = ("root", "mysql", "dbhandler_backup", "dbhandler_directory", "dbhandler_group")


@dataclass(frozen=True)
class MetricsSettings:
    """Where metrics are served: host (empty: all addresses) and port, over TLS or not."""

    host: str
    port: int
    tls: bool = False


@dataclass(frozen=True)
class Config:
    """All settings of the database container, checked."""

    engine: str
    data_dir: Path
    state_dir: Path
    run_dir: Path
    socket: Path
    template: Path
    supervisord_conf: Path
    defaults_file: Path | None
    os_user: str | None
    wants_admin: bool
    admin_user: str
    admin_password: str | None = field(repr=False)
    advertise_host: str | None
    advertise_port: int | None
    policy: Policy
    spool_max: int
    trash_days: int
    adopt: bool
    auto_upgrade: bool
    upgrade_backup: bool
    metrics: MetricsSettings | None
    audit: AuditSettings | None
    tls_names: tuple[str, ...]
    serf: SerfSettings
    pool_secrets: tuple[bytes, ...] = field(default=(), repr=False)
    group: GroupSettings | None = None
    leave_group: str | None = None
    restore: str | None = None
    directory: DirectorySettings | None = None
    binlog: bool | None = None
    part: Part | None = None

    @property
    def socket_user(self) -> str:
        """The name of our account at the server's socket: that of the operating system user whom the server takes this
        process for, whatever the name of its user id (`docker run --user`) is."""
        return self.os_user or socket_user()

    @property
    def awaits_backup(self) -> bool:
        """Is this server to be filled from a backup, and is not yet?"""
        return self.restore is not None and not (self.state_dir / InState.RESTORED).exists()

    @property
    def ready_file(self) -> Path:
        """Stands in the run folder once this start's accounts are as they should be."""
        return self.run_dir / InRun.READY

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Config:
        """Reads and checks every setting. Raises ConfigError, whose sentence names the variable."""
        read = Reader(environ)
        read.choice("DBHANDLER_LOG_FORMAT", LOG_FORMATS)
        run_dir = Path(paths.run_dir(environ))
        return cls(
            engine=engine(environ),
            data_dir=Path(read.text("DBHANDLER_DATA_DIR") or "/var/lib/mysql"),
            state_dir=Path(paths.state_dir(environ)),
            run_dir=run_dir,
            socket=Path(read.text("DBHANDLER_SOCKET") or run_dir / InRun.MYSQLD_SOCKET),
            template=Path(read.text("DBHANDLER_TEMPLATE") or "/usr/share/dbhandler/template.tar.zst"),
            supervisord_conf=Path(read.text("DBHANDLER_SUPERVISORD_CONF") or "/etc/dbhandler/supervisord.template"),
            defaults_file=_optional_path(read.text("DBHANDLER_DEFAULTS_FILE")),
            os_user=read.text("DBHANDLER_OS_USER"),
            wants_admin=_wants_admin(read),
            admin_user=_admin_user(read),
            admin_password=read.text("MYSQL_ADMIN_PASSWORD"),
            advertise_host=_host(read, "DBHANDLER_ADVERTISE_HOST"),
            advertise_port=read.number("DBHANDLER_ADVERTISE_PORT", 1, 65535),
            policy=_policy(read),
            spool_max=_or(read.number("DBHANDLER_SPOOL_MAX", 1, 10_000_000), DEFAULT_MAX),
            trash_days=_or(read.number("DBHANDLER_TRASH_DAYS", 0, 36500), 7),
            adopt=read.flag("DBHANDLER_ADOPT"),
            # Any other text means yes, as in the official image.
            auto_upgrade=read.text("MARIADB_AUTO_UPGRADE") not in (None, "0"),
            upgrade_backup=read.text("MARIADB_DISABLE_UPGRADE_BACKUP") != "1",
            metrics=metrics_settings(read),
            audit=audit_settings(read),
            tls_names=_tls_names(read),
            serf=serf_settings(environ),
            pool_secrets=pool_secrets(environ),
            group=group_settings(read, engine(environ)),
            leave_group=read.text("DBHANDLER_LEAVE_CLUSTER"),
            restore=_restore(read),
            directory=directory_settings(read),
            binlog=binlog(read),
            part=part_of(read),
        )


def engine(environ: Mapping[str, str]) -> str:
    """The engine of this image. Raises ConfigError."""
    installed = "mariadb" if shutil.which("mariadbd") else "mysql"
    chosen = Reader(environ).choice(
        "DBHANDLER_ENGINE", [*sorted(ENGINES, key=lambda name: name != installed), "galera"]
    )
    # The image's name; its server is MariaDB.
    return "mariadb" if chosen == "galera" else chosen


def _restore(read: Reader) -> str | None:
    wanted = read.text("DBHANDLER_RESTORE")
    if wanted is None:
        return None
    if not is_backup(wanted):
        raise ConfigError(
            "DBHANDLER_RESTORE has to be SERVER@MOMENT, as `dbhandler-backup list` names the server, the moment a "
            f"time, a GTID or latest, not {shown(wanted)}"
        )
    if not pool_secrets(read.environ):
        raise ConfigError("DBHANDLER_RESTORE needs DBHANDLER_POOL_SECRET: a backup of the pool fills this server")
    if group_name(read.environ):
        raise ConfigError("DBHANDLER_RESTORE and DBHANDLER_CLUSTER exclude each other: restore into a single server")
    return wanted


def _wants_admin(read: Reader) -> bool:
    # Who says how root logs in, as the official images want it, has an administrator; else there has to be ours.
    asked = read.is_set("MYSQL_ADMIN_USER", "MYSQL_ADMIN_PASSWORD")
    return read.flag("DBHANDLER_ADMIN", default=asked or not read.is_set(*ROOT_SETTINGS))


def _admin_user(read: Reader) -> str:
    user = read.text("MYSQL_ADMIN_USER") or "admin"
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", user) or user.lower() in _TAKEN:
        raise ConfigError(
            "MYSQL_ADMIN_USER has to be 1 to 32 letters, digits, '_', '.' or '-', and none of "
            f"{', '.join(_TAKEN)}, not {user!r}"
        )
    return user


def _policy(read: Reader) -> Policy:
    pattern = read.text("DBHANDLER_NAME_PATTERN") or DEFAULT_PATTERN
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"DBHANDLER_NAME_PATTERN={pattern!r} is not a regular expression: {error}") from error
    return Policy(
        name_pattern=compiled,
        max_databases=read.number("DBHANDLER_MAX_DATABASES", 0, 1_000_000),
        quota_bytes=read.number("DBHANDLER_QUOTA_BYTES", 0, 2**60),
        max_accounts=read.number_or(MAX_ACCOUNTS, "DBHANDLER_MAX_ACCOUNTS", 0, 1000),
        max_copies=read.number_or(MAX_COPIES, "DBHANDLER_MAX_COPIES", 0, 1000),
        max_user_connections=read.number("DBHANDLER_MAX_USER_CONNECTIONS", 0, 100_000),
        require_sealed=read.flag("DBHANDLER_REQUIRE_SEALED"),
        require_tls=read.flag("DBHANDLER_REQUIRE_TLS"),
        allow_drop=read.flag("DBHANDLER_ALLOW_DROP"),
        allow_restore=read.flag("DBHANDLER_ALLOW_RESTORE"),
        admin_user=_admin_user(read),
    )


def metrics_settings(read: Reader, name: str = "DBHANDLER_METRICS") -> MetricsSettings | None:
    """Where metrics are served; None: nowhere. Raises ConfigError."""
    value = read.text(name)
    if value is None:
        return None
    match = re.fullmatch(r"(https://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]*):([0-9]{1,5})", value)
    if not match or not 1 <= int(match[3]) <= 65535:
        raise ConfigError(
            f"{name} has to be :port or host:port, an IPv6 address in brackets, https:// before it for TLS, "
            f"not {value!r}"
        )
    return MetricsSettings(match[2].strip("[]"), int(match[3]), bool(match[1]))


def _tls_names(read: Reader) -> tuple[str, ...]:
    names = tuple((read.text("DBHANDLER_TLS_NAMES") or "").replace(",", " ").split())
    if wrong := [name for name in names if not is_host(name)]:
        raise ConfigError(f"DBHANDLER_TLS_NAMES has to be host names or IP addresses, not {shown(wrong[0])}")
    return names


def _host(read: Reader, name: str) -> str | None:
    value = read.text(name)
    if value is not None and not is_host(value):
        raise ConfigError(f"{name} has to be a host name or an IP address, not {shown(value)}")
    return value


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _optional_path(value: str | None) -> Path | None:
    return Path(value) if value else None
