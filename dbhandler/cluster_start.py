"""dbhandler-cluster-start: decides, by what Serf says of the other nodes, how this server starts, and becomes it."""

from __future__ import annotations

import logging
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import NoReturn

from dbhandler import log
from dbhandler.address import bracketed
from dbhandler.cluster_data import DataDir, Position, recovery
from dbhandler.cluster_decision import BEGIN, JOIN, REFUSE, WAIT, Decision, before, decide
from dbhandler.cluster_node import (
    BEGINNING,
    CLUSTER_TAG,
    DATA,
    JOINING,
    NODE_TAG,
    WAITING,
    Node,
    encode,
    names_of,
    nodes_of,
)
from dbhandler.cluster_store import BEGIN_ORDER, LOSS_ORDER, ClusterStore, View
from dbhandler.cluster_transfer import end_remains
from dbhandler.cluster_volume import PROVIDER
from dbhandler.config import ClusterSettings, Config, log_format
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.first_start import FirstStartWork
from dbhandler.gossip import connect
from dbhandler.log import shown
from dbhandler.private_server import TETHER
from dbhandler.serf import Member, Serf

logger = logging.getLogger(__name__)

USAGE = "usage: dbhandler-cluster-start SERVER [OPTION ...]    (run by supervisord; see dbhandler-cluster --help)\n"
INTERVAL = 0.2
"""Seconds between two looks at the other nodes."""
SENDER_PATIENCE = 10.0
"""Seconds after which the sender of a transfer that was cut has surely given up (it tries for 4 s, see the Dockerfile).
It would find the receiver of the next transfer, and both would fail; so would, by the sender left over, every later
one."""
TURN_PATIENCE = 10.0
"""Seconds for which those who join before this node are waited for: within them a server reaches the group or ends
(pc.wait_prim_timeout)."""
PROVIDER_OPTIONS = (
    # Who begins is decided here, and in one way only: a stored view beside it could make a second cluster.
    "pc.recovery=no;pc.wait_prim_timeout=PT10S;"
    # A node that is gone stops the writes of the others until they give it up: when all of them miss it for the
    # suspect time-out, or one of them for the inactive one. Then they agree on who is left: what one of them has
    # overheard is said again after the retransmission period.
    "evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.2S;evs.suspect_timeout=PT1.5S;"
    "evs.inactive_timeout=PT8S;evs.join_retrans_period=PT0.3S"
)
EX_USAGE, EX_TEMPFAIL = 64, 75


