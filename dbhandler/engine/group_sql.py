"""Statements about the servers that have the same data: Galera's status, and MySQL's tables about its group."""

from __future__ import annotations

from dbhandler.engine.sql import Statement, status


def galera_status() -> Statement:
    """Rows (name, value) that say what a Galera cluster's node is."""
    return Statement(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_cluster_state_uuid', "
        "'wsrep_cluster_status', 'wsrep_local_state_comment', 'wsrep_ready')"
    )


_MEMBERS = "FROM performance_schema.replication_group_members"


def size(engine: str) -> Statement:
    """One row (name, number): how many servers are in this one's component."""
    if engine == "mysql":
        return Statement(f"SELECT 'size', COUNT(*) {_MEMBERS} WHERE MEMBER_STATE = 'ONLINE'")
    return status("wsrep_cluster_size")


def place(engine: str) -> Statement:
    """One row (name, number): this server's place among those of its component, the first one's is 0; none, or another
    number, without a quorum."""
    if engine == "mysql":
        online = "MEMBER_STATE = 'ONLINE'"
        return Statement(
            f"SELECT 'place', SUM(MEMBER_ID < @@server_uuid) {_MEMBERS} WHERE {online} "
            f"HAVING SUM(MEMBER_ID = @@server_uuid) = 1"
        )
    return status("wsrep_local_index")
