"""What the operator asks of the directory, and tells it: which servers there are, what differs, whom to forget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dbhandler.errors import ConfigError, InvalidRequest
from dbhandler.log import shown
from dbhandler.pool.overview import Row, differences, given_up, rows
from dbhandler.serf.members import named
from dbhandler.serf.rpc import Serf
from dbhandler.settings.pool import NAME, directory_settings, pool_secrets
from dbhandler.settings.setting import Reader

if TYPE_CHECKING:
    from dbhandler.directory.link import DirectoryLink
    from dbhandler.pool.moving import PoolMoves


class PoolServers:
    """The pool of this container's settings, as one Serf agent sees it. Its methods raise DbHandlerError."""

    def __init__(self, serf: Serf, environ: Mapping[str, str]) -> None:
        self._serf, self._members = serf, serf.members()
        settings = directory_settings(Reader(environ))
        secrets = pool_secrets(environ)
        self._link: DirectoryLink | None = None
        if settings:
            # Only here: whoever has no directory has no driver of a database's, either.
            from dbhandler.directory.link import DirectoryLink

            self._link = DirectoryLink(settings.name, secrets, lambda: self._members)

    def rows(self) -> list[Row]:
        """All servers that the directory knows."""
        link = self._directory()
        standings, counts = link.ask(lambda directory: (directory.standings(), directory.counts()))
        return rows(standings, link.believed(), counts)

    def differences(self) -> list[str]:
        """A sentence for everything in which directory and servers are not one."""
        link = self._directory()
        return differences(self.rows(), link.believed(), link.ask(lambda directory: directory.doubles()))

    def forget(self, node: str) -> str:
        """Gives up what a server that is away may hold; returns what that is. Raises InvalidRequest for one that lives,
        or that nobody knows."""
        member = named(self._members, node)
        if member is not None and member.alive:
            raise InvalidRequest(f"{shown(node)} lives: only what is lost for good is forgotten")
        names = self._forgotten(node) if self._link else None
        if member is None and names is None:
            raise InvalidRequest(f"nobody knows a server {shown(node)}")
        if member is not None:
            self._serf.force_leave(node)
        return given_up(node, names) if names is not None else (
            f"{shown(node)} is forgotten: nobody waits for it, and what it holds comes back with it"
        )  # fmt: skip

    def _forgotten(self, node: str) -> list[str] | None:
        """The names that the directory gives up with a server; None where it does not know it."""
        link = self._directory()
        known = {one.node: one.server for one in link.ask(lambda directory: directory.standings())}
        # What a member says that proves nothing gives up nobody's names.
        proven = named(link.believed(), node)
        server = (proven.identity if proven and proven.is_database else None) or known.get(node)
        if server is None:
            return None
        if any(other.alive and other.identity == server for other in link.believed() if other.is_database):
            # Another node of its cluster has the same.
            return []
        names = link.ask(lambda directory: directory.names_of(server))
        link.ask(lambda directory: directory.forget(server))
        return names

    def moves(self) -> PoolMoves:
        """The moves of the pool."""
        from dbhandler.pool.moving import PoolMoves

        return PoolMoves(self._directory())

    def _directory(self) -> DirectoryLink:
        if self._link is None:
            raise ConfigError(f"{NAME} is not set: this pool has no directory")
        return self._link
