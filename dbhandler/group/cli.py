"""dbhandler-cluster: what the operator of a cluster sees, and the way out of a total outage."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dbhandler import edge, usage
from dbhandler.command import columns
from dbhandler.errors import Denied, InvalidRequest, Unavailable
from dbhandler.group.decision import decide
from dbhandler.group.node import Holds, Mode, Node, decode, names_of, nodes_of
from dbhandler.group.store import BEGIN_ORDER, LOSS_ORDER, GroupStore
from dbhandler.group.trusted import UNPROTECTED
from dbhandler.log import shown
from dbhandler.os_user import leave_root
from dbhandler.serf.launch import connect
from dbhandler.serf.proof import Believer
from dbhandler.settings.config import Config
from dbhandler.trust.pool import Pool

USAGE = """usage: dbhandler-cluster status
       dbhandler-cluster bootstrap NODE [--i-accept-data-loss]

status     shows the nodes of this cluster, their positions, and what this node waits for.
bootstrap  lets NODE begin the cluster with what it holds; to be run in the container of NODE while no node serves.
           It is refused where another node is ahead of NODE, or may be. With --i-accept-data-loss it is done all
           the same: NODE begins a new history, and no node that holds the old one joins it any more, until its
           data volume has been emptied.

exit status: 0 done, 64 wrong usage or setting, 69 no Serf agent answers, 70 failed, 77 refused
"""


@dataclass(frozen=True)
class Sight:
    """The cluster as one of its nodes sees it now."""

    name: str
    size: int
    me: Node
    others: Sequence[Node]
    reason: str
    names: Mapping[str, str] = field(default_factory=dict)
    """By identity, as this node has known them: Serf forgets whoever is away for long."""
    protected: bool = True
    """Have its nodes a secret in common?"""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if usage.asked(argv):
        return usage.show(argv, USAGE)
    environ = os.environ if environ is None else environ
    return edge.carried_out("dbhandler-cluster", lambda: _run(argv, environ))


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    config = Config.from_environ(environ)
    if config.group is None:
        raise InvalidRequest("this server is in no cluster (DBHANDLER_CLUSTER)")
    leave_root(config.os_user)
    store = GroupStore(config.state_dir, config.run_dir)
    if argv == ["status"]:
        print("\n".join(report(see(config, store))))
    elif len(argv) in (2, 3) and argv[0] == "bootstrap" and set(argv[2:]) <= {"--i-accept-data-loss"}:
        sight = see(config, store)
        order = order_for(sight, argv[1], accept_loss=len(argv) == 3)
        store.give_order(order)
        print(f"{sight.me.name} begins the cluster {sight.name} with what it holds")
    else:
        raise InvalidRequest(f"no such command: {shown(' '.join(argv))} (--help tells more)")


def see(config: Config, store: GroupStore) -> Sight:
    """Asks the local Serf agent. Raises DbHandlerError."""
    assert config.group is not None  # noqa: S101
    believer = Believer(Pool(config.pool_secrets).ids)
    with connect(config.serf) as serf:
        own, nodes = serf.self_name(), nodes_of(believer.believed(serf.members()), config.group.name)
    published = store.published()
    me = next((node for node in nodes if node.name == own), None)
    if me is None:
        raise Unavailable("this node has not said yet what it holds")
    if me.mode == Mode.WAITING and published and (fresh := decode(published.tag)):
        me = replace(fresh, name=me.name, host=me.host)
    others = [node for node in nodes if node.name != own]
    names, size = store.view().names, config.group.size
    reason = f"this node is {me.mode}"
    if me.mode == Mode.WAITING:
        # Its engine may know of more than the others' tags tell.
        reason = (published.reason if published else "") or decide(me, others, size, names).reason
    return Sight(config.group.name, size, me, others, reason, names, bool(config.pool_secrets))


def report(sight: Sight) -> list[str]:
    """The lines of `status`."""
    rows: list[tuple[str, ...]] = [("NODE", "ADDRESS", "IDENTITY", "STATE", "HOLDS", "POSITION")]
    rows += [_row(node) for node in sorted([sight.me, *sight.others], key=lambda node: node.name)]
    begun = f"cluster {sight.name}, begun by {sight.size} empty nodes"
    open_to_all = [] if sight.protected else [f"no DBHANDLER_POOL_SECRET: {UNPROTECTED}"]
    return [begun, *columns(rows), f"{sight.me.name}: {sight.reason}", *open_to_all]


def _row(node: Node) -> tuple[str, ...]:
    # The position of a server that runs moves on all the time; that of one that waits is what counts in an outage.
    position = (
        f"{node.uuid}:{_position(node) if node.mode == Mode.WAITING else '…'}" if node.holds == Holds.DATA else "-"
    )
    state = node.mode if node.alive else f"away (was {node.mode})"
    return shown(node.name).strip("'"), node.host, node.id, state, node.holds, position


def _position(node: Node) -> str:
    return "?" if node.has is None else str(node.has)


def order_for(sight: Sight, name: str, accept_loss: bool) -> str:
    """The order that lets node `name` begin. Raises InvalidRequest or Denied."""
    me = sight.me
    if name not in (me.name, me.id):
        raise InvalidRequest(f"this is {shown(me.name)}: run it in the container of {shown(name)}")
    if serving := [node for node in sight.others if node.serves]:
        raise Denied(f"the cluster serves, at {names_of(serving)}: there is nothing to begin")
    if me.mode != Mode.WAITING:
        raise Denied(f"{shown(me.name)} does not wait, it is {me.mode}")
    if accept_loss:
        return LOSS_ORDER
    if risk := _risk(me, sight.others, sight.names):
        raise Denied(f"{risk}; --i-accept-data-loss begins all the same")
    return BEGIN_ORDER


def _risk(me: Node, others: Sequence[Node], names: Mapping[str, str]) -> str | None:
    """Why another node may hold more than this one, None where none can."""
    ahead = [node for node in others if node.holds == Holds.DATA and not (node.uuid == me.uuid and me.covers(node))]
    if ahead:
        return f"{names_of(ahead)} may hold more than {shown(me.name)}"
    if unheard := [node for node in others if not node.alive or node.mode != Mode.WAITING]:
        return f"it is not known what {names_of(unheard)} holds"
    seen = {me.id, *(node.id for node in others)}
    if missing := sorted(frozenset().union(me.view, *(node.view for node in others)) - seen):
        return f"{', '.join(shown(names.get(id, id)) for id in missing)} served in this cluster and is not there"
    if me.holds == Holds.DATA and not me.view:
        return f"it is not known with whom {shown(me.name)} served last"
    return None
