"""/docker-entrypoint-initdb.d: the owner's own first steps, as the official images run them."""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from dbhandler.errors import DbHandlerError
from dbhandler.log import shown

logger = logging.getLogger(__name__)

FOLDER = Path("/docker-entrypoint-initdb.d")
FUNCTIONS = Path(__file__).with_name("initdb.bash")

Opener = Callable[[Path], AbstractContextManager[Any]]
"""Opens a file for reading what is packed in it."""


def found(folder: Path = FOLDER) -> list[Path]:
    """The files to run, in order. Raises DbHandlerError when the folder cannot be read."""
    try:
        return sorted(path for path in folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise DbHandlerError(f"{folder} cannot be read: {error.strerror}") from error


def check_no_copy(paths: Sequence[Path]) -> None:
    """Raises DbHandlerError where a packed data directory lies among the scripts: the official image of MariaDB begins
    with it, and whoever put it there would wonder about an empty server."""
    if copy := next((path for path in paths if path.name.endswith(_COPIES)), None):
        raise DbHandlerError(
            f"{shown(str(copy), 200)} is a copy of a data directory, which is not unpacked here: mount a volume with "
            "what it holds at /var/lib/mysql"
        )


_COPIES = (".tar.gz", ".tar.xz", ".tar.zst")


class InitScripts:
    """Runs scripts and SQL. client is the command line of the engine's client with its log-in, environ the scripts',
    tether stands before the command line of each script.

    The first failure raises DbHandlerError with the file's name.
    """

    def __init__(self, client: Sequence[str], environ: Mapping[str, str], tether: Sequence[str] = ()) -> None:
        self._client, self._environ, self._tether = list(client), dict(environ), list(tether)

    def run(self, paths: Sequence[Path]) -> None:
        """Runs the files one after another."""
        for path in paths:
            try:
                self._run(path)
            except (OSError, EOFError, lzma.LZMAError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise DbHandlerError(f"init script {shown(str(path), 200)} cannot be run: {reason}") from error

    def _run(self, path: Path) -> None:
        if path.suffix == ".sh":
            self._shell(path)
        elif opener := _opener(path):
            logger.info("running %s", path)
            self._sql(path, opener)
        else:
            logger.warning("ignoring %s", path)

    def _shell(self, path: Path) -> None:
        if os.access(path, os.X_OK):
            logger.info("running %s", path)
            # bash also takes a script without a first line that names its interpreter.
            command = ["bash", "-c", '"$0"', str(path)]
        else:
            logger.info("sourcing %s", path)
            command = ["bash", "-c", '. "$1"; . "$0"', str(path), str(FUNCTIONS)]
        done = subprocess.run([*self._tether, *command], stdin=subprocess.DEVNULL, env=self._environ)
        _check(path, done.returncode)

    def _sql(self, path: Path, opener: Opener) -> None:
        process = subprocess.Popen(self._client, stdin=subprocess.PIPE, env=self._environ)
        assert process.stdin  # noqa: S101
        broken: OSError | EOFError | lzma.LZMAError | None = None
        try:
            with process.stdin, opener(path) as source:
                shutil.copyfileobj(source, process.stdin)
        except BrokenPipeError:
            pass  # The client's own end says why.
        except (OSError, EOFError, lzma.LZMAError) as error:
            broken = error
        status = process.wait()
        if broken:
            raise broken
        _check(path, status)


def _check(path: Path, status: int) -> None:
    if status:
        raise DbHandlerError(f"init script {shown(str(path), 200)} failed with status {status}: the start ends here")


def _opener(path: Path) -> Opener | None:
    openers: Mapping[str, Opener] = {
        ".sql": lambda path: path.open("rb"),
        ".sql.bz2": bz2.BZ2File,
        ".sql.gz": gzip.GzipFile,
        ".sql.xz": lzma.LZMAFile,
        ".sql.zst": _Zstd,
    }
    return next((opener for ending, opener in openers.items() if path.name.endswith(ending)), None)


class _Zstd:
    """The output of `zstd -dc`: Python knows the format from 3.14 on only."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(["zstd", "-dcq", "--", str(path)], stdout=subprocess.PIPE)

    def __enter__(self) -> IO[bytes]:
        assert self._process.stdout  # noqa: S101
        return self._process.stdout

    def __exit__(self, kind: object, *_: object) -> None:
        assert self._process.stdout  # noqa: S101
        self._process.stdout.close()
        if self._process.wait() and kind is None:
            raise OSError(0, "zstd cannot read it")
