"""Keeps this node's place in the Serf cluster: its tags are true, and it finds its peers again."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from dbhandler import files
from dbhandler.address import GOSSIP_PORT, host_and_port, split_address
from dbhandler.errors import DbHandlerError
from dbhandler.serf.kept import Complaint, KeptConnection, OwnTags
from dbhandler.serf.members import DATABASE_TAGS, Member, named
from dbhandler.serf.proof import outlived, unproved
from dbhandler.serf.rpc import Serf

logger = logging.getLogger(__name__)

INTERVAL, EAGER_INTERVAL = 1.0, 0.1
"""Seconds between two looks at the cluster: with a Serf agent, and while there is none. What is fired before a new one
has joined has to be in the peers' short memory still."""
JOIN_INTERVAL, JOIN_WAIT = 2.0, 1.5
"""Seconds between two attempts to join what is missing, and for which one attempt is waited for."""
MOST_PEERS = 10_000
"""Addresses that are remembered."""
REJOIN = 60.0
"""Seconds after which a target that is no member under its own address is joined again: it may be another by now."""


class Membership:
    """One look after another at the cluster through a Serf RPC connection.

    connect opens the connection; desired_tags says which tags should be set; join is what the owner wants joined
    (`host:port`); peers_file remembers addresses of members between runs; seen is told whenever Serf has answered;
    prove gives the tags that prove the others of a member.
    """

    def __init__(
        self,
        connect: Callable[[], Serf],
        desired_tags: Callable[[], Mapping[str, str]],
        join: Iterable[str],
        peers_file: Path,
        clock: Callable[[], float] = time.monotonic,
        seen: Callable[[], None] = lambda: None,
        prove: Callable[[Member], Mapping[str, str]] = unproved,
    ) -> None:
        self._seen, self._prove = seen, prove
        self._connect, self._desired_tags, self._clock = connect, desired_tags, clock
        self._kept, self._own_tags = KeptConnection(connect), OwnTags()
        self._join, self._peers_file = tuple(join), peers_file
        self._peers = _load(peers_file)
        # Whoever has had peers has been in a cluster, even where it is not known any more in which.
        self._been_in_one = self._peers is not None
        self._joined: dict[str, float] = {}
        self._next_join, self._fruitless = 0.0, 0
        self._told: Mapping[str, str] = {}
        self._join_complaint, self._complaint = "", Complaint(partial(logger.warning, "serf: %s"))
        self.own: Member | None = None
        self.members: list[Member] = []

    def run(self, stop: threading.Event) -> None:
        """Looks again and again until `stop` is set."""
        while not stop.is_set():
            self.look()
            self._rest(stop)
        self._kept.close()

    def _rest(self, stop: threading.Event) -> None:
        """Until the next look is due, or the tags are not true any more: others wait for what they say."""
        due = self._clock() + self.interval
        while not stop.wait(EAGER_INTERVAL) and self._clock() < due and self._tags_stand():
            pass

    def _tags_stand(self) -> bool:
        try:
            return dict(self._desired_tags()) == self._told
        except OSError:
            # The next look tells it.
            return True

    @property
    def interval(self) -> float:
        """Seconds until the next look is due after the last."""
        return INTERVAL if self._kept.is_open else EAGER_INTERVAL

    def look(self) -> None:
        """Corrects the tags, joins what is missing and notes the peers; logs a failure once, until it changes."""
        try:
            with self._kept.use() as serf:
                self._look(serf)
            complaint = self._join_complaint
        except (DbHandlerError, OSError) as error:
            complaint = str(error)
        self._complaint.say(complaint)

    def _look(self, serf: Serf) -> None:
        members = serf.members()
        self._note_own(named(members, serf.self_name()))
        self.members = members
        self._seen()
        self._correct_tags(serf)
        self._join_missing(serf, members)
        # Asked again: whoever has just been joined has to be remembered before anything can be missed.
        self._note_peers(serf.members())

    def _note_own(self, own: Member | None) -> None:
        # A record of our own that is wrong has tags that somebody else has set: they are set anew, once.
        if own is None and self.own is not None:
            self._own_tags.doubt()
        self.own = own

    def _join_missing(self, serf: Serf, members: list[Member]) -> None:
        missing = self._missing(members)
        if missing and self._clock() < self._next_join:
            return
        complaints = []
        for target in missing:
            complaints.append(self._join_one(target))
            # One that is away takes long to try, and others act on what our tags say.
            self._correct_tags(serf)
        self._join_complaint = "; ".join(filter(None, complaints))
        if missing:
            self._next_join = self._clock() + min(REJOIN, JOIN_INTERVAL * 2 ** max(0, self._fruitless - 1))

    def _missing(self, members: list[Member]) -> list[str]:
        alive = {(member.host, member.port) for member in members if member.alive}
        known = {(member.host, member.port) for member in members}
        alone = not self._others(members)
        if not alone:
            self._fruitless = 0
        elif self._joined:
            # They let us in and are not seen all the same, as after `serf force-leave -prune` of one that lives.
            self._fruitless += 1
            self._joined.clear()
        wanted = [*self._join, *((self._peers or ()) if alone else ())]
        return [target for target in dict.fromkeys(wanted) if not self._has(target, alive, known)]

    def _has(self, target: str, alive: set[tuple[str, int]], known: set[tuple[str, int]]) -> bool:
        addresses = _resolve(target)
        if addresses & known:
            # A member that is away was perhaps joined while it left: what replaces it may know nobody but us.
            self._joined.pop(target, None)
            return bool(addresses & alive)
        # A target may be reached under another address than the one it has as a member.
        return target in self._joined and self._clock() - self._joined[target] < REJOIN

    def _join_one(self, target: str) -> str:
        """Returns what to complain about, or nothing."""
        # A node that has been in a cluster wants what it missed; a new one must not act on old history.
        replay = self._been_in_one and target not in self._joined
        try:
            # On a connection of its own: the agent may try for longer than the tags can wait.
            with self._connect() as serf:
                serf.join([target], replay, JOIN_WAIT)
        except DbHandlerError as error:
            return f"cannot join {target}: {error}"
        self._joined[target] = self._clock()
        logger.info("joined the cluster at %s%s", target, ", asking for what was missed" if replay else "")
        return ""

    def _correct_tags(self, serf: Serf) -> None:
        desired, before = dict(self._desired_tags()), self._told
        self._told = desired
        if self.own is None:
            self._own_tags.correct(serf, before, desired, sorted(DATABASE_TAGS - desired.keys()))
            return
        said = {**self.own.tags, **desired}
        proofs = self._prove(replace(self.own, tags=said))
        surplus = outlived(said, proofs)
        self._own_tags.correct(serf, self.own.tags, {**desired, **proofs}, surplus)
        left = {name: text for name, text in said.items() if name not in surplus}
        self.own = replace(self.own, tags={**left, **proofs})

    def _note_peers(self, members: list[Member]) -> None:
        peers = sorted(member.address for member in self._others(members))
        if peers and peers != self._peers:
            files.write_private(self._peers_file, json.dumps(peers))
            self._peers, self._been_in_one = peers, True

    def _others(self, members: list[Member]) -> list[Member]:
        # By name: the tags of our own member may have changed since we last saw it.
        own = self.own.name if self.own else ""
        return [member for member in members if member.alive and member.name != own]


def _resolve(target: str) -> set[tuple[str, int]]:
    try:
        host, port = split_address(target, GOSSIP_PORT)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (DbHandlerError, OSError, UnicodeError):
        return set()
    return {(str(address[0]), port) for *_, address in found}


def _load(path: Path) -> list[str] | None:
    """The addresses of the peers, None where there have been none. A damaged file is set aside: there are peers to be
    found without it."""
    try:
        return _checked(files.read_json(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        logger.warning("%s is damaged, and set aside: %s", path, error)
        with suppress(OSError):
            files.set_aside(path)
        return []


def _checked(values: object) -> list[str]:
    if not isinstance(values, list) or len(values) > MOST_PEERS:
        raise ValueError("it is no list of peers")
    for value in values:
        if not isinstance(value, str) or host_and_port(value, GOSSIP_PORT) is None:
            raise ValueError("it holds what is no address")
    return values
