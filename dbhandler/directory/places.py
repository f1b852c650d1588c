"""Where a new database goes, asked before anything is made: the name becomes one server's in the directory first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from dbhandler.directory.directory import Directory, Holder
from dbhandler.directory.link import DirectoryLink
from dbhandler.directory.placement import Place, place, refusal
from dbhandler.directory.standing import Standing, by_identity, is_ready
from dbhandler.errors import Busy, DbHandlerError, Denied, Elsewhere
from dbhandler.log import shown
from dbhandler.requests.where import Where

AGAIN = 0.5
"""Seconds until a name that was given up just now is settled anew."""


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
            raise Busy(f"the name {shown(name)} was given up just now: ask again", AGAIN)
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
        """Whose the name is, and why, where it has become that only now; nobody's where it was given up meanwhile."""
        seen, why = directory.holder(name), ""
        if seen is None or self._is_lost(seen):
            found = self._place(directory, name, where, own)
            seen = directory.claim(name, found.server.server, seen)
            # Who came first with another one had other reasons.
            why = found.why if seen and seen.server == found.server.server else ""
        if seen is None or (seen.server == own.server and not directory.take(name, own.server)):
            return None, ""
        return seen.server, why

    def _is_lost(self, holder: Holder) -> bool:
        """Has its server gone before it took the name?"""
        member = by_identity(self._link.believed()).get(holder.server)
        return not holder.taken and (member is None or not is_ready(member))

    def give_up(self, name: str) -> None:
        """Gives a name up again that settle has got, when nothing was made. What cannot be given up now is found out
        later (keeping.py)."""
        with suppress(DbHandlerError):
            self._link.ask(lambda directory: directory.release([name], self._standing().server))

    def _place(self, directory: Directory, name: str, where: Where, own: Standing) -> Place:
        if where.here:
            return Place(own, "it was asked for here")
        there = {known for known, member in by_identity(self._link.believed()).items() if is_ready(member)}
        told = {one.server: one for one in directory.standings() if one.server in there}
        # How many names are its the directory counts; the rest is known here at once.
        mine = replace(own, names=told[own.server].names) if own.server in told else own
        servers = list({**told, own.server: mine}.values())
        found = place(name, servers, where)
        if found is None:
            raise Denied(refusal(servers, where))
        return found

    def _name_of(self, server: str) -> str:
        if member := by_identity(self._link.believed()).get(server):
            return member.name
        known = self._link.ask(lambda directory: directory.standings())
        return next((one.node for one in known if one.server == server), server[:16])
