"""Looks at the cluster again and again, and tells whoever waits when what is shown has changed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import cast

from dbhandler.console import doors, judged, sight
from dbhandler.console.sight import Heard, Sight
from dbhandler.errors import DbHandlerError
from dbhandler.log import printable, told
from dbhandler.serf.kept import Complaint, KeptConnection
from dbhandler.serf.members import Member, named
from dbhandler.serf.proof import Believer
from dbhandler.serf.rpc import Serf
from dbhandler.settings.console import ConsoleSettings
from dbhandler.status.backups import backups
from dbhandler.status.servers import cluster_status

logger = logging.getLogger(__name__)

GOSSIP = 0.5
"""Seconds between two looks at the members: it costs their agent a millisecond."""
ANSWERS, IDLE_ANSWERS = 2.0, 15.0
"""Seconds between two questions to all servers: each is a process on each of them, so seldom while nobody looks."""
LOOKED = 30.0
"""Seconds after the last reader's sign of life for which somebody looks."""
SLOW = 10.0
"""Seconds between two questions to the backups, and between two looks at doors."""


class Watch:
    """What is seen now. connect opens a Serf RPC connection; pools are those whose members are believed.

    Its loops run in threads of their own from `start` on; `sight` and `wait` are for any thread.
    """

    def __init__(
        self,
        connect: Callable[[], Serf],
        pools: Sequence[str],
        settings: ConsoleSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect, self._pools, self._settings, self._clock = connect, tuple(pools), settings, clock
        self._believer, self._kept = Believer(pools), KeptConnection(connect)
        self._heard, self._encrypted = Heard(), cast("bool | None", None)
        self._changed = threading.Condition()
        self._sight, self._version = Sight(is_first=True), 0
        self._looked_at = -LOOKED
        self._woken = threading.Event()
        self._complaint = Complaint(partial(logger.warning, "%s"))

    def start(self) -> None:
        """Begins to look."""
        self._begin(self.look, lambda: GOSSIP)
        # The answers alone are asked for earlier when somebody comes.
        self._begin(self.ask, self._pause, self._woken)
        self._begin(self.ask_backups, lambda: SLOW)
        if self._settings.doors:
            self._begin(self.look_at_doors, lambda: SLOW)

    @property
    def sight(self) -> Sight:
        """What is seen now."""
        return self._sight

    @property
    def version(self) -> int:
        """It grows with each change."""
        return self._version

    def wait(self, version: int, timeout: float) -> int:
        """Waits until there is another version than this one, for at most so many seconds; returns the present one."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, timeout)
            return self._version

    def looked_at(self) -> None:
        """Somebody looks now: servers are asked more often for a while."""
        was_idle = self._pause() == IDLE_ANSWERS
        self._looked_at = self._clock()
        if was_idle:
            self._woken.set()

    def look(self) -> None:
        """Asks the Serf agent for the members."""
        try:
            with self._kept.use() as serf:
                members = serf.members()
                if self._encrypted is None:
                    self._encrypted = serf.is_encrypted()
            self._hear(members=members, trouble="")
        except (DbHandlerError, OSError) as error:
            self._encrypted = None
            self._hear(trouble=printable(told(error), 300))
        self._complaint.say(self._heard.trouble)

    def ask(self) -> None:
        """Asks all servers how they are."""
        with suppress(DbHandlerError, OSError), self._connect() as serf:
            found = cluster_status(serf, pools=self._pools)
            self._hear(statuses=sight.settled(self._heard.statuses, found))

    def ask_backups(self) -> None:
        """Asks the backups how far they go."""
        with suppress(DbHandlerError, OSError), self._connect() as serf:
            self._hear(backups=backups(serf, pools=self._pools))

    def look_at_doors(self) -> None:
        """Looks at each door, one after another."""
        self._hear(doors=tuple(map(doors.look, self._settings.doors)))

    def connect(self) -> Serf:
        """A connection of one's own. Raises Unavailable or Denied as the Serf agent does."""
        return self._connect()

    def member(self, node: str) -> Member | None:
        """The member of this name, if it is a server that is believed."""
        found = named(self._heard.members or (), node)
        return found if found and found.is_database and self._believer.believed([found]) else None

    def touch(self) -> None:
        """What is shown beside the sight has changed."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def _hear(self, **known: object) -> None:
        with self._changed:
            if all(getattr(self._heard, name) == value for name, value in known.items()):
                return
            self._heard = replace(self._heard, **known)  # type: ignore[arg-type]
            if (seen := self._seen()) != self._sight:
                self._sight, self._version = seen, self._version + 1
                self._changed.notify_all()

    def _seen(self) -> Sight:
        heard, believer = self._heard, self._believer
        servers, left_out = sight.servers(heard, believer)
        others, more = sight.others(heard)
        return Sight(
            servers=tuple(servers),
            left_out=left_out,
            backups=tuple(sight.backup_members(heard, believer)),
            recoverable=heard.backups,
            doors=heard.doors,
            others=tuple(others),
            more_others=more,
            waits=tuple(judged.waits(heard, believer, self._settings.cluster_size)),
            warnings=tuple(judged.warnings(heard, believer, self._encrypted)),
            trouble=heard.trouble,
            is_first=heard.members is None and not heard.trouble,
        )

    def _pause(self) -> float:
        return ANSWERS if self._clock() - self._looked_at < LOOKED else IDLE_ANSWERS

    def _begin(self, act: Callable[[], None], pause: Callable[[], float], woken: threading.Event | None = None) -> None:
        arguments = (act, pause, woken or threading.Event())
        threading.Thread(target=self._again, args=arguments, name=act.__name__, daemon=True).start()

    def _again(self, act: Callable[[], None], pause: Callable[[], float], woken: threading.Event) -> None:
        while True:
            woken.clear()
            act()
            woken.wait(pause())
