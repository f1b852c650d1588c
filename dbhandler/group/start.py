"""dbhandler-cluster-start: decides, by what Serf says of the other nodes, how this server starts, and becomes it."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NoReturn

from dbhandler import edge, log, usage
from dbhandler.engine.binlog import inserted
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.group.decision import Action, Decision, before, decide
from dbhandler.group.engine import Position, Starting
from dbhandler.group.engines import starting
from dbhandler.group.node import Holds, Mode, Node, encode, names_of
from dbhandler.group.store import BEGIN_ORDER, LOSS_ORDER, GroupStore, View
from dbhandler.group.trusted import TrustedNodes
from dbhandler.log import shown
from dbhandler.serf.kept import KeptConnection, OwnTags
from dbhandler.serf.launch import connect
from dbhandler.serf.members import Member, named
from dbhandler.serf.proof import Prover, outlived, unproved
from dbhandler.serf.rpc import Serf
from dbhandler.serf.tags import Tag
from dbhandler.settings.config import Config
from dbhandler.settings.output import log_format
from dbhandler.settings.pool import GroupSettings
from dbhandler.trust.pool import Pool

logger = logging.getLogger(__name__)

USAGE = """usage: dbhandler-cluster-start SERVER [OPTION ...]

Decides how this node's server starts, and becomes it. supervisord runs it; see dbhandler-cluster --help.
"""
INTERVAL = 0.2
"""Seconds between two looks at the other nodes."""
TURN_PATIENCE = 10.0
"""Seconds for which those who join before this node are waited for: within them a server reaches the group or ends
(pc.wait_prim_timeout)."""


class Starter:
    """Looks at the cluster until it is decided how to start. engine says how the servers replicate, connect opens a
    connection to the local Serf agent; pool is that of all nodes, None where they have no secret."""

    def __init__(
        self,
        settings: GroupSettings,
        store: GroupStore,
        engine: Starting,
        connect: Callable[[], Serf],
        sleep: Callable[[float], None] = time.sleep,
        pool: Pool | None = None,
    ) -> None:
        self._nodes = TrustedNodes(settings.name, pool.ids if pool else ())
        self._prove = Prover(pool).proofs if pool else unproved
        self._settings, self._store, self._engine = settings, store, engine
        self._kept, self._tags, self._sleep = KeptConnection(connect), OwnTags(), sleep
        self._told = ""
        self._waited = 0.0
        self.host = ""

    def options(self) -> list[str]:
        """Waits for the decision and carries it out; returns the server's options. Raises DbHandlerError or OSError."""
        # What the run before has said is not true any more, and a recovery may take long.
        self._store.unpublish()
        # Only a server that runs changes the view.
        position, view = self._engine.position(), self._store.view()
        node = self._node(position, view)
        self._store.publish(node)
        patience, reason = self._engine.settling()
        if patience:
            logger.info("%s", reason)
            self._sleep(patience)
        while True:
            try:
                with self._kept.use() as serf:
                    node, decision = self._look(serf, node, view.names)
            except Unavailable as error:
                decision = Decision(Action.WAIT, f"waiting for this node's Serf agent: {error}", node.vote)
            self._tell(decision)
            self.host = node.host
            if decision.action in (Action.BEGIN, Action.JOIN):
                return self._carry_out(node, position, decision)
            self._sleep(INTERVAL)

    def _node(self, position: Position, view: View) -> Node:
        id, ids = self._store.identity(), view.ids
        if position.holds == Holds.DATA:
            ids = frozenset({id}) if position.last else ids if view.uuid == position.uuid else frozenset()
        nonce, vote = secrets.token_hex(2), self._store.vote()
        return Node(id, Mode.WAITING, position.holds, nonce, position.uuid, position.has, ids, vote)

    def _look(self, serf: Serf, node: Node, names: Mapping[str, str]) -> tuple[Node, Decision]:
        members, own = serf.members(), serf.self_name()
        me = named(members, own)
        if me is None:
            raise Unavailable("it does not know itself yet")
        node = replace(node, name=me.name, host=me.host)
        others = self._nodes.of(member for member in members if member.name != own)
        decision = self._ordered(node, others) or self._mixed(others)
        decision = decision or decide(node, others, self._settings.size, names)
        decision = self._with_strangers(self._possible(node, self._in_turn(node, others, decision)))
        if decision.vote != node.vote:
            self._store.save_vote(decision.vote)
            node = replace(node, vote=decision.vote)
        mode = {Action.BEGIN: Mode.BEGINNING, Action.JOIN: Mode.JOINING}.get(decision.action, Mode.WAITING)
        self._publish(serf, me, replace(node, mode=mode), decision.reason)
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
        reason = f"beginning by the operator's order with what this node holds: {order}"
        return Decision(Action.BEGIN, reason, node.ballot)

    def _mixed(self, others: Sequence[Node]) -> Decision | None:
        """What to do where nodes of another engine have this cluster's name; None where there are none."""
        if not (wrong := [node for node in others if node.alive and node.engine not in ("", self._engine.kind)]):
            return None
        reason = (
            f"{names_of(wrong)} of a cluster of this name: {wrong[0].engine}, and this node is {self._engine.kind}. "
            "Give each cluster a name of its own (DBHANDLER_CLUSTER)"
        )
        return Decision(Action.REFUSE, reason)

    def _in_turn(self, node: Node, others: Sequence[Node], decision: Decision) -> Decision:
        in_turn = self._engine.one_by_one and decision.action == Action.JOIN
        first = before(node, others, decision.peers) if in_turn else []
        if not first or self._waited >= TURN_PATIENCE:
            return decision
        self._waited += INTERVAL
        return Decision(Action.WAIT, f"waiting for {names_of(first)} to join first", decision.vote)

    def _possible(self, node: Node, decision: Decision) -> Decision:
        """The decision, unless it is to join and the engine knows of something in the way."""
        obstacle = self._engine.obstacle(node, decision.peers) if decision.action == Action.JOIN else None
        return replace(obstacle, vote=decision.vote) if obstacle else decision

    def _with_strangers(self, decision: Decision) -> Decision:
        if decision.action in (Action.BEGIN, Action.JOIN) or not self._nodes.strangers:
            return decision
        names = ", ".join(map(shown, self._nodes.strangers))
        return replace(decision, reason=f"{decision.reason} ({names} does not count: it proves no secret of this pool)")

    def _publish(self, serf: Serf, me: Member, node: Node, reason: str) -> None:
        self._store.publish(node, reason, node.host)
        desired: dict[str, str] = {
            Tag.CLUSTER: self._settings.name, Tag.GALERA: encode(node), Tag.ENGINE: self._engine.kind,
        }  # fmt: skip
        proofs = self._prove(replace(me, tags={**me.tags, **desired}))
        self._tags.correct(serf, me.tags, {**desired, **proofs}, outlived(me.tags, proofs))

    def _tell(self, decision: Decision) -> None:
        if decision.reason != self._told:
            self._log(decision)
            self._told = decision.reason

    def _log(self, decision: Decision) -> None:
        text = f"cluster {shown(self._settings.name)}: {decision.reason}"
        if decision.action is Action.REFUSE:
            logger.error("%s: it stays untouched, and this node waits for the operator", text)
        else:
            logger.info("%s", text)

    def _carry_out(self, node: Node, position: Position, decision: Decision) -> list[str]:
        if decision.action == Action.JOIN:
            self._store.save_vote(None)
            options = self._engine.join(node, position, decision.peers)
            self._kept.close()
            return options
        order = self._store.order()
        options = self._engine.begin(node, position, new_history=order == LOSS_ORDER)
        if order is not None:
            self._store.give_order(None)
        self._kept.close()
        return options


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; replaces this process by the server, and returns a status only on failure."""
    command = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    log.configure(log_format(environ))
    if not command or command[0].startswith("-"):
        return usage.show(command, USAGE)
    # A server that recovers its position meanwhile ends with us.
    edge.leave_on(signal.SIGTERM, status=0)
    return edge.started("the cluster node", partial(_start, command, environ), os.EX_TEMPFAIL)


def _start(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    config = Config.from_environ(environ)
    if config.group is None:
        raise DbHandlerError("DBHANDLER_CLUSTER is not set: this server is no node of a cluster")
    store = GroupStore(config.state_dir, config.run_dir)
    engine = starting(config, command, environ)
    pool = Pool(config.pool_secrets) if config.pool_secrets else None
    starter = Starter(config.group, store, engine, lambda: connect(config.serf), pool=pool)
    options = starter.options()
    command, more = engine.launch(command, starter.host)
    _exec(inserted(command, options), {**environ, **more})


def _exec(arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    os.execvpe(arguments[0], list(arguments), dict(environ))
