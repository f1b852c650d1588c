"""dbhandler-create: the Serf handler of user events. Stores the event in the spool, wakes the agent, exits.

Serf runs its handlers one after another in its own event loop, so this process waits for nobody: it neither talks to
the database server nor imports anything slow.
"""

import os
import sys
import time

from dbhandler import paths
from dbhandler.spool import DEFAULT_MAX, MAX_PAYLOAD, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

USAGE = """usage: dbhandler-create < PAYLOAD

Serf's handler for the user event create_db (-event-handler=user:create_db=dbhandler-create); works by hand as well:

    echo wordpress | dbhandler-create

Stores the payload for dbhandler-agent and exits without waiting for the database; the outcome is one line in the
container's log. The payload is one or more database names separated by white space, or one JSON object.

exit status: 0 stored durably, 64 wrong usage, 74 the spool cannot be written (the event is kept in memory, if there is
room), 75 too many events wait already (DBHANDLER_SPOOL_MAX; the event is not stored)
"""


def main(
    argv: "Sequence[str] | None" = None, environ: "Mapping[str, str] | None" = None, stdin: int | None = None
) -> int:
    """Stores the payload on file descriptor `stdin` (default 0); returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    environ = os.environ if environ is None else environ
    if argv:
        # Only here: Serf runs this once per request, without arguments.
        from dbhandler import usage

        return usage.show(argv, USAGE)
    status = _store(environ, _payload(stdin or 0))
    _wake(paths.wake_fifo(environ))
    return status


def _store(environ: "Mapping[str, str]", payload: bytes) -> int:
    spool, ltime = Spool(paths.spool_dir(environ)), _lamport_time(environ)
    try:
        if spool.is_full(_limit(environ)):
            if spool.complain_now():
                _complain(environ, f"create_db not stored: {_limit(environ)} events wait already (DBHANDLER_SPOOL_MAX)")
            return os.EX_TEMPFAIL
        spool.put("create_db", ltime, payload)
    except OSError as error:
        kept = _keep_in_memory(environ, ltime, payload)
        fate = "is kept in memory only" if kept else "is lost"
        _complain(environ, f"create_db not stored, {fate}: spool {spool.folder}: {error.strerror}")
        return os.EX_IOERR
    return 0


def _keep_in_memory(environ: "Mapping[str, str]", ltime: int, payload: bytes) -> bool:
    try:
        Spool(paths.memory_spool_dir(environ)).put("create_db", ltime, payload)
    except OSError:
        return False
    return True


def _setting(environ: "Mapping[str, str]", name: str) -> str:
    """As Reader.text, which is too slow to import here. Serf's environment has values only; by hand there are files."""
    if not (file := environ.get(f"{name}_FILE")):
        return environ.get(name, "")
    try:
        with open(file) as content:
            return content.read().rstrip("\r\n")
    except OSError:
        return ""


def _limit(environ: "Mapping[str, str]") -> int:
    value = _setting(environ, "DBHANDLER_SPOOL_MAX")
    return int(value) if value.isascii() and value.isdigit() else DEFAULT_MAX


def _lamport_time(environ: "Mapping[str, str]") -> int:
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


# The forms of log.py, which is too slow to import here.
def _text_line(sentence: str) -> str:
    return f"{time.strftime('%Y-%m-%d %H:%M:%S+00:00', time.gmtime())} [ERROR] [dbhandler]: {sentence}\n"


def _json_line(sentence: str) -> str:
    import json

    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    return json.dumps({"time": now, "level": "error", "component": "dbhandler", "message": sentence}) + "\n"


def _complain(environ: "Mapping[str, str]", sentence: str) -> None:
    line = _json_line(sentence) if _setting(environ, "DBHANDLER_LOG_FORMAT") == "json" else _text_line(sentence)
    sys.stderr.write(line)
    # Serf shows a handler's output at DEBUG only; dbhandler-serf names the container's log here.
    if log := environ.get("DBHANDLER_LOG"):
        try:
            descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
            os.write(descriptor, line.encode())
            os.close(descriptor)
        except OSError:
            pass
