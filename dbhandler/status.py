"""How every database server of a Serf cluster is: asked of all at once with the query status_db."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dbhandler import answer as answers
from dbhandler.discovery import ANSWER_TIMEOUT
from dbhandler.serf import Member, Serf

READY, SILENT, NO_AGENT = "ready", "no answer", "no agent"


@dataclass(frozen=True)
class ServerStatus:
    """One server. What is unknown is None.

    state is `ready`, `starting` or `down` as the server says it; `no agent` when its Serf agent answers and
    dbhandler-agent does not, `no answer` when nobody does; `failed`, `left` or `leaving` when it is no live member.
    alive says whether it is one. uptime is in seconds, last_error_at in UTC.
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

    @property
    def ready(self) -> bool:
        return self.state == READY


def cluster_status(serf: Serf, timeout: float = ANSWER_TIMEOUT) -> list[ServerStatus]:
    """The servers that are members, by name, live ones first. Returns once all live ones have answered, at the latest
    after `timeout` seconds. Raises Unavailable or Denied as the Serf agent does."""
    members = database_members(serf.members())
    answered = _ask(serf, {member.name for member in members if member.alive}, timeout)
    statuses = [_status(member, answered.get(member.name), timeout) for member in members]
    return sorted(statuses, key=lambda status: (not status.alive, status.node))


def database_members(members: Iterable[Member]) -> list[Member]:
    """The members that are database servers, without those that a live one with the same key has replaced: a new
    container on the same volume."""
    servers = [member for member in members if member.is_database]
    live_keys = {member.tags.get("key") for member in servers if member.alive} - {None}
    return [member for member in servers if member.alive or member.tags.get("key") not in live_keys]


def all_ready(statuses: Sequence[ServerStatus]) -> bool:
    """Are all live servers ready? A dead one is told, not counted: what failed or left may have been replaced."""
    return all(status.ready for status in statuses if status.alive)


def _ask(serf: Serf, waiting: set[str], timeout: float) -> Mapping[str, Mapping[str, object]]:
    answered: dict[str, Mapping[str, object]] = {}
    if not waiting:
        return answered
    # By tag: a list of names would not fit into a query of a larger cluster.
    for node, line in serf.query("status_db", b"", timeout, tags={"role": "^db$"}):
        if node in waiting:
            answered[node] = answers.decode(line)
        if waiting <= answered.keys():
            break
    return answered


def _status(member: Member, answer: Mapping[str, object] | None, timeout: float) -> ServerStatus:
    facts = dict(answer or {})
    return ServerStatus(
        node=member.name,
        alive=member.alive,
        state=_state(member, answer),
        engine=_text(facts.get("engine")) or member.tags.get("engine"),
        version=_text(facts.get("version")) or member.tags.get("version"),
        databases=_number(facts.get("databases")),
        spool=_number(facts.get("spool")),
        uptime=_number(facts.get("uptime")),
        host=_text(facts.get("host")) or member.host,
        port=_number(facts.get("port")),
        last_error=_text(facts.get("last_error")) or _complaint(member, answer, timeout),
        last_error_at=_text(facts.get("last_error_at")),
    )


def _state(member: Member, answer: Mapping[str, object] | None) -> str:
    if not member.alive:
        return member.status
    if answer is None:
        return SILENT
    if answer.get("status") != "ok":
        return NO_AGENT
    return _text(answer.get("mysql")) or SILENT


def _complaint(member: Member, answer: Mapping[str, object] | None, timeout: float) -> str | None:
    if answer is None:
        return f"it has not answered within {timeout:.0f} s" if member.alive else None
    return _text(answer.get("reason"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
