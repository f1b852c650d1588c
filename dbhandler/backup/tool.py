"""The engines' own programs, run so that one broken object does not end everything."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from dbhandler.distant.left_out import left_out
from dbhandler.errors import DbHandlerError
from dbhandler.log import printable

LOADER = {
    # What fails may be a secret, or made to look like another complaint.
    "mariadb": ("mariadb", "--skip-print-query-on-error"),
    "mysql": ("mysql",),
}
"""The program that loads SQL, by engine; --defaults-file goes before what is more."""
LOADING = ("--force", "--binary-mode", "--max-allowed-packet=1G", "--default-character-set=utf8mb4")


DUMPING = ("--force", "--single-transaction", "--routines", "--events", "--triggers", "--hex-blob", "--skip-dump-date",
           "--max-allowed-packet=1G", "--default-character-set=utf8mb4")  # fmt: skip
"""What every dump is made with, of one database or of all."""
EVERYTHING = (
    # What each server keeps of itself; either engine has some of them.
    *(f"--ignore-table=mysql.{table}" for table in (
        "gtid_slave_pos", "gtid_executed", "innodb_index_stats", "innodb_table_stats",
    )),
    "--all-databases",
)  # fmt: skip
"""What makes it one of a whole server."""


def loader(engine: str, option_file: str) -> list[str]:
    """The command that loads SQL as an option file says; --no-defaults for none."""
    program, *options = LOADER[engine]
    return [program, option_file, *options, *LOADING]


class Refused(DbHandlerError):
    """A tool has failed."""


class Unloadable(DbHandlerError):
    """A server does not take what a base holds."""


def printed(command: Sequence[str], missing: list[str]) -> Iterator[bytes]:
    """The lines that a tool prints; what it has left out is added to `missing`. Raises DbHandlerError at its end where
    it has failed."""
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environ()) as process:
            assert process.stdout  # noqa: S101
            yield from process.stdout
        _judge(command[0], process.returncode, errors, missing)


@contextmanager
def fed(command: Sequence[str], missing: list[str]) -> Iterator[IO[bytes]]:
    """The input of a tool, which has taken everything at the end of the block. As printed."""
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, env=environ()
        ) as process:
            assert process.stdin  # noqa: S101
            # One that ends sooner says why.
            with suppress(BrokenPipeError):
                yield process.stdin
            with suppress(BrokenPipeError):
                process.stdin.close()
        _judge(command[0], process.returncode, errors, missing)


def environ() -> Mapping[str, str]:
    """What these programs get to know."""
    return {"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def _judge(tool: str, status: int, errors: IO[bytes], missing: list[str]) -> None:
    errors.seek(0)
    complaints = errors.read(1 << 20).decode(errors="replace").splitlines()
    found = left_out(complaints)
    if found is None or (status and not found):
        said = " ".join(" ".join(complaints[-3:]).split())
        raise Refused(f"{tool} failed: {printable(said, 300)}")
    missing += found
