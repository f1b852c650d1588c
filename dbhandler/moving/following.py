"""Makes the changes that come to a database on one server on another one, in their order, as they come."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from dbhandler.distant.access import Connection
from dbhandler.distant.changes import Changes, Transaction
from dbhandler.distant.position import Position
from dbhandler.distant.replication import events
from dbhandler.engine.server import Server
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.log import told

AHEAD = 5000
"""Transactions that are read before those of before are made."""
TOGETHER, TOGETHER_BYTES = 200, 4 << 20
"""Transactions of the source that are one here, and their bytes: each commit waits for the disk."""
WAIT = 0.02
"""Seconds for which a change is waited for at a time."""
AUTOMATIC = b"SET gtid_next = 'AUTOMATIC'"
"""What was told of the log's format leaves MySQL in doubt which number comes next."""


class Following:
    """The changes after `start` that `connection` tells of. server is a connection of this server's that nobody else
    uses, before or afterwards: rows leave their own settings in it, and an error a transaction. To be closed: a thread
    reads."""

    def __init__(self, connection: Connection, changes: Changes, start: Position, server: Server) -> None:
        self._connection, self._changes, self._server = connection, changes, server
        self.position = start
        """Everything up to there is made."""
        self._queue: queue.Queue[Transaction] = queue.Queue(AHEAD)
        self._error: Exception | None = None
        self._ended, self._format = False, b""
        self._thread = threading.Thread(target=self._read, args=(start,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Reads no more."""
        self._ended = True
        with suppress(Exception):
            self._connection.close()
        self._server.close()
        self._thread.join(5.0)

    def catch_up(self) -> bool:
        """Makes what has come; True where nothing is left that has been read. Raises DbHandlerError."""
        taken = list(self._next(None))
        if taken:
            self._make(taken)
        return self._queue.empty()

    def reach(self, until: Position, patience: float) -> None:
        """Makes everything up to a position that the source has reached, and nothing after it. Raises DbHandlerError,
        Unavailable where that takes longer than `patience` seconds."""
        deadline = time.monotonic() + patience
        while not self.position.covers(until):
            if time.monotonic() > deadline:
                raise Unavailable("the changes come too slowly")
            if taken := list(self._next(until)):
                self._make(taken)

    def _next(self, until: Position | None) -> Iterator[Transaction]:
        """The transactions that are made together: what is there, after a short wait for the first."""
        position, size = self.position, 0
        for number in range(TOGETHER):
            if size > TOGETHER_BYTES or (until is not None and position.covers(until)):
                return
            try:
                transaction = self._queue.get_nowait() if number else self._queue.get(timeout=WAIT)
            except queue.Empty:
                # What was taken before is made first.
                if not number:
                    self._check()
                return
            position, size = position.after(transaction.gtid), size + transaction.size
            yield transaction

    def _make(self, transactions: list[Transaction]) -> None:
        statements = [statement for one in transactions for statement in one.statements]
        if statements:
            self._tell_format()
            for statement in (b"BEGIN", *statements, b"COMMIT"):
                self._server.load(statement)
        for one in transactions:
            self.position = self.position.after(one.gtid)

    def _tell_format(self) -> None:
        if self._format == self._changes.format:
            return
        self._format = self._changes.format
        self._server.load(self._format)
        if self._server.engine == "mysql":
            self._server.load(AUTOMATIC)

    def _read(self, start: Position) -> None:
        try:
            for raw in events(self._connection, self._server.engine, start):
                if self._ended:
                    return
                if transaction := self._changes.transaction(raw):
                    self._put(transaction)
        except Exception as error:
            self._error = error

    def _put(self, transaction: Transaction) -> None:
        while not self._ended:
            with suppress(queue.Full):
                self._queue.put(transaction, timeout=0.5)
                break

    def _check(self) -> None:
        if self._error is None:
            return
        if isinstance(self._error, DbHandlerError):
            raise self._error
        raise Unavailable(f"the source's log cannot be read: {told(self._error)}")
