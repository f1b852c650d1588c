"""Keeps this node's place in the Serf cluster: its tags are true, and it finds its peers again."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from dbhandler import files
from dbhandler.address import GOSSIP_PORT, split_address
from dbhandler.errors import DbHandlerError
from dbhandler.serf import Member, Serf

logger = logging.getLogger(__name__)

INTERVAL, EAGER_INTERVAL = 1.0, 0.1
"""Seconds between two looks at the cluster: with a Serf agent, and while there is none. What is fired before a new one
has joined has to be in the peers' short memory still."""
JOIN_INTERVAL, JOIN_WAIT = 2.0, 1.5
"""Seconds between two attempts to join what is missing, and for which one attempt is waited for."""
REJOIN = 60.0
"""Seconds after which a target that is no member under its own address is joined again: it may be another by now."""


class Membership:
    """One look after another at the cluster through a Serf RPC connection.

    connect opens the connection; desired_tags says which tags should be set; join is what the owner wants joined
    (`host:port`); peers_file remembers addresses of members between runs.
    """

    def __init__(
        self,
        connect: Callable[[], Serf],
        desired_tags: Callable[[], Mapping[str, str]],
        join: Iterable[str],
        peers_file: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect, self._desired_tags, self._clock = connect, desired_tags, clock
        self._join, self._peers_file = tuple(join), peers_file
        self._serf: Serf | None = None
        self._peers = _load(peers_file)
        self._joined: dict[str, float] = {}
        self._next_join = 0.0
        self._untold = False
        self._told: Mapping[str, str] = {}
        self._join_complaint = self._complaint = ""
        self.own: Member | None = None
        self.members: list[Member] = []

    def run(self, stop: threading.Event) -> None:
        """Looks again and again until `stop` is set."""
        while not stop.is_set():
            self.look()
            self._rest(stop)
        self._disconnect()

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
        return INTERVAL if self._serf else EAGER_INTERVAL

    def look(self) -> None:
        """Corrects the tags, joins what is missing and notes the peers; logs a failure once, until it changes."""
        try:
            if self._serf is None:
                self._serf = self._connect()
            members = self._serf.members()
            self.own, self.members = _own(members, self._serf.self_name()), members
            self._correct_tags(self._serf)
            self._join_missing(members)
            # Asked again: whoever has just been joined has to be remembered before anything can be missed.
            self._note_peers(self._serf.members())
            complaint = self._join_complaint
        except (DbHandlerError, OSError) as error:
            self._disconnect()
            complaint = str(error)
        if complaint and complaint != self._complaint:
            logger.warning("serf: %s", complaint)
        self._complaint = complaint

    def _join_missing(self, members: list[Member]) -> None:
        missing = self._missing(members)
        if missing and self._clock() < self._next_join:
            return
        complaints = []
        for target in missing:
            complaints.append(self._join_one(target))
            # One that is away takes long to try, and others act on what our tags say.
            if self._serf:
                self._correct_tags(self._serf)
        self._join_complaint = "; ".join(filter(None, complaints))
        if missing:
            self._next_join = self._clock() + JOIN_INTERVAL

    def _missing(self, members: list[Member]) -> list[str]:
        alive = {(member.host, member.port) for member in members if member.alive}
        known = {(member.host, member.port) for member in members}
        alone = not self._others(members)
        if alone:
            self._joined.clear()
        wanted = [*self._join, *(self._peers if alone else ())]
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
        replay = bool(self._peers) and target not in self._joined
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
        desired = self._told = dict(self._desired_tags())
        actual = self.own.tags if self.own else {}
        if self._untold or any(actual.get(name) != value for name, value in desired.items()):
            # Serf may time out after it has changed the tags here, and has told nobody.
            self._untold = True
            serf.set_tags(desired)
            self._untold = False
            self.own = replace(self.own, tags={**actual, **desired}) if self.own else None

    def _note_peers(self, members: list[Member]) -> None:
        peers = sorted(member.address for member in self._others(members))
        if peers and peers != self._peers:
            files.write_private(self._peers_file, json.dumps(peers))
            self._peers = peers

    def _others(self, members: list[Member]) -> list[Member]:
        # By name: the tags of our own member may have changed since we last saw it.
        own = self.own.name if self.own else ""
        return [member for member in members if member.alive and member.name != own]

    def _disconnect(self) -> None:
        if self._serf is not None:
            self._serf.close()
            self._serf = None


def _own(members: list[Member], name: str) -> Member | None:
    return next((member for member in members if member.name == name), None)


def _resolve(target: str) -> set[tuple[str, int]]:
    host, port = split_address(target, GOSSIP_PORT)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {(str(address[0]), port) for *_, address in found}


def _load(path: Path) -> list[str]:
    try:
        return [str(peer) for peer in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []
