"""Serves the metrics of the backups while they are kept, where their owner wants that."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from dbhandler import paths
from dbhandler.backup.standing import Standings
from dbhandler.errors import DbHandlerError
from dbhandler.log import told
from dbhandler.metrics import serving
from dbhandler.settings.backup import BackupSettings
from dbhandler.volume.certificate import ServerCertificate, host_names
from dbhandler.volume.tls import CERTIFICATE, KEY, ensure_keys

logger = logging.getLogger(__name__)

RENEWAL = 3600.0
"""Seconds between two looks at the certificate."""


class Measuring:
    """Of all sources, as the settings say."""

    def __init__(self, settings: BackupSettings, environ: Mapping[str, str], standings: Standings) -> None:
        self._settings, self._standings = settings, standings
        self._folder = Path(paths.run_dir(environ)) / "metrics"

    def run(self, stop: threading.Event) -> None:
        """Serves them until `stop` is set."""
        if (wanted := self._settings.metrics) is None:
            return
        if wanted.tls:
            self._certify()
        serving.start(wanted, self._measured, (self._folder / CERTIFICATE, self._folder / KEY))
        while not stop.wait(RENEWAL):
            if wanted.tls:
                self._certify()

    def _measured(self) -> serving.Measured:
        from dbhandler.backup.metrics import Metrics

        return Metrics(self._standings.read)

    def _certify(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            ensure_keys("mariadb", self._folder)
            ServerCertificate(self._folder, self._settings.secrets).ensure(host_names(self._settings.serf))
        except (DbHandlerError, OSError) as error:
            logger.error("the metrics have no certificate: %s", told(error))
