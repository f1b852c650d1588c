"""How every database server of a Serf cluster is: asked of all at once with the query status_db."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dbhandler.client.discovery import ANSWER_TIMEOUT
from dbhandler.client.verified import question, read
from dbhandler.requests.answer_record import Answer
from dbhandler.requests.question import Question
from dbhandler.requests.vocabulary import Query, ServerState, Status
from dbhandler.serf.members import Member
from dbhandler.serf.proof import Believer, shows_proof
from dbhandler.serf.rpc import Serf
from dbhandler.serf.tags import Role, Tag

SILENT, NO_AGENT, FAILED, UNPROVEN = "no answer", "no agent", "failed", "unproven"


@dataclass(frozen=True)
class ServerStatus:
    """One server. What is unknown is None.

    state is `ready`, `starting` or `down` as the server says it; `no agent` when its Serf agent answers and
    dbhandler-agent does not, `no answer` when nobody does; `unproven` when it cannot prove to be of the pool that is
    believed; `failed`, `left` or `leaving` when it is no live member. alive says whether it is one. uptime is in
    seconds, last_error_at in UTC; unprotected are the nodes of a cluster that has no pool's secret; over_quota is how
    many databases are not written to for that.
    """

    node: str
    alive: bool
    state: str
    engine: str | None = None
    version: str | None = None
    databases: int | None = None
    spool: int | None = None
    uptime: int | None = None
    host: str | None = None
    port: int | None = None
    last_error: str | None = None
    last_error_at: str | None = None
    unprotected: bool = False
    over_quota: int | None = None

    @property
    def ready(self) -> bool:
        return self.state == ServerState.READY


def cluster_status(serf: Serf, timeout: float = ANSWER_TIMEOUT, pools: Collection[str] = ()) -> list[ServerStatus]:
    """The servers that are members, by name, live ones first; of what they say only what one of the pools has signed,
    where some are named. Returns once all live ones have answered, at the latest after `timeout` seconds. Raises
    Unavailable or Denied as the Serf agent does."""
    believer, everybody = Believer(pools), serf.members()
    members = database_members(believer.believed(everybody))
    answered = _ask(serf, {member.name for member in members if member.alive}, timeout, pools)
    statuses = [_status(member, answered, timeout) for member in members]
    statuses += [_unproven(member, pools) for member in believer.unproven(everybody)]
    return sorted(statuses, key=lambda status: (not status.alive, status.node))


def database_members(members: Iterable[Member]) -> list[Member]:
    """The members that are database servers, without those that a live one with the same key has replaced: a new
    container on the same volume."""
    servers = [member for member in members if member.is_database]
    live_keys = {member.key for member in servers if member.alive} - {None}
    return [member for member in servers if member.alive or member.key not in live_keys]


def all_ready(statuses: Sequence[ServerStatus]) -> bool:
    """Is every server ready? One that left in order is told, not counted; one that failed counts until Serf forgets it,
    because nobody knows whether it comes back."""
    return all(status.ready for status in statuses if status.alive or status.state == FAILED)


def _unproven(member: Member, pools: Collection[str]) -> ServerStatus:
    complaint = f"it cannot prove to be of the pool {', '.join(pools)}"
    state = UNPROVEN if member.alive else member.status
    return ServerStatus(member.name, member.alive, state, host=member.host, last_error=complaint)


def _ask(serf: Serf, waiting: set[str], timeout: float, pools: Collection[str]) -> Mapping[str, Answer | None]:
    """The answers by node, None for a wrong one."""
    answered: dict[str, Answer | None] = {}
    if not waiting:
        return answered
    asked = _how_it_is(pools)
    # By tag: a list of names would not fit into a query of a larger cluster.
    for node, line in serf.query(Query.STATUS, asked.payload, timeout, tags={Tag.ROLE: f"^{Role.DATABASE}$"}):
        # A wrong one may be somebody else's, under its name.
        if node in waiting and answered.get(node) is None:
            answered[node] = read(line, asked, pools)
        if waiting <= {node for node, answer in answered.items() if answer or not pools}:
            break
    return answered


def _how_it_is(pools: Collection[str]) -> Question:
    # Nothing at all is what every version understands.
    return question(Query.STATUS, {}, pools) if pools else Question(Query.STATUS, b"")


def _status(member: Member, answered: Mapping[str, Answer | None], timeout: float) -> ServerStatus:
    answer = answered.get(member.name) or Answer(Status.UNAVAILABLE)
    return ServerStatus(
        node=member.name,
        alive=member.alive,
        state=_state(member, answered),
        engine=answer.engine or member.tags.get(Tag.ENGINE),
        version=answer.version or member.tags.get(Tag.VERSION),
        databases=answer.databases,
        spool=answer.spool,
        uptime=answer.uptime,
        host=answer.host or member.host,
        port=answer.port,
        last_error=answer.last_error or answer.reason or _complaint(member, answered, timeout),
        last_error_at=answer.last_error_at,
        # One that has not said who it is may prove it a moment later.
        unprotected=bool(member.alive and member.group and member.key and not shows_proof(member)),
        over_quota=answer.over_quota,
    )


def _state(member: Member, answered: Mapping[str, Answer | None]) -> str:
    if not member.alive:
        return member.status
    if (answer := answered.get(member.name)) is None:
        return SILENT
    return answer.mysql or SILENT if answer.status == Status.OK else NO_AGENT


def _complaint(member: Member, answered: Mapping[str, Answer | None], timeout: float) -> str | None:
    if member.name in answered:
        return None if answered[member.name] else "it has given a wrong answer"
    return f"it has not answered within {timeout:.0f} s" if member.alive else None
