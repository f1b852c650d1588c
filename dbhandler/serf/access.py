"""How a command or an application finds the Serf agent to ask, and the key for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dbhandler import paths
from dbhandler.address import RPC_PORT, agents, reachable
from dbhandler.errors import ConfigError, Denied, Unavailable
from dbhandler.inventory import InRun
from dbhandler.serf.rpc import Serf
from dbhandler.settings.serf import rpc_keys
from dbhandler.settings.setting import read_setting


def addresses(chosen: str | None, environ: Mapping[str, str]) -> tuple[str, ...]:
    """What to try, in order, each as `host:port`: `chosen` alone (`host[:port],…`); else SERF_RPC_ADDR, in the same
    form; else this container's own agent where SERF_RPC_BIND puts it; else the local agent and the linked one.

    Raises ConfigError for what is no address.
    """
    if chosen:
        return _listed("--rpc-addr", chosen)
    for name in ("SERF_RPC_ADDR", "SERF_RPC_BIND"):
        if value := read_setting(environ, name):
            return _listed(name, value)
    linked, port = environ.get("SERF_AGENT_PORT_7373_TCP_ADDR"), environ.get("SERF_AGENT_PORT_7373_TCP_PORT")
    return (f"127.0.0.1:{RPC_PORT}", *([f"{linked}:{port or RPC_PORT}"] if linked else []))


def auth_key(environ: Mapping[str, str]) -> str | None:
    """The RPC key: SERF_RPC_AUTH or SERF_RPC_AUTH_FILE; inside the database container also the file to which its
    entry point has moved the key. None where there is none to be had. Raises ConfigError."""
    if key := read_setting(environ, "SERF_RPC_AUTH"):
        return key
    # Of another user's folder not even that the file exists can be told: Serf itself then says that a key is missing.
    with suppress(OSError, UnicodeDecodeError):
        return Path(paths.run_dir(environ), InRun.SECRETS, "SERF_RPC_AUTH").read_text() or None
    return None


def connect_first(addresses: Sequence[str], auth_key: str | None) -> Serf:
    """A connection to the first Serf agent that answers. Raises Unavailable, naming all, when none does."""
    complaints = []
    for address in addresses:
        try:
            return _with_any_key(address, rpc_keys(auth_key))
        except Unavailable as error:
            complaints.append(str(error))
    raise Unavailable("; ".join(complaints))


def _with_any_key(address: str, keys: Sequence[str]) -> Serf:
    *others, last = keys or (None,)
    for key in others:
        with suppress(Denied):
            return Serf(address, key)
    return Serf(address, last)


def _listed(name: str, value: str) -> tuple[str, ...]:
    if not (found := agents(name, value, RPC_PORT)):
        raise ConfigError(f"{name} has to be host[:port],…, not {value!r}")
    return tuple(map(reachable, found))
