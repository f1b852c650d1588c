"""What the agent of a cluster's node knows of it: may the server serve, and what stands in the tag `galera`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dbhandler import sql
from dbhandler.cluster_decision import stranded
from dbhandler.cluster_node import (
    BEGINNING,
    CLUSTER_TAG,
    DATA,
    DONOR,
    JOINING,
    NODE_TAG,
    NONPRIMARY,
    SYNCED,
    UNKNOWN,
    Node,
    encode,
    nodes_of,
)
from dbhandler.cluster_store import ClusterStore, Published
from dbhandler.config import Config
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.serf import Member
from dbhandler.server import Server
from dbhandler.server_process import ServerProcess

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds for which a server without a quorum may find one by itself."""


_IS_JOINING = "this node is joining"


@dataclass(frozen=True)
class Status:
    """What the server says of its place in the cluster."""

    mode: str
    uuid: str
    size: int

    @classmethod
    def of(cls, rows: Sequence[tuple[object, ...]]) -> Status:
        """From the rows of sql.cluster_status. No rows: the server is in no cluster, or not yet."""
        values = {str(name).lower(): str(value) for name, value in rows}
        state, primary = values.get("wsrep_local_state_comment"), values.get("wsrep_cluster_status") == "Primary"
        # A donor that has sent all is `Joined` until it is Synced again; a joiner is so, too, but never ready.
        serving = {"Synced": SYNCED, "Donor/Desynced": DONOR, "Joined": DONOR}.get(state or "", JOINING)
        ready = values.get("wsrep_ready") == "ON"
        mode = NONPRIMARY if not primary else serving if ready else JOINING
        return cls(mode, values.get("wsrep_cluster_state_uuid", ""), int(values.get("wsrep_cluster_size") or 0))


class ClusterWatch:
    """Looks at a node's server. members are the Serf cluster's.

    Only `tags` may be called from another thread.
    """

    def __init__(
        self,
        cluster: str,
        server: Server,
        initialised: Callable[[], bool],
        store: ClusterStore,
        members: Callable[[], Sequence[Member]],
        process: ServerProcess,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._server, self._initialised, self._store = cluster, server, initialised, store
        self._members, self._process, self._clock = members, process, clock
        self._id = store.identity()
        self._node: Node | None = None
        self._outdated: Published | None = None
        self._alone_since: float | None = None
        self._was_in = False
        self._reason = ""

    def check(self) -> None:
        """Raises Unavailable, with the reason, while the server must not serve."""
        self._process.insist()
        try:
            status = Status.of(self._server.execute(sql.cluster_status()))
        except DbHandlerError as error:
            self._alone_since, self._was_in = None, False
            if self._node:
                # It held data a moment ago. What its start program says counts as soon as it says something new.
                self._node = replace(self._node, mode=JOINING, seqno=-1)
            if (told := self._told_by_start_program()) and told.reason:
                raise Unavailable(f"the node does not serve: {told.reason}") from error
            raise
        mode = self._usable(status.mode)
        self._node, self._outdated = Node(self._id, mode, DATA, uuid=status.uuid, seqno=0), self._store.published()
        reason = self._obstacle(mode, status)
        if reason != self._reason:
            logger.info("cluster %s: %s", self._cluster, reason or f"this node serves, one of {status.size}")
            self._reason = reason
        if reason:
            raise Unavailable(reason)

    def tags(self) -> Mapping[str, str]:
        """The tags `cluster` and `galera`, as true as can be known now."""
        node, told = self._node, self._told_by_start_program()
        tag = told.tag if told else self._encoded(node) if node else UNKNOWN
        return {CLUSTER_TAG: self._cluster, NODE_TAG: tag}

    def _encoded(self, node: Node) -> str:
        # Not as old as the last check: who joins next waits until the one before is in it.
        return encode(replace(node, view=self._store.view().ids))

    def _told_by_start_program(self) -> Published | None:
        """What it says now, None where the server has run since it spoke."""
        published = self._store.published()
        return published if published != self._outdated else None

    def _usable(self, mode: str) -> str:
        """A server without its accounts has not begun yet: whoever joined now would make others."""
        return BEGINNING if mode in (SYNCED, DONOR) and not self._initialised() else mode

    def _obstacle(self, mode: str, status: Status) -> str:
        if mode == NONPRIMARY:
            return self._without_quorum(status.size)
        self._alone_since, self._was_in = None, True
        if mode == DONOR and any(node.mode == SYNCED for node in self._others() if node.alive):
            return "this node sends its data to another one: others serve meanwhile"
        return "" if mode in (SYNCED, DONOR, BEGINNING) else _IS_JOINING

    def _without_quorum(self, size: int) -> str:
        if self._alone_since is None:
            self._alone_since = self._clock()
        patient = self._clock() - self._alone_since < PATIENCE
        if not (patient or self._process.is_ending):
            self._look_for_a_way_out()
        # A server that has just come answers before its first component is there.
        if patient and not self._was_in:
            return _IS_JOINING
        return f"this node has no quorum, with {size} in its component: it serves nobody"

    def _look_for_a_way_out(self) -> None:
        view = self._store.view()
        if why := stranded(view.ids, view.uuid, self._others()):
            logger.warning("cluster %s: %s: this node's server starts anew", self._cluster, why)
            self._alone_since = None
            self._process.end()

    def _others(self) -> list[Node]:
        return [node for node in nodes_of(self._members(), self._cluster) if node.id != self._id]


def cluster_watch(config: Config, server: Server, members: Callable[[], Sequence[Member]]) -> ClusterWatch | None:
    """The watch of this node, None for a server that is in no cluster."""
    if config.cluster is None:
        return None
    store = ClusterStore(config.state_dir, config.run_dir)
    process = ServerProcess(config.socket.with_suffix(".pid"))
    return ClusterWatch(config.cluster.name, server, config.ready_file.exists, store, members, process)
