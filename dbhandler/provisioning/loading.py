"""Loads a dump as it is written: its rows by several connections at once, so that a server with more than one core is
done sooner than by the engine's own client."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack

from dbhandler.engine.server import Server
from dbhandler.provisioning.dump_statements import DumpStatement, Kind, statements
from dbhandler.provisioning.late_keys import with_late_keys

LOADERS = 2
"""Connections that load rows, beside the one for all else."""
AHEAD = 2
"""Statements that wait for each of them: one may have a megabyte."""
TOGETHER = 16
"""Statements in one transaction of theirs: each commit waits for the disk."""

_BEGIN = b"SET unique_checks = 1"
"""Without that check MariaDB takes the first rows of a table in bulk, and keeps the table from others until the
commit."""
_END = b""
PAUSE = 0.01
"""Seconds between two looks whether all is done."""


class Loading:
    """One load. connect opens a connection as the account that loads; beat is called now and then while it waits.
    Keys are added after the rows, but for those of the tables that are `referenced` by foreign keys; None: with the
    tables. Raises DbHandlerError."""

    def __init__(
        self,
        connect: Callable[[], Server],
        loaders: int = LOADERS,
        referenced: Collection[bytes] | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._connect, self._loaders, self._referenced, self._beat = connect, loaders, referenced, beat
        self._keys: list[bytes] = []
        self._rows: queue.Queue[bytes] = queue.Queue(AHEAD * loaders)
        self._error: Exception | None = None

    def load(self, lines: Iterable[bytes]) -> None:
        """Carries out the statements in the lines of a dump; the first that fails ends it."""
        with ExitStack() as stack:
            main = stack.enter_context(self._connect())
            loaders = [stack.enter_context(self._connect()) for _ in range(self._loaders)]
            threads = [threading.Thread(target=self._work, args=(loader,), daemon=True) for loader in loaders]
            for thread in threads:
                thread.start()
            try:
                self._carry_out(main, loaders, lines)
            finally:
                self._rows.join()
                for _ in threads:
                    self._rows.put(_END)
                for thread in threads:
                    thread.join()
        self._check()

    def _carry_out(self, main: Server, loaders: list[Server], lines: Iterable[bytes]) -> None:
        is_begin = True
        for statement in statements(lines):
            self._check()
            if statement.kind is Kind.ROWS:
                is_begin = False
                self._rows.put(statement.text)
            else:
                self._prepare(statement, loaders if is_begin else [])
                main.load(self._without_keys(statement))
        self._settle()

    def _prepare(self, statement: DumpStatement, loaders: list[Server]) -> None:
        if statement.kind is Kind.OTHER:
            self._settle()
        elif statement.kind is Kind.SESSION:
            for loader in loaders:
                loader.load(statement.text)

    def _without_keys(self, statement: DumpStatement) -> bytes:
        if statement.kind is not Kind.TABLE or self._referenced is None:
            return statement.text
        text, keys = with_late_keys(statement.text, self._referenced)
        self._keys += [keys] if keys else []
        return text

    def _settle(self) -> None:
        """Waits until all is there that was begun, and then for the keys of it."""
        self._wait()
        keys, self._keys = self._keys, []
        for statement in keys:
            self._rows.put(statement)
            self._check()
        self._wait()

    def _wait(self) -> None:
        while self._rows.unfinished_tasks:
            time.sleep(PAUSE)
            self._beat()
        self._check()

    def _work(self, loader: Server) -> None:
        self._try(loader, b"SET autocommit = 0")
        while rows := self._rows.get():
            taken = 0
            self._try(loader, _BEGIN)
            while rows:
                self._try(loader, rows)
                taken += 1
                rows = self._next() if taken < TOGETHER else _END
            # Before it waits: what follows in the dump may need the table for itself.
            self._try(loader, b"COMMIT")
            for _ in range(taken):
                self._rows.task_done()

    def _next(self) -> bytes:
        try:
            return self._rows.get_nowait()
        except queue.Empty:
            return _END

    def _try(self, loader: Server, statement: bytes) -> None:
        try:
            # After a failure the rest is taken, and not loaded: nobody is to wait for room.
            if self._error is None:
                loader.load(statement)
        except Exception as error:
            self._error = error

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
