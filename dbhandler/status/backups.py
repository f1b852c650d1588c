"""How far the backup of each server goes, as the pool's backups say it: asked of all at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from dbhandler.client.verified import proved, question
from dbhandler.log import shown
from dbhandler.requests.backup_state import BackupState, heard
from dbhandler.requests.question import Question
from dbhandler.requests.restore_box import source_id
from dbhandler.requests.vocabulary import BackupQuery
from dbhandler.serf.members import Member
from dbhandler.serf.proof import Believer
from dbhandler.serf.rpc import Serf
from dbhandler.serf.tags import Role, Tag
from dbhandler.status.servers import database_members

TIMEOUT = 3.0
"""Seconds for which answers are waited for: a backup's handler of queries gives up after two."""


@dataclass(frozen=True)
class Row:
    """A server or cluster, and its backup; None: there is none."""

    name: str
    state: BackupState | None


@dataclass(frozen=True)
class Backups:
    """All that is known of them: the most worrying first, how many more there are, the states by the names of those
    servers' nodes, and what is wrong with the backups themselves, in sentences."""

    rows: Sequence[Row] = field(default_factory=list)
    more: int = 0
    of_node: Mapping[str, BackupState] = field(default_factory=dict)
    complaints: Sequence[str] = field(default_factory=list)


def backups(serf: Serf, timeout: float = TIMEOUT, pools: Collection[str] = ()) -> Backups:
    """Nothing where no backup is a member. What one says counts only if one of the pools has signed it, where some are
    named. Raises Unavailable or Denied as the Serf agent does."""
    everybody, believer = serf.members(), Believer(pools)
    # Of one that ended there is nothing to say where another one lives.
    known = [member for member in everybody if member.tags.get(Tag.ROLE) == Role.BACKUP and member.status != "left"]
    believed = [member for member in known if not pools or believer.is_proven(member)]
    strangers = [member for member in known if member not in believed and member.alive]
    complaints = [f"the backup {shown(member.name)} cannot prove to be of the pool" for member in strangers]
    living = {member.name for member in believed if member.alive}
    answered = _ask(serf, living, timeout, pools)
    complaints += [f"the backup {shown(name)} does not answer" for name in sorted(living - answered.keys())]
    if not living:
        complaints += [f"the backup {shown(one.name)} is no live member ({one.status})" for one in believed]
    return _seen(database_members(believer.believed(everybody)), list(answered.values()), complaints)


_Said = tuple[list[BackupState], int]


def _ask(serf: Serf, waiting: set[str], timeout: float, pools: Collection[str]) -> dict[str, _Said]:
    """What each of these backups says. A wrong answer is none: it may be somebody else's, under its name."""
    answered: dict[str, _Said] = {}
    if not waiting:
        return answered
    asked = question(BackupQuery.STATUS, {}, pools) if pools else Question(BackupQuery.STATUS, b"")
    for node, line in serf.query(asked.query, asked.payload, timeout, tags={Tag.ROLE: f"^{Role.BACKUP}$"}):
        if node in waiting and node not in answered and (said := _read(line, asked, pools)):
            answered[node] = said
        if waiting <= answered.keys():
            break
    return answered


def _read(line: bytes, asked: Question, pools: Collection[str]) -> _Said | None:
    try:
        if pools:
            proved(line, asked, None, pools)
        return heard(line)
    except ValueError:
        return None


def _seen(servers: Sequence[Member], answers: Sequence[_Said], complaints: Sequence[str]) -> Backups:
    # Several backups may know one server, one of which followed it once: the one that has more counts.
    best: dict[str, BackupState] = {}
    for states, _ in answers:
        for state in states:
            if state.id not in best or (state.last or 0) > (best[state.id].last or 0):
                best[state.id] = state
    more = sum(count for _, count in answers)
    of_node = {one.name: best[id] for one in servers if (id := source_id(one.key or "", one.group)) in best}
    without = {one.group or one.name for one in servers if one.alive and one.key and one.name not in of_node}
    # Those that an answer had no room for are well, or no worse than these.
    rows = [Row(name, None) for name in sorted(without) if answers and not more]
    rows += [Row(state.name, state) for state in sorted(best.values(), key=lambda state: state.rank)]
    return Backups(rows, more, of_node, complaints)
