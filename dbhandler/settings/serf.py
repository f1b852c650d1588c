"""The settings of the Serf agent, beside a database server or alone: their names, defaults and rules."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from dbhandler.address import GOSSIP_PORT, MAX_NODE_NAME, RPC_PORT, agents, is_node_name
from dbhandler.errors import ConfigError
from dbhandler.log import shown
from dbhandler.settings.setting import Reader


@dataclass(frozen=True)
class SerfSettings:
    """How to run and reach the Serf agent. Addresses are `host:port`; join lists what to join, as written; with the
    first of encrypt_keys gossip is sent, with any of them it is understood."""

    bind: str
    advertise: str | None
    rpc_bind: str
    node: str | None
    join: tuple[str, ...]
    log_level: str
    encrypt_keys: tuple[str, ...] = field(repr=False)
    rpc_auth: str | None = field(repr=False)


def serf_settings(environ: Mapping[str, str], serves_rpc: bool = False) -> SerfSettings:
    """Reads the settings that concern Serf alone. serves_rpc: this agent is there for others to ask, so its RPC is
    open to whoever knows the key; one beside a database stays on loopback. Raises ConfigError."""
    read = Reader(environ)
    rpc_auth = next(iter(rpc_keys(read.text("SERF_RPC_AUTH"))), None)
    # Without a key whoever reaches the port could command the agent, so then only this container may.
    everywhere = serves_rpc and rpc_auth is not None
    rpc_bind = read.text("SERF_RPC_BIND") or f"{'0.0.0.0' if everywhere else '127.0.0.1'}:{RPC_PORT}"  # noqa: S104
    if rpc_auth is None and not rpc_bind.startswith(("127.", "localhost:", "[::1]:")):
        raise ConfigError(f"SERF_RPC_BIND={rpc_bind} needs SERF_RPC_AUTH: RPC without a key stays on loopback")
    return SerfSettings(
        bind=read.text("SERF_BIND") or f"0.0.0.0:{GOSSIP_PORT}",
        advertise=read.text("SERF_ADVERTISE"),
        rpc_bind=rpc_bind,
        node=_node(read),
        join=_join_targets(read, environ),
        log_level=read.choice("SERF_LOG_LEVEL", ("info", "trace", "debug", "warn", "err")),
        encrypt_keys=_encrypt_keys(read),
        rpc_auth=rpc_auth,
    )


def _node(read: Reader) -> str | None:
    name = read.text("SERF_NODE")
    if name is not None and not is_node_name(name):
        raise ConfigError(f"SERF_NODE has to be 1 to {MAX_NODE_NAME} printable characters, not {shown(name)}")
    return name


def _join_targets(read: Reader, environ: Mapping[str, str]) -> tuple[str, ...]:
    targets = read.text("SERF_JOIN") or ""
    # What `docker run --link serf_agent:serf_agent` sets, as the tutorial's join script read it.
    linked, port = environ.get("SERF_AGENT_PORT_7946_TCP_ADDR"), environ.get("SERF_AGENT_PORT_7946_TCP_PORT")
    if linked:
        targets += f",{linked}:{port or GOSSIP_PORT}"
    return agents("SERF_JOIN", targets, GOSSIP_PORT)


def rpc_keys(text: str | None) -> tuple[str, ...]:
    """The keys in SERF_RPC_AUTH, one a line, for it may hold spaces: an agent takes the first one, whoever asks tries
    one after another, while one takes another's place."""
    return tuple(line for line in (text or "").splitlines() if line)


def _encrypt_keys(read: Reader) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys((read.text("SERF_ENCRYPT_KEY") or "").split()))
    if not all(map(_is_encrypt_key, keys)):
        # The value is a secret, so the sentence does not quote it.
        raise ConfigError("SERF_ENCRYPT_KEY has to be the base64 of 16, 24 or 32 bytes (serf keygen makes one)")
    return keys


def _is_encrypt_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) in (16, 24, 32)
    except ValueError:
        return False
