"""The names of all settings. A new one gets its line here, or reading it fails; a name that is in no list is refused
(environment.py)."""

from __future__ import annotations

DATABASE = (
    "DBHANDLER_ADMIN",
    "DBHANDLER_ADOPT",
    "DBHANDLER_ADVERTISE_HOST",
    "DBHANDLER_ADVERTISE_PORT",
    "DBHANDLER_ALLOW_DROP",
    "DBHANDLER_ALLOW_RESTORE",
    "DBHANDLER_AUDIT",
    "DBHANDLER_BINLOG",
    "DBHANDLER_CLUSTER",
    "DBHANDLER_CLUSTER_SIZE",
    "DBHANDLER_DIRECTORY",
    "DBHANDLER_GROUP_MODE",
    "DBHANDLER_LABELS",
    "DBHANDLER_LEAVE_CLUSTER",
    "DBHANDLER_MAX_ACCOUNTS",
    "DBHANDLER_MAX_BYTES",
    "DBHANDLER_MAX_COPIES",
    "DBHANDLER_MAX_DATABASES",
    "DBHANDLER_MAX_USER_CONNECTIONS",
    "DBHANDLER_METRICS",
    "DBHANDLER_NAME_PATTERN",
    "DBHANDLER_POOL_SECRET",
    "DBHANDLER_QUOTA_BYTES",
    "DBHANDLER_REQUIRE_SEALED",
    "DBHANDLER_REQUIRE_TLS",
    "DBHANDLER_RESTORE",
    "DBHANDLER_SPOOL_MAX",
    "DBHANDLER_TLS_NAMES",
    "DBHANDLER_TRASH_DAYS",
    "MARIADB_AUTO_UPGRADE",
    "MARIADB_DISABLE_UPGRADE_BACKUP",
    "MYSQL_ADMIN_PASSWORD",
    "MYSQL_ADMIN_USER",
)
"""Read in the database container."""

AGENT = (
    "DBHANDLER_LOG_FORMAT",
    "SERF_ADVERTISE",
    "SERF_BIND",
    "SERF_ENCRYPT_KEY",
    "SERF_JOIN",
    "SERF_LOG_LEVEL",
    "SERF_NODE",
    "SERF_RPC_AUTH",
    "SERF_RPC_BIND",
)
"""Read by every container with a Serf agent, so by the database's, too."""

CLIENT = ("DBHANDLER_POOL", "DBHANDLER_PROXY_DATABASES", "DBHANDLER_PROXY_WRITERS", "SERF_RPC_ADDR")
"""Read by what asks a Serf agent: the proxy, dbhandler-request, dbhandler-status."""

BACKUP = (
    "DBHANDLER_BACKUP_DIR",
    "DBHANDLER_BACKUP_EVERY",
    "DBHANDLER_BACKUP_KEEP",
    "DBHANDLER_BACKUP_SHIP",
    "RESTIC_PASSWORD",
    "RESTIC_REPOSITORY",
)
"""Read by the backup's container, which hands all variables of restic's on."""

CONSOLE = (
    "DBHANDLER_CONSOLE",
    "DBHANDLER_CONSOLE_BEHIND",
    "DBHANDLER_CONSOLE_DOORS",
    "DBHANDLER_CONSOLE_HISTORY",
    "DBHANDLER_CONSOLE_METRICS",
    "DBHANDLER_CONSOLE_PASSWORD",
    "DBHANDLER_CONSOLE_USER_HEADER",
)
"""Read by the console, which reads those of whoever asks a Serf agent, too."""

INTERNAL = (
    "DBHANDLER_CLIENT",
    "DBHANDLER_CLIENT_FILE",
    "DBHANDLER_CONTROL",
    "DBHANDLER_DATA_DIR",
    "DBHANDLER_DEFAULTS_FILE",
    "DBHANDLER_ENGINE",
    "DBHANDLER_LOG",
    "DBHANDLER_MYSQLD",
    "DBHANDLER_OS_USER",
    "DBHANDLER_RUN_DIR",
    "DBHANDLER_SOCKET",
    "DBHANDLER_STATE_DIR",
    "DBHANDLER_SUPERVISORD_CONF",
    "DBHANDLER_TEMPLATE",
)
"""Set by the images, and by one program of ours for another: never given as a file."""


def official(*names: str) -> tuple[str, ...]:
    """The two names that each of the official images' variables has."""
    return tuple(f"{prefix}_{name}" for prefix in ("MARIADB", "MYSQL") for name in names)


SECRETS = ("DBHANDLER_POOL_SECRET", "MYSQL_ADMIN_PASSWORD", "SERF_ENCRYPT_KEY", "SERF_RPC_AUTH",
           "RESTIC_PASSWORD", "DBHANDLER_CONSOLE_PASSWORD")  # fmt: skip
"""Settings that must not stay in the environment of a running process."""

SPENT_SECRETS = official(
    "ROOT_PASSWORD", "PASSWORD", "ROOT_PASSWORD_HASH", "PASSWORD_HASH", "REPLICATION_PASSWORD",
    "REPLICATION_PASSWORD_HASH",
)  # fmt: skip
"""Settings that are used up by the first start: no process that stays ever sees them, but in a cluster."""

OFFICIAL = (
    *SPENT_SECRETS,
    *official("ALLOW_EMPTY_PASSWORD", "ALLOW_EMPTY_ROOT_PASSWORD", "RANDOM_ROOT_PASSWORD", "ONETIME_PASSWORD"),
    *official("ROOT_HOST", "DATABASE", "DATABASES", "USER", "USER_HOST", "CHARACTER_SET", "COLLATE"),
    *official("INITDB_SKIP_TZINFO", "HEALTHCHECK_GRANTS", "MYSQL_LOCALHOST_USER", "MYSQL_LOCALHOST_GRANTS"),
    *official("REPLICATION_USER", "MASTER_HOST", "MASTER_PORT"),
)
"""The official images' variables of a first start. Source: the pages of the images mariadb and mysql."""

GIVEN = frozenset((*DATABASE, *AGENT, *CLIENT, *BACKUP, *CONSOLE, *OFFICIAL))
"""What whoever runs a container may set, as a value or as a file (NAME_FILE)."""

KNOWN = GIVEN.union(INTERNAL)
