"""The files in which our processes meet, and what a volume keeps, each once. Those of the handlers are in paths.py."""

from __future__ import annotations

from enum import StrEnum


class InState(StrEnum):
    """In the state folder, on its volume."""

    KEY = "key"
    """The server's private key: who it is."""
    POOL_SECRET = "pool-secret"  # noqa: S105
    """Of a server that was given none: it is a pool of its own."""
    PEERS = "peers.json"
    """Addresses of members, to be joined again."""
    TRASH = "trash"
    """The folder of dumps of dropped databases."""
    ADMIN_PENDING = "admin.pending"
    """A generated password from before it is used until its banner is out."""
    AGENT_LOCK = "agent.lock"
    SERVER_ID = "server-id"
    """The number under which the server writes its binary log."""
    AWAITS = "awaits-backup"
    """The volumes were empty when this server was told to be filled from a backup."""
    RESTORED = "restored"
    """Which server's backup this one was made of, once that is done."""
    OLD_REGISTRY = "registry.sqlite"
    """Of version 0.1; the registry is a table by now."""
    CLUSTER_ID = "cluster-id"
    """Which node of a Galera cluster this is."""
    CLUSTER_NAME = "cluster-name"
    CLUSTER_VIEW = "cluster-view.json"
    """The last primary component that the node was in."""
    CLUSTER_VOTE = "cluster-vote"


class InRun(StrEnum):
    """In the run folder, which every start makes anew."""

    READY = "ready"
    """Stands there once this start's accounts are as they should be."""
    SECRETS = "secrets"
    """The folder of secrets that are handed to our processes, one file each, named like its variable."""
    PASSWD, GROUP = "passwd", "group"
    """The account database of a container whose user has no name in the image."""
    SUPERVISORD_CONF = "supervisord.conf"
    SERF_CONF = "serf.json"
    SERF_KEYRING = "serf-keyring.json"
    SERF_SEEN = "serf.seen"
    """Its time is when the Serf agent answered last."""
    SERF_END = "serf.end"
    """How the last Serf agent ended."""
    IDENTITY = "identity"
    """For the health check, from the agent's first look at the volumes on: why data and state do not belong together;
    empty where they do."""
    MYSQLD_SOCKET = "mysqld.sock"
    ADOPT = "adopt.sql"
    """What gives our account to a server of another image."""
    FIRST_START = "first-start"
    FIRST_START_SOCKET = "first-start.sock"
    LOG_IN = "init.cnf"
    """How init scripts log in."""
    CLUSTER_NODE = "cluster.json"
    """What the start program says of this node while its server does not answer."""
    CLUSTER_ORDER = "cluster-order"
    """What the operator has told a waiting node to do."""
    TRANSFER_CONF = "transfer.cnf"
    """How the programs of a state transfer prove themselves and check each other."""
    HAPROXY_CONF, HAPROXY_SOCKET = "haproxy.cfg", "haproxy.sock"
