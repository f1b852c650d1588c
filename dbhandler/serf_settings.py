"""The settings of the Serf agent, beside a database server or alone: their names, defaults and rules."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dbhandler.address import GOSSIP_PORT, RPC_PORT, host_and_port
from dbhandler.errors import ConfigError
from dbhandler.setting import Reader


@dataclass(frozen=True)
class SerfSettings:
    """How to run and reach the Serf agent. Addresses are `host:port`; join lists what to join, as written."""

    bind: str
    advertise: str | None
    rpc_bind: str
    node: str | None
    join: tuple[str, ...]
    log_level: str
    encrypt_key: str | None = field(repr=False)
    rpc_auth: str | None = field(repr=False)


def serf_settings(environ: Mapping[str, str]) -> SerfSettings:
    """Reads the settings that concern Serf alone. Raises ConfigError."""
    read = Reader(environ)
    rpc_auth = read.text("SERF_RPC_AUTH")
    # Without a key whoever reaches the port could command the agent, so then only this container may.
    rpc_bind = read.text("SERF_RPC_BIND") or f"{'0.0.0.0' if rpc_auth else '127.0.0.1'}:{RPC_PORT}"  # noqa: S104
    if rpc_auth is None and not rpc_bind.startswith(("127.", "localhost:", "[::1]:")):
        raise ConfigError(f"SERF_RPC_BIND={rpc_bind} needs SERF_RPC_AUTH: RPC without a key stays on loopback")
    return SerfSettings(
        bind=read.text("SERF_BIND") or f"0.0.0.0:{GOSSIP_PORT}",
        advertise=read.text("SERF_ADVERTISE"),
        rpc_bind=rpc_bind,
        node=read.text("SERF_NODE"),
        join=_join_targets(read, environ),
        log_level=read.choice("SERF_LOG_LEVEL", ("info", "trace", "debug", "warn", "err")),
        encrypt_key=_encrypt_key(read),
        rpc_auth=rpc_auth,
    )


def _join_targets(read: Reader, environ: Mapping[str, str]) -> tuple[str, ...]:
    targets = [part for part in re.split(r"[,\s]+", read.text("SERF_JOIN") or "") if part]
    # What `docker run --link serf_agent:serf_agent` sets, as the tutorial's join script read it.
    linked, port = environ.get("SERF_AGENT_PORT_7946_TCP_ADDR"), environ.get("SERF_AGENT_PORT_7946_TCP_PORT")
    if linked:
        targets.append(f"{linked}:{port or GOSSIP_PORT}")
    return tuple(dict.fromkeys(_address("SERF_JOIN", target) for target in targets))


def _address(name: str, value: str) -> str:
    parts = host_and_port(value, GOSSIP_PORT)
    if parts is None or (":" in parts[0] and not parts[0].startswith("[")):
        raise ConfigError(f"{name} has to be host[:port],… with IPv6 addresses in brackets, not {value!r}")
    return ":".join(parts)


def _encrypt_key(read: Reader) -> str | None:
    key = read.text("SERF_ENCRYPT_KEY")
    if key is None:
        return None
    try:
        length = len(base64.b64decode(key, validate=True))
    except ValueError:
        length = 0
    if length not in (16, 24, 32):
        # The value is a secret, so the sentence does not quote it.
        raise ConfigError("SERF_ENCRYPT_KEY has to be the base64 of 16, 24 or 32 bytes (serf keygen makes one)")
    return key
