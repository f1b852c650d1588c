"""Pure: the servers of a pool as its directory knows them, beside what gossip says of them now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dbhandler.command import columns, size
from dbhandler.directory.standing import Standing, by_identity
from dbhandler.log import shown
from dbhandler.serf.members import Member

HEADINGS = ("SERVER", "STATE", "ENGINE", "LABELS", "DATABASES", "SIZE", "CONNECTIONS", "NEW DATABASES")
_RIGHT = frozenset({"DATABASES", "SIZE", "CONNECTIONS"})
SILENT = 180
"""Seconds after which a server that serves should have told how it stands."""


@dataclass(frozen=True)
class Row:
    """A server: how it stands, and what gossip says of it (`ready`, `unready`, `failed`, `left`, `unknown`)."""

    standing: Standing
    state: str


def rows(standings: Iterable[Standing], members: Iterable[Member], counts: Mapping[str, int]) -> list[Row]:
    """The servers that the directory knows, and those that only have names there, by their names."""
    there, known = by_identity(members), {one.server: one for one in standings}
    nameless = {server: Standing(server, server[:16], "unknown", names=counts[server]) for server in counts}
    found = [Row(one, _state(there.get(one.server))) for one in {**nameless, **known}.values()]
    return sorted(found, key=lambda row: row.standing.node)


def table(found: Sequence[Row]) -> str:
    """One line each, for people, without an end of the last one."""
    return "\n".join(columns([HEADINGS, *map(_cells, found)], _RIGHT))


def as_json(found: Sequence[Row], moves: Sequence[Mapping[str, object]] = ()) -> str:
    """One line: an object with a list of servers and one of moves (pool/moves.py), one object each. Of a server size
    is in bytes, max_databases 0 where there is no limit; refuses says why it gets no new database, null where it does;
    told is how many seconds ago it said so."""
    return json.dumps({"servers": [_object(row) for row in found], "moves": list(moves)})


def differences(found: Sequence[Row], members: Iterable[Member], doubles: Sequence[tuple[str, str, str]]) -> list[str]:
    """A sentence for everything in which directory and servers are not one."""
    names = {row.standing.server: shown(row.standing.node) for row in found}
    told = [
        f"{shown(name)} is on {_of(names, at)}, and in the directory on {_of(names, of)}" for name, at, of in doubles
    ]
    for row in found:
        one, node = row.standing, names[row.standing.server]
        if row.state != "ready" and one.names:
            told.append(f"{node} is {row.state}, and databases wait for it: {one.names} (dbhandler-pool forget)")
        elif row.state == "ready" and one.age > SILENT:
            told.append(f"{node} has told nothing for {one.age} s: it does not reach the directory")
    missing = [member for server, member in by_identity(members).items() if server not in names and member.is_ready]
    told += [f"{shown(member.name)} is not in the directory: it has no DBHANDLER_DIRECTORY" for member in missing]
    return told


def given_up(node: str, names: Sequence[str]) -> str:
    """What forgetting a server means, of which the directory knows these names."""
    held = f"{len(names)} databases: {', '.join(map(shown, names))}" if names else "no database"
    return (
        f"{shown(node)} is forgotten, and with it {held}. Their names can be requested anew, and are empty then; what "
        "the server still holds comes back with it where nobody has"
    )


def _state(member: Member | None) -> str:
    if member is None:
        return "unknown"
    return "ready" if member.is_ready else "unready" if member.alive else member.status


def _of(names: Mapping[str, str], server: str) -> str:
    return names.get(server, shown(server[:16]))


def _cells(row: Row) -> tuple[str, ...]:
    one = row.standing
    numbers = (str(one.names), size(one.bytes), str(one.connections))
    node = shown(one.node).strip("'")
    return (node, row.state, one.engine, ",".join(sorted(one.labels)) or "-", *numbers, one.refuses or "yes")


def _object(row: Row) -> dict[str, object]:
    one = row.standing
    return {
        "server": one.node, "state": row.state, "engine": one.engine, "version": one.version,
        "labels": sorted(one.labels), "databases": one.names, "max_databases": one.most, "size": one.bytes,
        "connections": one.connections, "refuses": one.refuses or None, "told": one.age,
    }  # fmt: skip
