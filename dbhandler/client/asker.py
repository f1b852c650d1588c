"""Asks the one server that counts until it has answered for sure, or the time is up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from dbhandler.client.authority import AuthorityFile, ask_authority
from dbhandler.client.discovery import ANSWER_TIMEOUT, find_server, hosts_of
from dbhandler.client.one_server import MADE, Box, ask_server
from dbhandler.client.state import State
from dbhandler.errors import Denied, NoAnswer, Placed, TryLater, Unavailable
from dbhandler.log import shown
from dbhandler.requests.answer_record import Answer
from dbhandler.requests.vocabulary import Query
from dbhandler.requests.where import HERE
from dbhandler.serf.members import Member
from dbhandler.serf.rpc import Serf
from dbhandler.serf.tags import Tag

PAUSE = 0.5
"""Seconds between two tries."""
MOST_HOPS = 3
"""Servers that are asked one after another, without a pause, because the one before has named them."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Done:
    """A decisive answer with the server that gave it, the account by which it was asked, `host:port` of the other nodes
    where that is a cluster, and the certificate (PEM) of who signs the server's."""

    answer: Answer
    server: Member
    state: State
    others: tuple[str, ...]
    root: str | None


class Asker:
    """Asks, and asks again until `timeout` seconds have passed. connect opens a Serf RPC connection; pools are those
    whose servers are believed: without one the first that is met, from then on; authority keeps who signs the server's
    certificate."""

    def __init__(
        self,
        connect: Callable[[], Serf],
        timeout: float,
        progress: Progress,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        pools: Sequence[str],
        authority: AuthorityFile,
    ) -> None:
        self._connect, self._progress, self._pools, self._authority = connect, progress, tuple(pools), authority
        self._clock, self._sleep, self._deadline = clock, sleep, clock() + timeout

    def ask(
        self,
        query: Query,
        asking: Callable[[], State],
        box: Box | None = None,
        options: Mapping[str, str | None] | None = None,
        account: State | None = None,
        stays: bool = False,
    ) -> Done:
        """Tries until there is a decisive answer. asking says whose database it is, anew for each try; box and options
        as for ask_server; account is the one whose file the server's certificate is kept beside (default: who asks).
        stays: another server than the known one is of no use, because this has what a new database is made of.

        Raises as ask_server and find_server do, Denied where the database is another server's and it stays.
        """
        silent: set[str] = set()
        while True:
            try:
                return self._led(partial(self._try, query, asking, box, options or {}, account, stays, silent), stays)
            except Unavailable as error:
                if self._clock() + PAUSE >= self._deadline:
                    raise
                self._progress(str(error))
                # Another node is the next to be asked; who has been silent before may be back by now.
                silent = set(error.nodes) if isinstance(error, NoAnswer) else set()
            self._sleep(PAUSE)

    def _led(self, try_at: Callable[[Placed | None], Done], stays: bool) -> Done:
        """One try, at the server that the one before has named, if that is to be followed."""
        at = None
        for _ in range(MOST_HOPS):
            try:
                return try_at(at)
            except Placed as error:
                if stays:
                    raise Denied(f"the name is taken: {shown(error.server)} has it") from error
                self._progress(str(error))
                at = error
        return try_at(at)

    def _try(
        self,
        query: Query,
        asking: Callable[[], State],
        box: Box | None,
        options: Mapping[str, str | None],
        account: State | None,
        stays: bool,
        silent: set[str],
        at: Placed | None,
    ) -> Done:
        state = asking()
        pools = self._believed(state) or ([at.pool] if at and at.pool else [])
        if at and state.key and not pools:
            # What nobody has signed leads away from no server that is known.
            raise TryLater(str(at))
        with self._connect() as serf:
            server = find_server(
                serf, state.database, state.key, state.cluster, silent, pools, not self._pools,
                at=at.server if at else None, where=options.get("where"),
            )  # fmt: skip
            # Only who has a directory knows the word.
            here = {"where": HERE} if stays and Tag.DIRECTORY in server.tags else {}
            answer = ask_server(serf, server, query, state, {**options, **here}, pools, box)
            root = self._root(serf, server, answer, account or state, pools)
            # Whom it has just met counts for the nodes beside it, too.
            known = pools or ([answer.pool] if answer.pool else [])
            return Done(answer, server, state, hosts_of(serf, server, known), root)

    def _root(self, serf: Serf, server: Member, answer: Answer, account: State, pools: Sequence[str]) -> str | None:
        """Who signs the server's certificate; None for a server that does not say it."""
        if answer.authority is None or answer.status not in MADE:
            return None
        kept = self._authority.load() if answer.authority == account.authority else None
        return kept or ask_authority(serf, server, pools or [str(answer.pool)], ANSWER_TIMEOUT)

    def _believed(self, state: State) -> Sequence[str]:
        # What the owner says now counts more than what was met once.
        return self._pools or ([state.pool] if state.pool else [])
