"""The statements of a first start alone."""

from __future__ import annotations

from dbhandler.engine.sql import ANY_HOST, Statement
from dbhandler.first_start.official import Source

ZONE_TABLES = ("time_zone", "time_zone_leap_second", "time_zone_name", "time_zone_transition",
               "time_zone_transition_type")  # fmt: skip
RETRY = 10
"""Seconds between two tries of a replica to reach its source, as in the official image."""

_FOLLOW = {
    # By number (GTID) from the very first one. Both are as the engine's own default where it is new enough.
    "mariadb": "CHANGE MASTER TO MASTER_HOST = %s, MASTER_PORT = %s, MASTER_USER = %s, MASTER_PASSWORD = %s, "
    "MASTER_CONNECT_RETRY = %s, MASTER_USE_GTID = slave_pos",
    # Its accounts need TLS, or the server's key, to log in from another machine.
    "mysql": "CHANGE REPLICATION SOURCE TO SOURCE_HOST = %s, SOURCE_PORT = %s, SOURCE_USER = %s, SOURCE_PASSWORD = %s, "
    "SOURCE_CONNECT_RETRY = %s, SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 1",
}


def logged(yes: bool) -> Statement:
    """Whether what this session does from now on goes to the binary log, and so to replicas."""
    return Statement("SET SESSION sql_log_bin = %s", (int(yes),))


def forget_zones() -> list[Statement]:
    """The server knows no named time zones any more."""
    return [Statement(f"TRUNCATE TABLE mysql.{table}") for table in ZONE_TABLES]


def grant_globally(privileges: str, user: str, host: str = ANY_HOST) -> Statement:
    """Privileges on everything; their words stand in the statement as they are, and have to be checked before."""
    return Statement(f"GRANT {privileges} ON *.* TO %s@%s", (user, host))


def follow(source: Source, engine: str) -> Statement:
    """Makes this server a replica, from its next start on. Sources: MariaDB Server Documentation, CHANGE MASTER TO;
    MySQL 9.7 Reference Manual, CHANGE REPLICATION SOURCE TO."""
    values = (source.host, source.port, source.user, source.password, RETRY)
    return Statement(_FOLLOW[engine], values, secret=True)
