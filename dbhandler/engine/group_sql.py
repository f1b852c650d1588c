"""Statements about the servers that have the same data: replicas, Galera's status, and MySQL's Group Replication."""

from __future__ import annotations

from dbhandler.engine.sql import Statement, serves, status


def sources(engine: str) -> Statement:
    """One row for each server that this one is a replica of."""
    return Statement("SHOW REPLICA STATUS" if engine == "mysql" else "SHOW ALL REPLICAS STATUS")


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
        return Statement(
            f"SELECT 'place', SUM(MEMBER_ID < @@server_uuid) {_MEMBERS} WHERE MEMBER_STATE = 'ONLINE' "
            "HAVING SUM(MEMBER_ID = @@server_uuid) = 1"
        )
    return status("wsrep_local_index")


def is_in(engine: str) -> Statement:
    """One row on a cluster's node that is in it, and may be written to if it ever is; none, or an error, on one that is
    not yet."""
    if engine == "mysql":
        return Statement(
            f"SELECT 1 {_MEMBERS} WHERE MEMBER_ID = @@server_uuid AND MEMBER_STATE = 'ONLINE' "
            "AND (@@GLOBAL.super_read_only = 0 OR MEMBER_ROLE = 'SECONDARY')"
        )
    return serves()


def members() -> Statement:
    """One row for every member of this server's group, itself too: UUID, state, role, whether it is this server, and
    the name of the group."""
    return Statement(
        "SELECT MEMBER_ID, MEMBER_STATE, MEMBER_ROLE, MEMBER_ID = @@server_uuid, @@group_replication_group_name "
        f"{_MEMBERS}"
    )


def executed() -> Statement:
    """One row: the set of transactions that are done, and those of them that the binary log does not have any more."""
    return Statement("SELECT @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged")


def received() -> Statement:
    """One row: the set of transactions that the group has sent; none on a server that was in no group."""
    return Statement(
        "SELECT RECEIVED_TRANSACTION_SET FROM performance_schema.replication_connection_status "
        "WHERE CHANNEL_NAME = 'group_replication_applier'"
    )


def bootstrap(on: bool) -> Statement:
    """Whether the next start begins a group."""
    return Statement(f"SET GLOBAL group_replication_bootstrap_group = {'ON' if on else 'OFF'}")


def start(user: str, password: str) -> Statement:
    """Joins, or begins, the group; the account is that by which it gets what it has missed."""
    return Statement("START GROUP_REPLICATION USER = %s, PASSWORD = %s", (user, password), secret=True)


def donors(addresses: str) -> Statement:
    """Lets this server take all data of the servers at these addresses."""
    return Statement("SET GLOBAL clone_valid_donor_list = %s", (addresses,))


def clone(user: str, host: str, port: int, password: str) -> Statement:
    """Takes all data of another server in place of all that are here, and ends the server."""
    return Statement(
        "CLONE INSTANCE FROM %s@%s:%s IDENTIFIED BY %s REQUIRE SSL", (user, host, port, password), secret=True
    )


def clone_tls(authority: str) -> Statement:
    """Whose certificate the server that the data come from has to show."""
    return Statement("SET GLOBAL clone_ssl_ca = %s", (authority,))
