"""A server that no network reaches, for what has to be done before anybody may connect."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from dbhandler.engine.server import Server
from dbhandler.errors import DbHandlerError, Unavailable

OPTIONS = (
    "--skip-networking",
    # A replica must not begin to apply, nor a cluster node to join, before its system tables are in order.
    "--loose-skip-replica-start",
    "--loose-skip-slave-start",
    "--loose-wsrep-on=OFF",
    # What is done here is done on a server of which the owner wants nobody to write, too.
    "--read-only=OFF",
    "--loose-super-read-only=OFF",
    "--loose-innodb-buffer-pool-load-at-startup=OFF",
)
TETHER = ("setpriv", "--pdeathsig", "KILL")
"""Before a command line: the program does not outlive the process that starts it, even when that is killed. A server
left over would hold the data directory, and a script would go on at the next server."""
START_TIMEOUT = 600.0
"""Seconds. A server that recovers from a crash may need minutes."""
STOP_TIMEOUT = 600.0
PAUSE = 0.02


class PrivateServer:
    """Runs `command`, a server's command line, without network from `with` to the end of its block.

    environ is the process's, extra are further options. Entering raises DbHandlerError when the server ends instead
    of serving; leaving the block stops it in order, and raises when that fails. ends_itself is the status with which it
    ends by what is done in the block: then leaving waits for that.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        extra: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        ends_itself: int | None = None,
    ) -> None:
        self._ends_itself = ends_itself
        self._command, self._environ, self._clock = [*command, *OPTIONS, *extra], dict(environ), clock
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PrivateServer:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, env=self._environ)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        wanted = self._ends_itself if kind is None else None
        status = self._stop() if wanted is None else self._wait()
        # Whatever ended the block says more than how the server took it.
        if status != (wanted or 0) and kind is None:
            raise DbHandlerError(f"the temporary server ended with status {status} instead of stopping in order")

    def wait_for(self, server: Server) -> None:
        """Waits until `server` can connect. Raises DbHandlerError when the process ends first or too much time has
        passed, ServerError when it is refused."""
        deadline = self._clock() + START_TIMEOUT
        while True:
            try:
                return server.connect()
            except Unavailable:
                if self._clock() >= deadline:
                    raise
            self._check()
            time.sleep(PAUSE)

    def _check(self) -> None:
        status = self._process.poll() if self._process else None
        if status is not None:
            raise DbHandlerError(f"the temporary server ended with status {status}; its own lines above say why")

    def _stop(self) -> int:
        if self._process is None:
            return 0
        self._process.terminate()
        return self._wait()

    def _wait(self) -> int:
        if self._process is None:
            return 0
        try:
            return self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
