"""In a pool with a directory a name is this server's before anything is made here, or nothing is made here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from dbhandler.errors import Denied, InvalidRequest, ServerError
from dbhandler.requests.where import Where


class Places(Protocol):
    """What is asked of a directory. settle raises Elsewhere, Denied or Unavailable; what it returns says why the name
    is this server's, and is empty where it was before."""

    def settle(self, name: str, where: Where, /) -> str: ...
    def give_up(self, name: str, /) -> None: ...
    def holder(self, name: str, /) -> str | None: ...


class Anywhere:
    """A pool without a directory: whoever is asked makes it."""

    def settle(self, _name: str, _where: Where) -> str:
        """Every name is this server's."""
        return ""

    def give_up(self, _name: str) -> None:
        """There is nothing to give up."""

    def holder(self, _name: str) -> str | None:
        """Nobody knows."""
        return None


@contextmanager
def settled(places: Places, name: str, where: Where, exists: bool) -> Iterator[str]:
    """Has a name settled while what a request asks for is made, and says why it is here; one that is refused then is
    nobody's again. Of a database that exists nobody is asked."""
    if exists:
        yield ""
        return
    why = places.settle(name, where)
    try:
        yield why
    except (Denied, InvalidRequest, ServerError):
        places.give_up(name)
        raise
