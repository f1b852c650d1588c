"""The settings of the database container: their names, defaults and rules."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dbhandler import paths
from dbhandler.errors import ConfigError
from dbhandler.policy import DEFAULT_PATTERN, Policy
from dbhandler.serf_settings import SerfSettings, serf_settings
from dbhandler.setting import Reader
from dbhandler.spool import DEFAULT_MAX

SECRETS = ("MYSQL_ADMIN_PASSWORD", "SERF_ENCRYPT_KEY", "SERF_RPC_AUTH")
"""Settings that must not stay in the environment of a running process."""


def _official(*names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}_{name}" for prefix in ("MARIADB", "MYSQL") for name in names)


SPENT_SECRETS = _official("ROOT_PASSWORD", "PASSWORD", "ROOT_PASSWORD_HASH", "PASSWORD_HASH")
"""Settings that are used up by the first start: no process that stays ever sees them, but in a cluster."""

ROOT_SETTINGS = _official(
    "ROOT_PASSWORD",
    "ROOT_PASSWORD_HASH",
    "RANDOM_ROOT_PASSWORD",
    "ALLOW_EMPTY_ROOT_PASSWORD",
    "ALLOW_EMPTY_PASSWORD",
)
"""The official images' settings that say how root logs in."""

ENGINES = {"mariadb": "mariadbd", "mysql": "mysqld"}
"""Engine -> name of its server program."""

LOG_FORMATS = ("text", "json")


@dataclass(frozen=True)
class ClusterSettings:
    """The Galera cluster that this server is a node of: its name, and how many empty nodes begin it."""

    name: str
    size: int


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
    metrics: tuple[str, int] | None
    serf: SerfSettings
    cluster: ClusterSettings | None = None

    @property
    def ready_file(self) -> Path:
        """Stands in the run folder once this start's accounts are as they should be."""
        return self.run_dir / "ready"

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
            socket=Path(read.text("DBHANDLER_SOCKET") or run_dir / "mysqld.sock"),
            template=Path(read.text("DBHANDLER_TEMPLATE") or "/usr/share/dbhandler/template.tar.zst"),
            supervisord_conf=Path(read.text("DBHANDLER_SUPERVISORD_CONF") or "/etc/dbhandler/supervisord.conf"),
            defaults_file=_optional_path(read.text("DBHANDLER_DEFAULTS_FILE")),
            os_user=read.text("DBHANDLER_OS_USER"),
            wants_admin=_wants_admin(read),
            admin_user=_admin_user(read),
            admin_password=read.text("MYSQL_ADMIN_PASSWORD"),
            advertise_host=read.text("DBHANDLER_ADVERTISE_HOST"),
            advertise_port=read.number("DBHANDLER_ADVERTISE_PORT", 1, 65535),
            policy=_policy(read),
            spool_max=_or(read.number("DBHANDLER_SPOOL_MAX", 1, 10_000_000), DEFAULT_MAX),
            trash_days=_or(read.number("DBHANDLER_TRASH_DAYS", 0, 36500), 7),
            adopt=read.flag("DBHANDLER_ADOPT"),
            # Any text means yes, as in the official image.
            auto_upgrade=read.text("MARIADB_AUTO_UPGRADE") is not None,
            upgrade_backup=read.text("MARIADB_DISABLE_UPGRADE_BACKUP") is None,
            metrics=_metrics(read),
            serf=serf_settings(environ),
            cluster=_cluster(read),
        )


def cluster_name(environ: Mapping[str, str]) -> str | None:
    """The name of the Galera cluster, None for a server that is in none. Raises ConfigError."""
    name = Reader(environ).text("DBHANDLER_CLUSTER")
    # Galera's own limit is 32 characters, and its options have to survive a shell.
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", name):
        raise ConfigError(f"DBHANDLER_CLUSTER has to be 1 to 32 letters, digits, '_', '.' or '-', not {name!r}")
    return name


def log_format(environ: Mapping[str, str]) -> str:
    """The form of our log lines: text or json. Config refuses anything else; until then it is taken for text."""
    value = environ.get("DBHANDLER_LOG_FORMAT") or LOG_FORMATS[0]
    return value if value in LOG_FORMATS else LOG_FORMATS[0]


def engine(environ: Mapping[str, str]) -> str:
    """The engine of this image. Raises ConfigError."""
    installed = "mariadb" if shutil.which("mariadbd") else "mysql"
    chosen = Reader(environ).choice(
        "DBHANDLER_ENGINE", [*sorted(ENGINES, key=lambda name: name != installed), "galera"]
    )
    # The image's name; its server is MariaDB.
    return "mariadb" if chosen == "galera" else chosen


def _cluster(read: Reader) -> ClusterSettings | None:
    name, size = cluster_name(read.environ), read.number("DBHANDLER_CLUSTER_SIZE", 1, 9)
    if name is None and size is not None:
        raise ConfigError("DBHANDLER_CLUSTER_SIZE needs DBHANDLER_CLUSTER, the cluster's name")
    if name is not None and engine(read.environ) != "mariadb":
        raise ConfigError("DBHANDLER_CLUSTER needs MariaDB: there is no Galera for MySQL here")
    return None if name is None else ClusterSettings(name, _or(size, 3))


def _wants_admin(read: Reader) -> bool:
    # Who says how root logs in, as the official images want it, has an administrator; else there has to be ours.
    asked = read.is_set("MYSQL_ADMIN_USER", "MYSQL_ADMIN_PASSWORD")
    return read.flag("DBHANDLER_ADMIN", default=asked or not read.is_set(*ROOT_SETTINGS))


def _admin_user(read: Reader) -> str:
    user = read.text("MYSQL_ADMIN_USER") or "admin"
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", user) or user.lower() in ("root", "mysql"):
        raise ConfigError(
            "MYSQL_ADMIN_USER has to be 1 to 32 letters, digits, '_', '.' or '-', and neither root nor mysql, "
            f"not {user!r}"
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
        max_user_connections=read.number("DBHANDLER_MAX_USER_CONNECTIONS", 1, 100_000),
        require_sealed=read.flag("DBHANDLER_REQUIRE_SEALED"),
        allow_drop=read.flag("DBHANDLER_ALLOW_DROP"),
        admin_user=_admin_user(read),
    )


def _metrics(read: Reader) -> tuple[str, int] | None:
    """Host (empty: all addresses) and port."""
    value = read.text("DBHANDLER_METRICS")
    if value is None:
        return None
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]*):([0-9]{1,5})", value)
    if not match or not 1 <= int(match[2]) <= 65535:
        raise ConfigError(f"DBHANDLER_METRICS has to be :port or host:port, an IPv6 address in brackets, not {value!r}")
    return match[1].strip("[]"), int(match[2])


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _optional_path(value: str | None) -> Path | None:
    return Path(value) if value else None
