"""Asking the pool's backup for one's own database as it was once: sealed, the answer proved, until it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from dbhandler.client.discovery import ANSWER_TIMEOUT
from dbhandler.client.one_server import MOST_BYTES
from dbhandler.client.verified import hints, payload_of, verified
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, TryLater, Unavailable
from dbhandler.log import shown
from dbhandler.requests.answer_record import Answer
from dbhandler.requests.question import new_nonce, question_of
from dbhandler.requests.restore_box import Wanted, seal_wanted
from dbhandler.requests.vocabulary import BackupQuery, Status
from dbhandler.serf.members import Member
from dbhandler.serf.proof import Believer, names_of
from dbhandler.serf.rpc import Serf

PAUSE = 1.0
"""Seconds between two questions."""


class Backups:
    """The backups of these pools. connect opens a Serf RPC connection; nobody answers for `timeout` seconds before
    `restore` gives up; what it waits for is told to `progress`."""

    def __init__(
        self,
        connect: Callable[[], Serf],
        pools: Sequence[str],
        timeout: float,
        progress: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect, self._pools, self._timeout, self._progress = connect, tuple(pools), timeout, progress
        self._clock, self._sleep = clock, sleep
        self._at_work: str | None = None

    def restore(self, wanted: Wanted) -> str | None:
        """Has it restored, however long that takes; returns what was left out, in a sentence, or None. Raises Denied or
        InvalidRequest as the backup says, Unavailable where none answers, DbHandlerError where it has failed."""
        deadline = self._clock() + self._timeout
        while True:
            try:
                with self._connect() as serf:
                    backup, answer = self._asked(serf, wanted)
                if answer.status == Status.RESTORED:
                    return answer.reason
                # Whoever is at it is the one to ask: another one would begin it anew.
                self._at_work, deadline = backup.name, self._clock() + self._timeout
                self._progress(f"the backup {shown(backup.name)} restores {shown(wanted.database)}: {answer.reason}")
            except Unavailable as error:
                if self._clock() + PAUSE >= deadline:
                    raise
                self._progress(str(error))
            self._sleep(PAUSE)

    def _asked(self, serf: Serf, wanted: Wanted) -> tuple[Member, Answer]:
        """The first answer that is a yes, and whose. Raises as `restore` does."""
        refused: Unavailable | None = None
        for backup in self._there(serf):
            try:
                return backup, self._ask(serf, backup, wanted)
            except Unavailable as error:
                refused = refused or error
        raise refused or Unavailable("there is no backup in the Serf cluster")

    def _there(self, serf: Serf) -> list[Member]:
        """The backups that can be asked, or the one that is at it. Raises TryLater."""
        members = [member for member in serf.members() if member.backup_key and member.alive]
        found = [member for member in members if Believer(self._pools).is_proven(member)]
        if members and not found:
            pools = ", ".join(self._pools)
            raise TryLater(f"waiting for a backup of the pool {pools}: {names_of(members)} cannot prove to be of it")
        at_work = [member for member in found if member.name == self._at_work]
        return at_work or sorted(found, key=lambda member: member.name)

    def _ask(self, serf: Serf, backup: Member, wanted: Wanted) -> Answer:
        """One question to one backup. Raises as `restore` does."""
        reply = new_nonce()
        sealed = seal_wanted(str(backup.backup_key), wanted, reply, time.time())
        payload = payload_of({"sealed": sealed, **hints(self._pools)})
        if len(payload) + len(backup.name.encode()) > MOST_BYTES:
            raise InvalidRequest("names, passwords and moment are too long together: Serf carries no such query")
        question, complaint = question_of(BackupQuery.RESTORE, payload), "has not answered"
        for node, line in serf.query(BackupQuery.RESTORE, payload, ANSWER_TIMEOUT, nodes=[backup.name]):
            if node != backup.name:
                continue
            try:
                return _judged(backup, verified(line, question, reply, self._pools))
            except ValueError as error:
                complaint = f"has given a wrong answer: {error}"
        raise TryLater(f"the backup {shown(backup.name)} {complaint}")


def _judged(backup: Member, answer: Answer) -> Answer:
    if answer.status in (Status.WORKING, Status.RESTORED):
        return answer
    kinds: dict[Status, type[DbHandlerError]] = {
        Status.DENIED: Denied, Status.INVALID: InvalidRequest, Status.UNAVAILABLE: TryLater,
    }  # fmt: skip
    said = answer.reason or "it gave no reason"
    raise kinds.get(answer.status, DbHandlerError)(f"the backup {shown(backup.name)} says {answer.status}: {said}")
