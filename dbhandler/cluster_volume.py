"""What the entry point does for a node of a Galera cluster, whose data directory waits for the cluster's decision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dbhandler import official
from dbhandler.cluster_store import NODE, ORDER
from dbhandler.config import Config
from dbhandler.errors import DbHandlerError
from dbhandler.volume import remove_remains

PROVIDER = "/usr/lib/galera/libgalera_smm.so"


def before_server(config: Config) -> list[str]:
    """What stands before the server's command line: in a cluster the other nodes' state decides how to start."""
    return ["dbhandler-cluster-start"] if config.cluster else []


class ClusterVolume:
    """The volume of a node. dbhandler-cluster-start fills that of the node that begins, and does the first start's work
    on it; the others get its data. Raises ConfigError for variables of the official images that cannot be."""

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        self._config = config
        # Whether they are wanted, the cluster decides; whether they are right, whoever starts it learns now.
        official.first_start(environ)

    def prepare(self, _environ: Mapping[str, str]) -> None:
        """Removes what the container's former life has left. Raises DbHandlerError in an image without Galera."""
        if not Path(PROVIDER).exists():
            raise DbHandlerError("DBHANDLER_CLUSTER needs the image dbhandler:galera: there is no Galera in this one")
        remove_remains(self._config)
        # An order is for one life only.
        for name in (NODE, ORDER):
            (self._config.run_dir / name).unlink(missing_ok=True)
