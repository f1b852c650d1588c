"""Keeps the server's certificate true while it runs: made before anybody is told `ready`, renewed without a restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from dbhandler.engine import tls_sql
from dbhandler.engine.server import Server
from dbhandler.errors import ConfigError, DbHandlerError
from dbhandler.log import told
from dbhandler.serf.kept import Complaint

if TYPE_CHECKING:
    from dbhandler.volume.certificate import ServerCertificate

logger = logging.getLogger(__name__)

INTERVAL = 60.0
"""Seconds between two looks: an address may be new, and two thirds of 90 days are over some time."""
EAGER_INTERVAL = 2.0
"""The same before the server is ready: the backup that fills it has to know it."""


class CertificateKeeper:
    """Keeps one server's certificate. names says under which names the server is reached now."""

    def __init__(self, certificate: ServerCertificate, names: Callable[[], Collection[str]]) -> None:
        self._certificate, self._names = certificate, names
        self._complaint = Complaint(partial(logger.warning, "nobody can verify this server by its pool: %s"))
        # Whether the server has read what was made before, by an agent that was killed then, nobody knows.
        self._shown, self._unread = False, True
        self._lock = threading.Lock()

    def authority(self) -> str | None:
        """The fingerprint of who has signed what the server shows; None where that is not the pool's."""
        return self._certificate.authority.fingerprint if self._shown else None

    def root(self) -> bytes:
        """The authority's own certificate, in DER."""
        return self._certificate.root()

    def look(self, server: Server) -> None:
        """Looks once, and has the server show a certificate that was made anew; logs a failure once, until it changes:
        the server goes on with the former one."""
        complaint = ""
        # Before the server is ready the agent's loop looks, too.
        with self._lock:
            try:
                self._look(server)
            except (DbHandlerError, OSError) as error:
                complaint = told(error)
            self._complaint.say(complaint)

    def _look(self, server: Server) -> None:
        self._unread |= self._certificate.ensure(self._names())
        [(shown,)] = server.execute(tls_sql.certificate_file())
        if not self._certificate.is_in(str(shown)):
            self._shown = False
            raise ConfigError(f"its owner has given it another certificate (ssl-cert = {shown})")
        if self._unread:
            for statement in tls_sql.reload_tls(server.engine, str(self._certificate.roots)):
                server.execute(statement)
        self._shown, self._unread = True, False

    def run(self, server: Server, stop: threading.Event, interval: float = INTERVAL) -> None:
        """Looks again and again until `stop` is set, over a connection of its own."""
        while not stop.wait(interval):
            self.look(server)
