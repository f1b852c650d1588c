"""Where the trail's lines go: a file, or the container's log."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from dbhandler.audit.record import LONGEST
from dbhandler.spool import sync_folder

PATIENCE = 1.0
"""Seconds for which a log that nobody reads is waited for."""


class Output(Protocol):
    """Takes lines."""

    def complete(self, line: str) -> None:
        """Writes what is missing of the line, which may have been written already, or half of it. Raises OSError; then
        it can be tried again."""

    def last(self) -> str | None:
        """The newest line that is there, if there is one and it can be read."""


class File:
    """A file of lines, opened anew for each: it may be renamed at any time, and the next line makes a new one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def complete(self, line: str) -> None:
        """Writes what is missing of the line at the end of the file, durably. Raises OSError."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _opened(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as descriptor:
            is_new = os.fstat(descriptor).st_size == 0
            _write_all(descriptor, _missing(f"{line}\n".encode(), _end(descriptor)))
            os.fsync(descriptor)
        if is_new:
            sync_folder(str(self._path.parent))

    def last(self) -> str | None:
        """The newest whole line of the file."""
        try:
            with _opened(self._path, os.O_RDONLY) as descriptor:
                lines = _end(descriptor, 2 * LONGEST).rpartition(b"\n")[0].split(b"\n")
        except OSError:
            return None
        return lines[-1].decode(errors="replace") or None


class ContainerLog:
    """The standard output of supervisord, whose number stands in `pid_file`: what `docker logs` shows. Where there is
    no such file it is the container's first process.

    Through supervisord's own pipes a line could be torn, by itself and by others.
    """

    def __init__(self, pid_file: Path) -> None:
        self._pid_file = pid_file

    def complete(self, line: str) -> None:
        """Writes the line at once, so that nobody's output comes into it. Raises OSError."""
        data = f"{line}\n".encode()
        path = Path(f"/proc/{self._supervisor()}/fd/1")
        with _opened(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY) as descriptor:
            _wait_for_room(descriptor)
            if os.write(descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def last(self) -> str | None:
        """Nothing: who writes into a pipe cannot read what was written."""
        return None

    def _supervisor(self) -> int:
        try:
            return int(self._pid_file.read_text())
        except (OSError, ValueError):
            return 1


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    except OSError as error:
        # Of a descriptor the system knows no name.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def _end(descriptor: int, size: int = LONGEST) -> bytes:
    whole = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, max(0, whole - size))


def _missing(line: bytes, end: bytes) -> bytes:
    """What is to be written, where a file ends like that, for `line` to be its last one."""
    if end.endswith(line) and end[: -len(line)][-1:] in (b"", b"\n"):
        return b""
    torn = end.rpartition(b"\n")[2]
    if torn and line.startswith(torn):
        return line[len(torn) :]
    # What somebody else has left there begins no line of ours.
    return (b"\n" if torn else b"") + line


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _wait_for_room(descriptor: int) -> None:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLOUT)
    if not waiting.poll(PATIENCE * 1000):
        raise OSError(errno.EAGAIN, "nobody reads it")
