"""dbhandler-create: the Serf handler of user events. Stores the event in the spool, wakes the agent, exits.

Serf runs its handlers one after another in its own event loop, so this process waits for nobody: it neither talks to
the database server nor imports anything slow.
"""

from __future__ import annotations

import os
import sys
import time

from dbhandler import paths
from dbhandler.spool import MAX_PAYLOAD, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

USAGE = """usage: dbhandler-create < PAYLOAD

Serf's handler for the user event create_db (-event-handler=user:create_db=dbhandler-create); works by hand as well:

    echo wordpress | dbhandler-create

Stores the payload for dbhandler-agent and exits without waiting for the database; the outcome is one line in the
container's log. The payload is one or more database names separated by white space, or one JSON object.

exit status: 0 stored durably, 64 wrong usage, 74 the spool cannot be written (nothing is stored)
"""
EX_USAGE = 64
EX_IOERR = 74


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None, stdin: int | None = None) -> int:
    """Stores the payload on file descriptor `stdin` (default 0); returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    environ = os.environ if environ is None else environ
    if argv:
        asked = list(argv) in (["-h"], ["--help"])
        print(USAGE, end="", file=sys.stdout if asked else sys.stderr)
        return 0 if asked else EX_USAGE
    try:
        Spool(paths.spool_dir(environ)).put("create_db", _lamport_time(environ), _payload(stdin or 0))
    except OSError as error:
        _complain(environ, f"create_db not stored, spool {paths.spool_dir(environ)}: {error.strerror}")
        return EX_IOERR
    _wake(paths.wake_fifo(environ))
    return 0


def _lamport_time(environ: Mapping[str, str]) -> int:
    value = environ.get("SERF_USER_LTIME", "")
    return int(value) if value.isascii() and value.isdigit() else 0


def _payload(descriptor: int) -> bytes:
    # One byte more than allowed shows the agent that the payload was too long, without storing all of it.
    chunks, room = [], MAX_PAYLOAD + 1
    while room and (chunk := os.read(descriptor, room)):
        chunks.append(chunk)
        room -= len(chunk)
    return b"".join(chunks)


def _wake(fifo: str) -> None:
    # Nobody listening (ENXIO, ENOENT) or a full pipe is no failure: the agent looks at the spool by itself, too.
    try:
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        os.write(descriptor, b"\n")
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _complain(environ: Mapping[str, str], sentence: str) -> None:
    # The form of log.py, which is too slow to import here.
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S+00:00', time.gmtime())} [ERROR] [dbhandler]: {sentence}\n"
    sys.stderr.write(line)
    # Serf shows a handler's output at DEBUG only; dbhandler-serf names the container's log here.
    if log := environ.get("DBHANDLER_LOG"):
        try:
            descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
            os.write(descriptor, line.encode())
            os.close(descriptor)
        except OSError:
            pass
