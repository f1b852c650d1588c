"""A connection to a Serf agent that is kept, and tags that are kept true: for whoever looks at the cluster again and
again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from dbhandler.errors import DbHandlerError
from dbhandler.serf.rpc import Serf


class KeptConnection:
    """Opened by `connect` when it is needed, closed when something has failed on it."""

    def __init__(self, connect: Callable[[], Serf]) -> None:
        self._connect = connect
        self._serf: Serf | None = None

    @property
    def is_open(self) -> bool:
        return self._serf is not None

    @contextmanager
    def use(self) -> Iterator[Serf]:
        """The connection. Raises what `connect` raises."""
        try:
            if self._serf is None:
                self._serf = self._connect()
            yield self._serf
        except (DbHandlerError, OSError):
            self.close()
            raise

    def close(self) -> None:
        """Closes it; the next use opens another one."""
        if self._serf is not None:
            self._serf.close()
            self._serf = None


class OwnTags:
    """What this node's member says: set only where it is not said yet, for each change costs all members a message."""

    def __init__(self) -> None:
        self._doubted = False

    def doubt(self) -> None:
        """Whatever Serf tells of this node's tags is not to be believed: they are set anew, once."""
        self._doubted = True

    def correct(
        self, serf: Serf, actual: Mapping[str, str], desired: Mapping[str, str], surplus: Sequence[str] = ()
    ) -> None:
        """Sets the desired tags unless they are the actual ones, removing those in surplus. Raises DbHandlerError."""
        stands = all(actual.get(name) == value for name, value in desired.items())
        if self._doubted or not stands or any(name in actual for name in surplus):
            # Serf may time out after it has changed the tags here, and has told nobody.
            self._doubted = True
            serf.set_tags(desired, surplus)
            self._doubted = False


class Complaint:
    """A failure that is told once, until it changes."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._last = tell, ""

    def say(self, text: str) -> None:
        """Tells it, unless it was the last one; an empty one says that all is well."""
        if text and text != self._last:
            self._tell(text)
        self._last = text
