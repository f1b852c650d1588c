"""A repository of backups that is played, in memory."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from dbhandler.backup.snapshot import Snapshot
from dbhandler.distant.dump_note import DumpNote, position_in


class PlayedRepository:
    """Keeps snapshots as Repository does; `dumps` is what the next commands print, `fails` what the next call of this
    name raises, `done` what was called."""

    place = "/backups/repository"

    def __init__(self, *dumps: bytes) -> None:
        self.dumps, self.fails = list(dumps), dict[str, Exception]()
        self.left_out: Sequence[str] = ()
        self.former: Collection[str] = ()
        self.done: list[str] = []
        self.commands: list[Sequence[str]] = []
        self.kept: dict[Snapshot, bytes] = {}
        self.too_old: list[Snapshot] = []
        self._number = 0

    def add(self, content: bytes, **tags: str) -> Snapshot:
        """One more snapshot."""
        self._number += 1
        snapshot = Snapshot(f"{self._number:064x}", datetime.fromtimestamp(self._number, UTC), tags)
        self.kept[snapshot] = content
        return snapshot

    def open(self, patience: float = 0.0, make: bool = True) -> None:
        self._called("open")

    def save_output(self, command: Sequence[str], name: str, tags: Mapping[str, str]) -> Snapshot:
        self.commands.append(command)
        self._called("save_output")
        note, engine, dump = Path(command[1]), command[2], self.dumps.pop(0)
        DumpNote(position_in(io.BytesIO(dump).read, engine), self.left_out).write(note)
        return self.add(dump, **tags)

    def save_folder(self, folder: Path, tags: Mapping[str, str]) -> Snapshot:
        self._called("save_folder")
        return self.add(b"", **tags)

    def snapshots(self, **tags: str) -> list[Snapshot]:
        return [snapshot for snapshot in self.kept if tags.items() <= snapshot.tags.items()]

    @contextmanager
    def dump(self, snapshot: Snapshot, name: str) -> Iterator[IO[bytes]]:
        self._called("dump")
        yield io.BytesIO(self.kept[snapshot])

    def forget(self, snapshots: Iterable[Snapshot]) -> None:
        self._called("forget")
        for snapshot in list(snapshots):
            self.kept.pop(snapshot, None)

    def keep(self, options: Sequence[str], **tags: str) -> list[Snapshot]:
        self._called("keep")
        removed = [snapshot for snapshot in self.snapshots(**tags) if snapshot in self.too_old]
        self.kept = {snapshot: dump for snapshot, dump in self.kept.items() if snapshot not in removed}
        return removed

    def fetch(self, snapshot: Snapshot, target: Path) -> None:
        self._called("fetch")
        target.mkdir(parents=True)
        (target / "shipped").write_text(snapshot.id)

    def prune(self) -> None:
        self._called("prune")

    def check(self) -> None:
        self._called("check")

    def unlock(self, former: Collection[str] = ()) -> None:
        self.former = former
        self._called("unlock")

    def end(self) -> None:
        self._called("end")

    def count(self, name: str) -> int:
        return self.done.count(name)

    def _called(self, name: str) -> None:
        self.done.append(name)
        if failure := self.fails.pop(name, None):
            raise failure


def dump_at(position: str) -> bytes:
    """What MariaDB's tool prints of a server that is there."""
    return f"-- MariaDB dump\nCREATE TABLE x;\n-- SET GLOBAL gtid_slave_pos='{position}';\n-- Dump completed\n".encode()
