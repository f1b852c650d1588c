"""The durable queue of user events: one file per event, in order of arrival.

A file is named `ARRIVAL-PID-LTIME.EVENT` (nanoseconds since 1970, the writer's process, Serf's Lamport time, the
event's name) and holds the payload as it came. The writer's half is used once per event by a process that has to be
quick, so this module imports nothing that Python has not loaded already.
"""

import os
import time

MAX_PAYLOAD = 256 * 65
"""Bytes: as many names as one payload may hold, of 64 characters, each with its separator. Serf's own limit is 9,216;
a payload piped in by hand may be larger. A spool that is full of the longest takes 333 MB."""

DEFAULT_MAX = 20000
"""Events that may wait."""

MAX_LTIME = 2**63 - 1
"""Serf's Lamport times go further, where somebody has set them forward; what remembers them does not."""

FAILED = "failed"
_TEMPORARY = ".tmp-"
_COMPLAINED = ".full"


class Entry:
    """One event waiting in the spool; `name` is its file's, the rest is read from that name."""

    __slots__ = ("event", "ltime", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        stem, _, self.event = name.rpartition(".")
        self.ltime = min(int(stem.rpartition("-")[2]), MAX_LTIME)


class Spool:
    """The queue in `folder`. Several writers and several readers may use it at once: an event is then handled
    more than once at worst, which every operation allows."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def put(self, event: str, ltime: int, payload: bytes) -> str:
        """Stores one event durably: when this returns, neither a crash nor a power cut loses it.

        event is the Serf event's name, ltime its Lamport time. Returns the entry's name. Raises OSError when the
        event could not be stored; then nothing of it is left.
        """
        name = f"{time.time_ns():020d}-{os.getpid()}-{ltime}.{event}"
        temporary = f"{self.folder}/{_TEMPORARY}{name}"
        try:
            _write_synced(temporary, payload, os.stat(self.folder))
            os.rename(temporary, f"{self.folder}/{name}")
            sync_folder(self.folder)
        except OSError:
            _unlink(temporary)
            _unlink(f"{self.folder}/{name}")
            raise
        return name

    def is_full(self, limit: int) -> bool:
        """Do `limit` events wait already?"""
        return len(os.listdir(self.folder)) >= limit

    def complain_now(self, interval: float = 10.0) -> bool:
        """True when nobody has complained of a full spool within so many seconds; then the caller should."""
        mark = f"{self.folder}/{_COMPLAINED}"
        try:
            if time.time() - os.stat(mark).st_mtime < interval:
                return False
        except FileNotFoundError:
            pass
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT, 0o600))
        os.utime(mark)
        return True

    def entries(self) -> list[Entry]:
        """The waiting events, the oldest first."""
        return [Entry(name) for name in sorted(os.listdir(self.folder)) if _is_entry(name)]

    def read(self, entry: Entry) -> bytes:
        """The payload of an entry. Raises FileNotFoundError when another reader has finished it."""
        with open(f"{self.folder}/{entry.name}", "rb") as file:
            return file.read(MAX_PAYLOAD + 1)

    def remove(self, entry: Entry) -> None:
        """Forgets a handled entry. Not synced: after a power cut it may be handled again, never lost."""
        _unlink(f"{self.folder}/{entry.name}")

    def set_aside(self, entry: Entry) -> str:
        """Moves an entry that cannot be handled out of the way of the others; returns where it lies now."""
        return self._set_aside(entry.name)

    def _set_aside(self, name: str) -> str:
        target = f"{self.folder}/{FAILED}/{name}"
        os.makedirs(f"{self.folder}/{FAILED}", mode=0o700, exist_ok=True)
        os.rename(f"{self.folder}/{name}", target)
        return target

    def sweep(self, older_than: float = 60.0) -> list[str]:
        """Removes what writers killed half-way have left, once it is older than so many seconds, and sets aside what is
        no event; returns the names of that."""
        strange = []
        for name in os.listdir(self.folder):
            path = f"{self.folder}/{name}"
            if name in (FAILED, _COMPLAINED):
                continue
            if name.startswith(_TEMPORARY) and not os.path.isdir(path):
                if _age(path) > older_than:
                    _unlink(path)
            elif not _is_entry(name) or os.path.isdir(path):
                try:
                    self._set_aside(name)
                    strange.append(name)
                except OSError:
                    # It stays, then: nothing takes it for an event.
                    pass
        return strange


def sync_folder(folder: str) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_entry(name: str) -> bool:
    stem, dot, event = name.rpartition(".")
    parts = stem.split("-")
    return bool(dot and event) and len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts)


def _write_synced(path: str, data: bytes, folder: os.stat_result) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if folder.st_uid != os.geteuid():
            # root, by hand (`docker exec`): the agent has to be able to read it.
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _age(path: str) -> float:
    try:
        return time.time() - os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
