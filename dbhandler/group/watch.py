"""What the agent of a cluster's node knows of it: may the server serve, and what stands in the tag `galera`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from dbhandler.engine.process import ServerProcess
from dbhandler.engine.server import Server
from dbhandler.errors import DbHandlerError, Resting, Unavailable
from dbhandler.group.decision import stranded
from dbhandler.group.engine import Running, Status
from dbhandler.group.engines import running
from dbhandler.group.node import IN_GROUP, Holds, Mode, Node, encode
from dbhandler.group.store import GroupStore, Published, View
from dbhandler.group.transactions import Transactions
from dbhandler.group.trusted import TrustedNodes
from dbhandler.serf.members import Member
from dbhandler.serf.tags import Tag
from dbhandler.settings.config import Config
from dbhandler.trust.pool import Pool

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds for which a server without a quorum may find one by itself."""
TELLING = 60.0
"""Seconds within which a server has surely told of a change in its component (cluster_notify), however busy."""

_IS_JOINING = "this node is joining"
_RESTS = "this node is a secondary (DBHANDLER_GROUP_MODE): the primary serves"
_SENDS = "this node sends its data to another one: others serve meanwhile"


class GroupWatch:
    """Looks at a node's server. members are the Serf cluster's, pools those that its nodes have to be of.

    Only `tags` may be called from another thread.
    """

    def __init__(
        self,
        cluster: str,
        engine: Running,
        server: Server,
        initialised: Callable[[], bool],
        store: GroupStore,
        members: Callable[[], Sequence[Member]],
        process: ServerProcess,
        clock: Callable[[], float] = time.monotonic,
        pools: Sequence[str] = (),
    ) -> None:
        self._nodes = TrustedNodes(cluster, pools, clock)
        self._cluster, self._engine, self._server = cluster, engine, server
        self._initialised, self._store = initialised, store
        self._members, self._process, self._clock = members, process, clock
        self._id = store.identity()
        self._node: Node | None = None
        self._outdated: Published | None = None
        self._alone_since: float | None = None
        self._untold_since: float | None = None
        self._was_in = False
        self._reason = ""

    def check(self) -> None:
        """Raises Unavailable, with the reason, while the server must not serve."""
        self._process.insist()
        try:
            status = self._engine.status(self._server)
        except DbHandlerError as error:
            self._alone_since, self._was_in = None, False
            if self._node:
                # It held data a moment ago. What its start program says counts as soon as it says something new.
                self._node = replace(self._node, mode=Mode.JOINING, has=None)
            if (told := self._told_by_start_program()) and told.reason:
                raise Unavailable(f"the node does not serve: {told.reason}") from error
            raise
        self._note_view(status)
        mode = self._usable(status)
        self._node, self._outdated = (
            Node(self._id, mode, Holds.DATA, uuid=status.uuid, has=Transactions()),
            self._store.published(),
        )
        reason = self._obstacle(mode, status)
        if reason != self._reason:
            logger.info("cluster %s: %s", self._cluster, reason or f"this node serves, one of {status.size}")
            self._reason = reason
        if reason:
            raise (Resting if reason in (_SENDS, _RESTS) else Unavailable)(reason)

    def tags(self) -> Mapping[str, str]:
        """The tags `cluster` and `galera`, as true as can be known now."""
        node, told = self._node, self._told_by_start_program()
        tag = told.tag if told else self._encoded(node) if node else Mode.UNKNOWN
        return {Tag.CLUSTER: self._cluster, Tag.GALERA: tag}

    def _encoded(self, node: Node) -> str:
        # Not as old as the last check: who joins next waits until the one before is in it.
        return encode(replace(node, view=self._store.view().ids))

    def _told_by_start_program(self) -> Published | None:
        """What it says now, None where the server has run since it spoke."""
        published = self._store.published()
        return published if published != self._outdated else None

    def _usable(self, status: Status) -> Mode:
        """A server without its accounts has not begun yet: whoever joined now would make others."""
        if status.mode not in IN_GROUP:
            return status.mode
        if status.view is not None and not self._is_noted(status):
            return Mode.JOINING
        return status.mode if self._initialised() else Mode.BEGINNING

    def _is_noted(self, status: Status) -> bool:
        """Have those who served before noted that this node is with them? Else they would not miss it after an outage
        in the next moment, and with it what was written here."""
        serving = [node for node in self._others() if node.serves and node.uuid == status.uuid]
        return all(self._id in node.view for node in serving if node.view)

    def _note_view(self, status: Status) -> None:
        """Galera's server tells it by notify.py, and waits until it stands there."""
        if status.view is None:
            return
        view, names = self._store.view(), {node.id: node.name for node in self._nodes.of(self._members())}
        known = {id: names.get(id) or view.names.get(id, id) for id in status.view.names}
        if (seen := replace(status.view, names=known)) != view:
            self._store.save_view(seen)

    def _obstacle(self, mode: Mode, status: Status) -> str:
        if mode == Mode.NONPRIMARY:
            return self._without_quorum(status.size)
        self._alone_since, self._was_in = None, True
        if self._engine.notifies:
            self._compare_view(status)
        if mode == Mode.DONOR and any(node.mode == Mode.SYNCED for node in self._others() if node.alive):
            return _SENDS
        if mode == Mode.SECONDARY:
            return _RESTS
        return "" if mode in (Mode.SYNCED, Mode.DONOR, Mode.BEGINNING) else _IS_JOINING

    def _compare_view(self, status: Status) -> None:
        """MariaDB tells of no change while a member has a name that a shell could misread. Then it is not known any
        more with whom this node serves, and after an outage the operator decides."""
        view = self._store.view()
        if not view.names or view.uuid != status.uuid or len(view.names) + view.strangers == status.size:
            self._untold_since = None
        elif self._untold_since is None:
            self._untold_since = self._clock()
        elif self._clock() - self._untold_since >= TELLING:
            logger.error("cluster %s: a member of the group hides who is in it: is it a stranger's?", self._cluster)
            self._store.save_view(View(view.uuid))

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
        return [node for node in self._nodes.of(self._members()) if node.id != self._id]


def group_watch(config: Config, server: Server, members: Callable[[], Sequence[Member]]) -> GroupWatch | None:
    """The watch of this node, None for a server that is in no cluster."""
    if config.group is None:
        return None
    store = GroupStore(config.state_dir, config.run_dir)
    process = ServerProcess(config.socket.with_suffix(".pid"))
    pools = Pool(config.pool_secrets).ids
    return GroupWatch(
        config.group.name, running(config), server, config.ready_file.exists, store, members, process, pools=pools
    )
