"""How a member of a MySQL group starts (group/engine.py)."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from operator import or_

from dbhandler.errors import DbHandlerError
from dbhandler.first_start.work import FirstStartWork
from dbhandler.group.decision import Action, Decision
from dbhandler.group.engine import Position
from dbhandler.group.node import Holds, Node, names_of
from dbhandler.group.replication.data import DataDir
from dbhandler.group.replication.gtid import GtidSet
from dbhandler.group.replication.options import server_options, server_uuid
from dbhandler.group.replication.orders import Order, Orders
from dbhandler.group.replication.peers import Done, Peers
from dbhandler.group.store import GroupStore, View
from dbhandler.log import shown
from dbhandler.settings.config import Config
from dbhandler.settings.pool import GroupSettings
from dbhandler.volume import belonging, tls
from dbhandler.volume.certificate import ServerCertificate, server_names

logger = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds within which those who serve have surely done all that the group has agreed on."""
PAUSE = 10.0
"""Seconds after which one whom nobody gives their data tries again."""


class ReplicationStarting:
    """The engine's part in the start of a node whose settings these are."""

    kind = "mysql"
    one_by_one = False

    def __init__(
        self,
        group: GroupSettings,
        config: Config,
        data: DataDir,
        store: GroupStore,
        peers: Peers,
        orders: Orders,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._group, self._config, self._data, self._store = group, config, data, store
        self._peers, self._orders, self._clock, self._sleep = peers, orders, clock, sleep
        self._ahead_since: float | None = None
        self._was_away_too_long = False
        self._order = Order(begins=False)

    def position(self) -> Position:
        position = self._data.position()
        if self._data.has_begun_nothing:
            # Nobody was with it.
            self._store.save_view(View())
        return position

    def settling(self) -> tuple[float, str]:
        return 0.0, ""

    def obstacle(self, _node: Node, peers: Sequence[Node]) -> Decision | None:
        """It has to know the way to their data, and may hold nothing that they do not."""
        told, complaint = self._ask(peers)
        if not told:
            return Decision(Action.WAIT, f"waiting for {names_of(peers)} to let this node in: {complaint}")
        there, own = reduce(or_, (done.executed for done in told)), self._data.transactions
        self._was_away_too_long = all((done.purged - own).ranges for done in told)
        alone = self._data.transactions - there
        if not alone.ranges:
            self._ahead_since = None
            return None
        now = self._clock()
        self._ahead_since = now if self._ahead_since is None else self._ahead_since
        if now - self._ahead_since < PATIENCE or complaint:
            return Decision(Action.WAIT, f"waiting for {names_of(peers)} to have all that this node holds")
        return Decision(Action.REFUSE, self._diverged(peers, there, alone))

    def _ask(self, peers: Sequence[Node]) -> tuple[list[Done], DbHandlerError | None]:
        """What those of them have done that answer, and what the last one says that does not."""
        told, complaint = [], None
        for peer in peers:
            try:
                told.append(self._peers.transactions(peer))
            except DbHandlerError as error:
                complaint = error
        return told, complaint

    def begin(self, node: Node, position: Position, new_history: bool) -> list[str]:
        known = position.holds == Holds.DATA and not new_history
        history = position.uuid if known else str(uuid.uuid4())
        enter = partial(self._enter, history)
        if position.holds == Holds.EMPTY:
            self._data.fill(partial(self._certify, node), partial(enter, fresh=True))
        else:
            tls.ensure_keys(self._config.engine, self._config.data_dir)
            self._certify(node)
            enter()
        self._data.name_server(self._uuid(node))
        if not known:
            self._store.save_view(View(history, {node.id: node.name}))
        self._order = Order(begins=True)
        return self._options(node, history, ())

    def join(self, node: Node, position: Position, peers: Sequence[Node]) -> list[str]:
        history = peers[0].uuid
        if position.holds == Holds.DATA and not self._was_away_too_long:
            tls.ensure_keys(self._config.engine, self._config.data_dir)
            self._certify(node)
            self._data.name_server(self._uuid(node))
            self._enter(history)
        else:
            self._take(node, position, peers)
            self._enter(history)
            self._data.finish()
        # At least those; who else is there it learns as soon as it is in.
        ids = frozenset({node.id}).union(*({peer.id, *peer.view} for peer in peers))
        names = {peer.id: peer.name for peer in (*peers, node)}
        self._store.save_view(View(history, {id: names.get(id, id) for id in ids}))
        self._order = Order(begins=False, password=self._peers.password)
        return self._options(node, history, peers)

    def launch(self, command: Sequence[str], _host: str) -> tuple[Sequence[str], Mapping[str, str]]:
        self._orders.give(self._order)
        return command, {}

    def _take(self, node: Node, position: Position, peers: Sequence[Node]) -> None:
        if position.holds == Holds.LEFT:
            belonging.set_aside(self._config.data_dir)
        if position.holds == Holds.DATA:
            logger.warning("the others' logs have no more all that this node has missed: it takes all data anew")
        try:
            self._data.take(peers, self._peers.word(), partial(self._certify, node), self._uuid(node))
        except DbHandlerError:
            # supervisord starts it again at once.
            self._sleep(PAUSE)
            raise

    def _options(self, node: Node, history: str, peers: Sequence[Node]) -> list[str]:
        return server_options(node, history, peers, self._config.data_dir, self._group.single_primary)

    def _uuid(self, node: Node) -> str:
        return server_uuid(node, self._group.name)

    def _enter(self, history: str, fresh: bool = False) -> None:
        belonging.enter(self._config.data_dir, self._config.state_dir, self._group.name, history, fresh)

    def _certify(self, node: Node) -> None:
        names = server_names(self._config, node.host)
        ServerCertificate(self._config.data_dir, self._config.pool_secrets).ensure(names)

    def _diverged(self, peers: Sequence[Node], there: GtidSet, alone: GtidSet) -> str:
        name = self._group.name
        return (
            f"it holds transactions that {names_of(peers)} do not: {alone} (here {self._data.transactions}, there "
            f"{there}). DBHANDLER_LEAVE_CLUSTER={shown(name).strip(chr(39))} instead of DBHANDLER_CLUSTER makes it a "
            "server of its own, from which they can be dumped; started as a node again it sets its data aside and "
            "takes the cluster's"
        )


def starting(
    group: GroupSettings, config: Config, command: Sequence[str], environ: Mapping[str, str]
) -> ReplicationStarting:
    """That of this container, whose server's command line is `command`."""
    first = FirstStartWork(config, command, environ, beside_others=True)
    data = DataDir(group.name, config, command, environ, lambda: first.do(environ))
    store, peers = GroupStore(config.state_dir, config.run_dir), Peers(config.pool_secrets)
    return ReplicationStarting(group, config, data, store, peers, Orders(config.run_dir))
