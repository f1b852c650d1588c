"""How a command finds the Serf agent to ask, and the key for it: from its environment, as people run it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dbhandler import paths
from dbhandler.address import reachable
from dbhandler.client import default_rpc_addrs
from dbhandler.setting import read_setting


def addresses(chosen: str | None, environ: Mapping[str, str]) -> tuple[str, ...]:
    """What to try, in order: `chosen` (host:port) alone; else SERF_RPC_ADDR, else this container's own agent where
    SERF_RPC_BIND puts it, else the local agent and the linked one. Raises ConfigError for what is no address."""
    bind = read_setting(environ, "SERF_RPC_BIND")
    if chosen:
        found: tuple[str, ...] = (chosen,)
    elif bind and not environ.get("SERF_RPC_ADDR"):
        found = (bind,)
    else:
        found = default_rpc_addrs(environ)
    return tuple(reachable(address) for address in found)


def auth_key(environ: Mapping[str, str]) -> str | None:
    """The RPC key: SERF_RPC_AUTH or SERF_RPC_AUTH_FILE; inside the database container also the file to which its
    entry point has moved the key. None where there is none to be had. Raises ConfigError."""
    if key := read_setting(environ, "SERF_RPC_AUTH"):
        return key
    # Of another user's folder not even that the file exists can be told: Serf itself then says that a key is missing.
    with suppress(OSError, UnicodeDecodeError):
        return Path(paths.run_dir(environ), "secrets", "SERF_RPC_AUTH").read_text() or None
    return None
