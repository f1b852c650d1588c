"""Addresses as Serf writes them: `host:port`, an IPv6 address in brackets."""

from __future__ import annotations

import re

from dbhandler.errors import ConfigError

GOSSIP_PORT = 7946
RPC_PORT = 7373


def split_address(address: str, default_port: int) -> tuple[str, int]:
    """`host:port`, `[v6]:port` or `host` -> (host, port). Raises ConfigError for anything else."""
    if (parts := host_and_port(address, default_port)) is None:
        raise ConfigError(f"the address of a Serf agent has to be host:port, not {address!r}")
    return parts[0].strip("[]"), int(parts[1])


def host_and_port(address: str, default_port: int) -> tuple[str, str] | None:
    """Both parts as they are written, None where there is no host, or a port that is none."""
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        host, port = address, str(default_port)
    valid = host and re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535
    return (host, port) if valid else None


def join_address(host: str, port: int | str) -> str:
    """The reverse of split_address: `host:port`, an IPv6 address in brackets."""
    return f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """A host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def reachable(bind: str) -> str:
    """The address at which what listens at `bind` is reached from the same host: loopback for all addresses."""
    host, port = split_address(bind, RPC_PORT)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return join_address(host, port)
