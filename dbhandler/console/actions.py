"""What an operator has done by the page: each is what a command does, by the same code. Nothing of it is stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbhandler.client.asking import Client
from dbhandler.client.connection import Connection
from dbhandler.client.restoring import restored
from dbhandler.client.state import State, StateFile
from dbhandler.errors import ConfigError, InvalidRequest
from dbhandler.log import shown
from dbhandler.requests.payload import check_name
from dbhandler.serf.rpc import Serf

if TYPE_CHECKING:
    from dbhandler.pool.moving import PoolMoves

TIMEOUT = 60.0
"""Seconds for which a server or backup that does not answer is waited for."""
KEEP_OLD, KEEP_MOVED = 600, 3600
"""Seconds for which a former password is valid, and what has moved stays where it was."""
MOST_PASSWORD = 256
"""Characters of a password that somebody types."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Done:
    """What has come of it: a sentence, and how to connect where there is something to connect to."""

    said: str
    connection: Connection | None = field(default=None, repr=False)


class InMemory(StateFile):
    """An account that no file keeps."""

    def __init__(self, state: State | None = None) -> None:
        super().__init__(None)
        self._state = state

    def load(self) -> State | None:
        return self._state

    def save(self, state: State) -> None:
        self._state = state

    def save_first(self, state: State) -> State:
        self._state = self._state or state
        return self._state

    def remove(self) -> None:
        self._state = None


class Actions:
    """Of one pool. connect opens a Serf RPC connection, pools are those that are believed; moves gives those of the
    pool's directory, None where it has none, or this console has not the pool's secret.

    Each tells `progress` what is waited for, and raises DbHandlerError.
    """

    def __init__(
        self,
        connect: Callable[[], Serf],
        pools: Sequence[str],
        moves: Callable[[Serf], PoolMoves] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._connect, self._pools, self._moves, self._timeout = connect, tuple(pools), moves, timeout

    @property
    def can_drain(self) -> bool:
        """Is there a directory by which databases move?"""
        return self._moves is not None

    def request(self, progress: Progress, name: str, user: str = "", where: str = "") -> Done:
        """A new database, with an account whose password is made here. One that is there is denied."""
        client = self._client(InMemory(), progress)
        made = client.create(check_name(name), user or None, {"where": where or None})
        return Done(f"The database {shown(name)} is made.", made)

    def rotate(self, progress: Progress, name: str, user: str, password: str) -> Done:
        """A new password for an account whose password is known."""
        client = self._client(InMemory(_account(name, user, password)), progress)
        client.create(name, user or None, {}, stays=True)
        return Done(f"The password of {shown(user or name)} is another one; that of before is valid for "
                    f"{KEEP_OLD // 60} minutes more.", client.rotate(KEEP_OLD))  # fmt: skip

    def restore(self, progress: Progress, name: str, user: str, password: str, at: str, target: str) -> Done:
        """A database as it was at a moment, beside the present one, for who knows its password."""
        own = InMemory(_account(name, user, password))
        self._client(own, progress).create(name, user or None, {}, stays=True)
        made = restored(own.known(), target, None, at, InMemory(), self._connect, self._pools, self._timeout, progress)
        return Done(f"{shown(name)} as it was at {shown(at)} is in the database {shown(target)}.", made)

    def drain(self, _progress: Progress, node: str) -> Done:
        """All databases of a server go to others; it gets no new ones."""
        with self._connect() as serf:
            names = self._directory()(serf).drain(node, None, KEEP_MOVED)
        return Done(f"{len(names)} databases of {shown(node)} move, and it gets no new ones: its page shows how far.")

    def end_drain(self, _progress: Progress, node: str) -> Done:
        """A server gets new databases again."""
        with self._connect() as serf:
            self._directory()(serf).end_drain(node)
        return Done(f"{shown(node)} gets new databases again.")

    def _directory(self) -> Callable[[Serf], PoolMoves]:
        if self._moves is None:
            raise ConfigError("draining needs DBHANDLER_DIRECTORY and DBHANDLER_POOL_SECRET: nobody knows what moves")
        return self._moves

    def _client(self, file: StateFile, progress: Progress) -> Client:
        return Client(self._connect, file, self._timeout, progress, pools=self._pools)


def _account(name: str, user: str, password: str) -> State:
    if not 1 <= len(password) <= MOST_PASSWORD or not password.isprintable():
        raise InvalidRequest(f"a password has 1 to {MOST_PASSWORD} printable characters")
    return State(check_name(name), user or name, password)
