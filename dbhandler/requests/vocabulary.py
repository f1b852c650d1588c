"""The words of requests and answers, each once."""

from __future__ import annotations

from enum import StrEnum


class Query(StrEnum):
    """The queries that a database server answers; CREATE is the user event's name, too."""

    CREATE = "create_db"
    FIND = "find_db"
    WHERE = "where_db"
    LIST = "list_db"
    STATUS = "status_db"
    ROTATE = "rotate_db"
    DROP = "drop_db"
    AUTHORITY = "authority_db"
    GRANT = "grant_db"
    REVOKE = "revoke_db"
    RENEW = "renew_db"
    ACCOUNTS = "accounts_db"
    COPY = "copy_db"
    RECENT = "recent_db"


class BackupQuery(StrEnum):
    """The queries that a pool's backup answers."""

    RESTORE = "restore_db"
    STATUS = "backup_status"


class Status(StrEnum):
    """What became of a request: the `status` of an answer, the outcome in logs and metrics."""

    CREATED = "created"
    EXISTS = "exists"
    ABSENT = "absent"
    ROTATED = "rotated"
    DROPPED = "dropped"
    REVOKED = "revoked"
    RENEWED = "renewed"
    COPIED = "copied"
    PLACED = "placed"
    """The server that the answer names has the database, or shall get it: that one is to be asked."""
    WORKING = "working"
    """Of a restore: it is accepted, and not done yet."""
    RESTORED = "restored"
    OK = "ok"
    INVALID = "invalid"
    """It breaks a rule of form: asking again is useless."""
    DENIED = "denied"
    """It is well formed, and not allowed to whoever asks."""
    UNAVAILABLE = "unavailable"
    """Nothing was done: asking again later is right."""
    FAILED = "failed"
    """The server has refused it for good."""
    ELSEWHERE = "left to another node"
    """Of events, in logs and metrics only: every node of a cluster has got it, and another one can open its box."""


class Role(StrEnum):
    """What an account may do in the database of its owner."""

    OWNER = "owner"
    """Everything inside of it, but neither dropping it by request nor giving others accounts."""
    WRITER = "writer"
    """Rows: reading and changing them, and calling routines."""
    READER = "reader"


class ServerState(StrEnum):
    """How a server is, in its tag `mysql` and in answers."""

    STARTING = "starting"
    """It has not been ready yet in this run."""
    READY = "ready"
    DOWN = "down"
    REPLICA = "replica"
    """It serves readers, and leaves requests to its source."""
