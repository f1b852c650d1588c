"""Filling an empty volume from the template in the image (bake.py), crash-safe."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from dbhandler.errors import DbHandlerError
from dbhandler.spool import sync_folder
from dbhandler.volume.data_dir import MARKER, NOT_OURS_TO_MIND, STAMP, UNKEYED
from dbhandler.volume.tools import run


def fill(data_dir: Path, archive: Path, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Fills a data directory from the template `archive`, in place of what an unfinished first start has left, and does
    `meanwhile` beside it, which may make files of other names there.

    Until `finish` a kill at any moment leaves a directory that is filled anew from the start. Raises DbHandlerError
    when the template cannot be unpacked.
    """
    try:
        _empty(data_dir)
        _unpack(data_dir, archive, meanwhile)
    except OSError as error:
        raise DbHandlerError(f"{data_dir} cannot be filled: {error}") from error


def finish(data_dir: Path) -> None:
    """Makes a directory that was filled durable, whether a server runs on it by now or not, and says so: from then on
    no start fills it anew. Before that nobody may be served. Raises DbHandlerError."""
    if not (data_dir / MARKER).exists():
        return
    try:
        (data_dir / MARKER).write_text(UNKEYED)
        _sync_all(data_dir)
        (data_dir / MARKER).rename(data_dir / STAMP)
        sync_folder(str(data_dir))
    except OSError as error:
        raise DbHandlerError(f"{data_dir} cannot be filled: {error}") from error


def _unpack(data_dir: Path, archive: Path, meanwhile: Callable[[], None]) -> None:
    marker = data_dir / MARKER
    marker.touch()
    sync_folder(str(data_dir))
    if data_dir.stat().st_uid == os.geteuid():
        data_dir.chmod(0o700)
    run(["tar", "-C", str(data_dir), "--no-same-owner", "-xf", str(archive)], meanwhile)


def _sync_all(data_dir: Path) -> None:
    # Not sync(1) on the file system: that waits for all that the whole host has not written yet, such as an image
    # just pulled, and before Linux 5.8 it did not report write errors.
    for act in (_begin_to_write, os.fsync):
        for path in _files(data_dir):
            # A server that runs has temporary files, which may be gone by now; in whole folders it removes nothing.
            with suppress(FileNotFoundError), path.open("rb") as file:
                act(file.fileno())
    for folder, _, _ in _walk(data_dir):
        sync_folder(folder)


def _begin_to_write(descriptor: int) -> None:
    # Without waiting, so that the fsyncs that follow wait once and not once per file.
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _files(data_dir: Path) -> Iterator[Path]:
    return (Path(folder, name) for folder, _, names in _walk(data_dir) for name in names)


def _walk(data_dir: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    for folder, folders, names in os.walk(data_dir):
        if "lost+found" in folders:
            folders.remove("lost+found")
        yield folder, folders, names


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name in NOT_OURS_TO_MIND:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
