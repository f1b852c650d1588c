"""The way of one thread of an agent to the directory: found by gossip, reached over TLS by the pool's secret."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from dbhandler.directory.directory import Directory
from dbhandler.engine.distant import DistantServer
from dbhandler.engine.server import Server
from dbhandler.errors import ServerError, Unavailable
from dbhandler.log import shown
from dbhandler.serf.members import MYSQL_PORT, Member
from dbhandler.serf.proof import Believer
from dbhandler.trust.authority import pool_roots
from dbhandler.trust.directory import USER, account_password
from dbhandler.trust.pool import Pool

REST, SHARE = 1.0, 4
"""Seconds, or so many times as long as it was waited for, for which a directory that did not answer is not asked again:
others wait for the agent, too."""
TIMEOUT = 3.0
"""Seconds for one answer."""
_NOT_MADE = frozenset({1044, 1049, 1142, 1146})
"""No such database or table, or no right on it, as the account has it first."""
_T = TypeVar("_T")


class DirectoryLink:
    """The way to the directory on the server or cluster `name`, of the pool with these secrets. members is what gossip
    tells now; own gives the server of this container where the directory is on it, else None."""

    def __init__(
        self,
        name: str,
        secrets: Sequence[bytes],
        members: Callable[[], Sequence[Member]],
        own: Callable[[], Server | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._members, self._own, self._clock = name, members, own, clock
        self._believer = Believer(Pool(secrets).ids)
        self._passwords = [account_password(secret) for secret in secrets]
        self._context = ssl.create_default_context(cadata=pool_roots(tuple(secrets)))
        self._looked_at: Sequence[Member] | None = None
        self._believed: list[Member] = []
        self._open: Server | None = None
        self._not_before, self._complaint = 0.0, ""

    def ask(self, question: Callable[[Directory], _T]) -> _T:
        """What the directory answers to a question, which may be put twice. Raises Unavailable, whose sentence says
        that the directory is away, or ServerError."""
        began = self._clock()
        if began < self._not_before:
            raise Unavailable(self._complaint)
        try:
            return self._answered(question)
        except Unavailable as error:
            self._complaint = f"the directory of the pool, on {shown(self.name)}, is away: {error}"
            now = self._clock()
            self._not_before = now + max(REST, SHARE * (now - began))
            raise Unavailable(self._complaint) from None

    def believed(self) -> list[Member]:
        """The members that prove to be of the pool; of a list that was looked at before nothing is verified again."""
        if (members := self._members()) is not self._looked_at:
            self._looked_at, self._believed = members, self._believer.believed(members)
        return self._believed

    def close(self) -> None:
        """Drops the connection; the next question opens another."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _answered(self, question: Callable[[Directory], _T]) -> _T:
        if (own := self._own()) is not None:
            return _asked(question, own)
        if self._open is not None:
            try:
                return _asked(question, self._open)
            except Unavailable:
                # The server has closed it, being idle, or is another one by now.
                self.close()
        return self._newly(question)

    def _newly(self, question: Callable[[Directory], _T]) -> _T:
        failure = Unavailable(f"no server of that name is ready and proves to be of the pool {self._believer.pools[0]}")
        for server in self._ways():
            self._open = server
            try:
                return _asked(question, server)
            except Unavailable as error:
                self.close()
                failure = error
        raise failure

    def _ways(self) -> Iterator[Server]:
        members = [member for member in self.believed() if member.is_database and member.is_ready]
        for node in sorted(members, key=lambda member: member.name):
            if self.name in (node.name, node.group):
                for password in self._passwords:
                    yield DistantServer(
                        node.host, node.server_port or MYSQL_PORT, USER, password, self._context, TIMEOUT
                    )  # fmt: skip


def _asked(question: Callable[[Directory], _T], server: Server) -> _T:
    try:
        return question(Directory(server))
    except ServerError as error:
        if error.errno in _NOT_MADE:
            raise Unavailable("it has not been made there yet") from error
        raise
