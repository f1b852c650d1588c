"""Which engine's part a node's processes get. Only that one is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbhandler.group.engine import Running, Starting
from dbhandler.settings.config import Config


def starting(config: Config, command: Sequence[str], environ: Mapping[str, str]) -> Starting:
    """The engine's part in this node's start; command is the server's command line, environ has the official images'
    variables in it. Raises DbHandlerError or OSError."""
    assert config.group is not None  # noqa: S101
    from dbhandler.group.galera import starting as galera

    return galera.starting(config.group.name, config, command, environ)


def running(_config: Config) -> Running:
    """The engine's part while this node's server runs."""
    from dbhandler.group.galera.running import GaleraRunning

    return GaleraRunning()
