"""Which engine's part a node's processes get. Only that one is loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from dbhandler.group.engine import Running, Starting
from dbhandler.settings.config import Config


def starting(config: Config, command: Sequence[str], environ: Mapping[str, str]) -> Starting:
    """The engine's part in this node's start; command is the server's command line, environ has the official images'
    variables in it. Raises DbHandlerError or OSError."""
    assert config.group is not None  # noqa: S101
    if config.engine == "mysql":
        from dbhandler.group.replication import starting as replication

        return replication.starting(config.group, config, command, environ)
    from dbhandler.group.galera import starting as galera

    return galera.starting(config.group.name, config, command, environ)


def running(config: Config) -> Running:
    """The engine's part while this node's server runs."""
    if config.engine == "mysql":
        from dbhandler.group.replication.running import ReplicationRunning

        return ReplicationRunning()
    from dbhandler.group.galera.running import GaleraRunning

    return GaleraRunning()


def tending(config: Config) -> Callable[[threading.Event], None] | None:
    """What makes the running server a member of its group, until the event is set: a thread. None where the server does
    that by itself, or is in no cluster."""
    if config.group is None or config.engine != "mysql":
        return None
    from dbhandler.group.replication.tender import tender

    return tender(config).run
