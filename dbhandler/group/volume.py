"""What the entry point does for a node of a cluster, whose data directory waits for the cluster's decision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dbhandler.errors import ConfigError, DbHandlerError
from dbhandler.first_start import official
from dbhandler.inventory import InRun
from dbhandler.settings.config import Config
from dbhandler.volume.data_dir import is_empty
from dbhandler.volume.prepare import check_belonging, remove_remains

PROVIDER = "/usr/lib/galera/libgalera_smm.so"


class GroupVolume:
    """The volume of a node. dbhandler-cluster-start fills that of the node that begins, and does the first start's work
    on it; the others get its data. Raises ConfigError for variables of the official images that cannot be."""

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        self._config = config
        # Whether they are wanted, the cluster decides; whether they are right, whoever starts it learns now.
        official.first_start(environ)
        self._complaint = official.complaint(environ)

    def prepare(self, _environ: Mapping[str, str]) -> None:
        """Removes what the container's former life has left. Raises DbHandlerError in an image without either
        engine, and for volumes of another cluster."""
        if self._config.engine == "mariadb" and not Path(PROVIDER).exists():
            raise DbHandlerError(
                "DBHANDLER_CLUSTER needs dbhandler:galera or dbhandler:mysql: there is no Galera in this image"
            )
        if self._complaint and is_empty(self._config.data_dir):
            raise ConfigError(self._complaint)
        check_belonging(self._config)
        remove_remains(self._config)
        # An order is for one life only.
        for name in (InRun.CLUSTER_NODE, InRun.CLUSTER_ORDER, InRun.GROUP_START):
            (self._config.run_dir / name).unlink(missing_ok=True)
