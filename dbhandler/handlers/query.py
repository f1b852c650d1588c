"""dbhandler-query: the Serf handler of queries. Hands the payload to the agent and prints its one-line answer."""

import os
import socket
import sys
import time

from dbhandler import paths
from dbhandler.spool import MAX_PAYLOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

USAGE = """usage: dbhandler-query < PAYLOAD    (with SERF_QUERY_NAME set)

Serf's handler for queries (-event-handler=query:create_db=dbhandler-query); works by hand as well:

    echo wordpress | SERF_QUERY_NAME=create_db dbhandler-query

Prints the answer of dbhandler-agent, one line of JSON, or {"status": "unavailable", …} when it has none in time.

exit status: 0 always with an answer (Serf drops the output of a handler that fails), 64 wrong usage
"""
DEADLINE = 2.0
"""Seconds. Serf runs nothing else meanwhile."""


def main(
    argv: "Sequence[str] | None" = None,
    environ: "Mapping[str, str] | None" = None,
    stdin: "BinaryIO | None" = None,
    stdout: "BinaryIO | None" = None,
) -> int:
    """Entry point; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    environ = os.environ if environ is None else environ
    if argv:
        # Only here: Serf runs this once per request, without arguments.
        from dbhandler import usage

        return usage.show(argv, USAGE)
    payload = (stdin or sys.stdin.buffer).read(MAX_PAYLOAD + 1)
    output = stdout or sys.stdout.buffer
    output.write(ask(paths.agent_socket(environ), environ.get("SERF_QUERY_NAME", ""), payload))
    output.flush()
    return 0


def ask(path: str, query: str, payload: bytes, deadline: float = DEADLINE) -> bytes:
    """Sends one query to the agent at the Unix socket `path`; returns its answer, or the answer `unavailable` when
    there is none within `deadline` seconds."""
    end = time.monotonic() + deadline
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(deadline)
            connection.connect(path)
            connection.sendall(query.encode(errors="replace") + b"\n" + payload)
            connection.shutdown(socket.SHUT_WR)
            answer = _read(connection, end)
    except OSError as error:
        return _unavailable(f"the agent of this server does not answer: {error.strerror or error}")
    return answer or _unavailable("the agent of this server ended before it answered")


def _unavailable(reason: str) -> bytes:
    # Only here: the agent answers in most cases, and its line needs no JSON of ours.
    from dbhandler.requests.answer import unavailable

    return unavailable(reason)


def _read(connection: socket.socket, end: float) -> bytes:
    chunks: list[bytes] = []
    while True:
        connection.settimeout(max(0.001, end - time.monotonic()))
        chunk = connection.recv(4096)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
