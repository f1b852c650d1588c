"""Where a new database goes, asked before anything is made: the name becomes one server's in the directory first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace

from dbhandler.directory.directory import Directory, Holder
from dbhandler.directory.link import DirectoryLink
from dbhandler.directory.placement import Place, place, refusal
from dbhandler.directory.standing import Standing, by_identity
from dbhandler.errors import Busy, DbHandlerError, Denied, Elsewhere
from dbhandler.log import shown
from dbhandler.requests.where import Where

AGAIN = 0.5
"""Seconds until a name that cannot be settled now is tried anew."""
MOST_TOLD = 5
"""Servers that a sentence names."""


class Places:
    """The directory as one server's agent asks it. standing says how this server stands, as it tells the directory."""

    def __init__(self, link: DirectoryLink, standing: Callable[[], Standing]) -> None:
        self._link, self._standing = link, standing

    def settle(self, name: str, where: Where) -> str:
        """Sees to it that a name is this server's, unless it is another's or is to become that; returns why.

        Raises Elsewhere, Denied where no server may have it, Unavailable while the directory is away.
        """
        own = self._standing()
        holder, why = self._link.ask(lambda directory: self._settled(directory, name, where, own))
        if holder is None:
            raise Busy(why, AGAIN)
        if holder == own.server:
            return why
        node = self._name_of(holder)
        raise Elsewhere(f"the server {shown(node)} {f'shall have it: {why}' if why else 'has it'}", node)

    def holder(self, name: str) -> str | None:
        """The name of the member whose server has the name, or shall have it; None where that is nobody or this one.
        Raises Unavailable or ServerError."""
        found = self._link.ask(lambda directory: directory.holder(name))
        return None if found is None or found.server == self._standing().server else self._name_of(found.server)

    def _settled(self, directory: Directory, name: str, where: Where, own: Standing) -> tuple[str | None, str]:
        """Whose the name is, and why, where it has become that only now; or nobody's, and what is waited for."""
        seen, why = directory.holder(name), ""
        if seen is None or self._is_lost(seen):
            told = {one.server: one for one in directory.standings()}
            if seen is None and (unknown := self._unknown({*told, own.server})):
                return None, unknown
            found = self._place(told, name, where, own)
            seen = directory.claim(name, found.server.server, seen)
            # Who came first with another one had other reasons.
            why = found.why if seen and seen.server == found.server.server else ""
        if seen is None or (seen.server == own.server and not directory.take(name, own.server)):
            return None, f"the name {shown(name)} was given up just now: ask again"
        return seen.server, why

    def _unknown(self, known: Collection[str]) -> str:
        """What is told while a server has not said yet what it has; nothing where all have."""
        there = by_identity(self._link.believed()).items()
        names = [one.name for server, one in there if server not in known and one.may_return]
        if not names:
            return ""
        return (
            f"waiting for {', '.join(map(shown, names[:MOST_TOLD]))}, which might have the database and is not in the "
            "directory: with DBHANDLER_DIRECTORY it is once it is ready; if it is gone for good, dbhandler-pool forget "
            "gives up what it holds"
        )

    def _is_lost(self, holder: Holder) -> bool:
        """Has its server gone before it took the name?"""
        member = by_identity(self._link.believed()).get(holder.server)
        return not holder.taken and (member is None or not member.is_ready)

    def give_up(self, name: str) -> None:
        """Gives a name up again that settle has got, when nothing was made. What cannot be given up now is found out
        later (keeping.py)."""
        with suppress(DbHandlerError):
            self._link.ask(lambda directory: directory.release([name], self._standing().server))

    def _place(self, told: Mapping[str, Standing], name: str, where: Where, own: Standing) -> Place:
        if where.here:
            return Place(own, "it was asked for here")
        there = {one for one, member in by_identity(self._link.believed()).items() if member.is_ready}
        # How many names are its the directory counts, and it says who is drained; the rest is known here at once.
        known = told.get(own.server)
        mine = replace(own, names=known.names, full=own.full or known.full) if known else own
        servers = [*(one for server, one in told.items() if server in there and server != own.server), mine]
        found = place(name, servers, where)
        if found is None:
            raise Denied(refusal(servers, where))
        return found

    def _name_of(self, server: str) -> str:
        if member := by_identity(self._link.believed()).get(server):
            return member.name
        known = self._link.ask(lambda directory: directory.standings())
        return next((one.node for one in known if one.server == server), server[:16])