class Starter:
    """Looks at the cluster until it is decided how to start. connect opens a connection to the local Serf agent."""

    def __init__(
        self,
        settings: ClusterSettings,
        store: ClusterStore,
        data: DataDir,
        connect: Callable[[], Serf],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings, self._store, self._data = settings, store, data
        self._connect, self._sleep = connect, sleep
        self._serf: Serf | None = None
        self._complaint = ""
        self._untold = False
        self._waited = 0.0

    def options(self) -> list[str]:
        """Waits for the decision and carries it out; returns the server's options. Raises DbHandlerError or OSError."""
        # What the run before has said is not true any more, and a recovery may take long.
        self._store.unpublish()
        # Only a server that runs changes the view.
        position, view = self._data.position(), self._store.view()
        node = self._node(position, view)
        self._store.publish(node)
        if self._data.transfer_was_cut():
            logger.info("the transfer of another node's data was cut: waiting until its sender has given up")
            self._sleep(SENDER_PATIENCE)
        while True:
            try:
                node, decision = self._look(node, view.names)
            except Unavailable as error:
                self._disconnect()
                decision = Decision(WAIT, f"waiting for this node's Serf agent: {error}", node.vote)
            self._tell(decision)
            if decision.action in (BEGIN, JOIN):
                return self._carry_out(node, position, decision)
            self._sleep(INTERVAL)

    def _node(self, position: Position, view: View) -> Node:
        id, ids = self._store.identity(), view.ids
        if position.holds == DATA:
            ids = frozenset({id}) if position.last else ids if view.uuid == position.uuid else frozenset()
        return Node(
            id, WAITING, position.holds, secrets.token_hex(2), position.uuid, position.seqno, ids, self._store.vote()
        )

    def _look(self, node: Node, names: Mapping[str, str]) -> tuple[Node, Decision]:
        if self._serf is None:
            self._serf = self._connect()
        members, own = self._serf.members(), self._serf.self_name()
        me = next((member for member in members if member.name == own), None)
        if me is None:
            raise Unavailable("it does not know itself yet")
        node = replace(node, name=me.name, host=me.host)
        others = nodes_of((member for member in members if member.name != own), self._settings.name)
        decision = self._ordered(node, others) or decide(node, others, self._settings.size, names)
        decision = self._in_turn(node, others, decision)
        if decision.vote != node.vote:
            self._store.save_vote(decision.vote)
            node = replace(node, vote=decision.vote)
        mode = {BEGIN: BEGINNING, JOIN: JOINING}.get(decision.action, WAITING)
        self._publish(me, replace(node, mode=mode), decision.reason)
        return node, decision

    def _ordered(self, node: Node, others: Sequence[Node]) -> Decision | None:
        """The operator's order to begin, unless the cluster serves already."""
        order = self._store.order()
        if order not in (BEGIN_ORDER, LOSS_ORDER):
            return None
        if any(other.serves for other in others):
            logger.warning("the order to begin is refused: the cluster serves")
            self._store.give_order(None)
            return None
        return Decision(BEGIN, f"beginning by the operator's order with what this node holds: {order}", node.ballot)

    def _in_turn(self, node: Node, others: Sequence[Node], decision: Decision) -> Decision:
        first = before(node, others, decision.peers) if decision.action == JOIN else []
        if not first or self._waited >= TURN_PATIENCE:
            return decision
        self._waited += INTERVAL
        return Decision(WAIT, f"waiting for {names_of(first)} to join first", decision.vote)

    def _publish(self, me: Member, node: Node, reason: str) -> None:
        self._store.publish(node, reason, node.host)
        tags = {CLUSTER_TAG: self._settings.name, NODE_TAG: encode(node)}
        if self._serf and (self._untold or any(me.tags.get(name) != value for name, value in tags.items())):
            # Serf may time out after it has changed the tags here, and has told nobody.
            self._untold = True
            self._serf.set_tags(tags)
            self._untold = False

    def _tell(self, decision: Decision) -> None:
        if decision.reason != self._complaint:
            level = logging.ERROR if decision.action == REFUSE else logging.INFO
            stays = ": it stays untouched, and this node waits for the operator" if decision.action == REFUSE else ""
            logger.log(level, "cluster %s: %s%s", shown(self._settings.name), decision.reason, stays)
            self._complaint = decision.reason

    def _carry_out(self, node: Node, position: Position, decision: Decision) -> list[str]:
        options = server_options(self._settings.name, node, decision.peers)
        known = position.holds == DATA and position.seqno >= 0
        start = [f"--wsrep-start-position={position.uuid}:{position.seqno}"] if known else []
        if decision.action == JOIN:
            self._store.save_vote(None)
            self._data.prepare_to_join()
            self._disconnect()
            return options + start
        order = self._store.order()
        self._data.prepare_to_begin(position.holds, new_history=order == LOSS_ORDER)
        if order is not None:
            self._store.give_order(None)
        self._disconnect()
        return [*options, *([] if order == LOSS_ORDER else start), "--wsrep-new-cluster"]

    def _disconnect(self) -> None:
        if self._serf is not None:
            self._serf.close()
            self._serf = None


def server_options(cluster: str, node: Node, peers: Sequence[Node]) -> list[str]:
    """The options that make a server a node of the cluster; peers are the nodes to join."""
    # Never an empty list of addresses: Galera takes that for an order to begin.
    address = ",".join(bracketed(peer.host) for peer in peers or (node,))
    return [
        "--wsrep-on=ON",
        f"--wsrep-provider={PROVIDER}",
        f"--wsrep-provider-options={PROVIDER_OPTIONS}",
        f"--wsrep-cluster-name={cluster}",
        f"--wsrep-cluster-address=gcomm://{address}",
        f"--wsrep-node-address={bracketed(node.host)}",
        f"--wsrep-node-name={node_name(node)}",
        "--wsrep-sst-method=mariabackup",
        # Only nodes that served before this one came: one that joins at the same moment sends too little, having
        # taken this one's joining from its own donor (Galera 26.4.23: "IST didn't contain all write sets").
        f"--wsrep-sst-donor={','.join(node_name(peer) for peer in peers)}",
        "--wsrep-notify-cmd=dbhandler-cluster-notify",
        "--binlog-format=ROW",
        "--default-storage-engine=InnoDB",
        "--innodb-autoinc-lock-mode=2",
    ]


def node_name(node: Node) -> str:
    """The name in Galera's view: the Serf name, for whoever reads the server's log, and the identity."""
    return f"{re.sub('[^A-Za-z0-9_-]', '_', node.name)[:32]}.{node.id}"


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; replaces this process by the server, and returns a status only on failure."""
    command = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    log.configure(log_format(environ))
    if not command or command[0].startswith("-"):
        print(USAGE, end="", file=sys.stderr)
        return EX_USAGE
    # A server that recovers its position meanwhile ends with us.
    signal.signal(signal.SIGTERM, _leave)
    try:
        config = Config.from_environ(environ)
        if config.cluster is None:
            raise DbHandlerError("DBHANDLER_CLUSTER is not set: this server is no node of a cluster")
        first = FirstStartWork(config, command, environ, beside_others=True)
        recover = recovery([*TETHER, *command], PROVIDER)
        data = DataDir(config.data_dir, config.engine, config.template, recover, lambda: first.do(environ))
        store = ClusterStore(config.state_dir, config.run_dir)
        end_remains()
        options = Starter(config.cluster, store, data, lambda: connect(config.serf)).options()
        _exec(_inserted(command, options), environ)
    except DbHandlerError as error:
        logger.error("the cluster node cannot start: %s", error)
    except OSError as error:
        logger.error("the cluster node cannot start: %s: %s", error.filename, error.strerror)
    return EX_TEMPFAIL


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _inserted(command: Sequence[str], options: Sequence[str]) -> list[str]:
    """Ours before the owner's, which come last and so win; but --defaults-file has to be the very first."""
    first = 2 if len(command) > 1 and command[1].startswith("--defaults") else 1
    return [*command[:first], *options, *command[first:]]


def _exec(arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    os.execvpe(arguments[0], list(arguments), dict(environ))
