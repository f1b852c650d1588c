"""Names and addresses of nodes as Serf writes them: `host:port`, an IPv6 address in brackets; and of a backup."""

from __future__ import annotations

import re

from dbhandler.errors import ConfigError
from dbhandler.log import shown

MAX_NODE_NAME = 128
"""Characters. Serf's own limit, where it is told to check names."""

GOSSIP_PORT = 7946
RPC_PORT = 7373

MAX_HOST = 253
"""Characters. Source: RFC 1035, 2.3.4."""

_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_BACKUP = re.compile(r"[A-Za-z0-9_.:+-]{1,64}@[A-Za-z0-9 :.,+-]{1,64}")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?")


def is_node_name(name: object) -> bool:
    """May a member have this name? It stands in logs, tables and sentences, so it is printable."""
    return isinstance(name, str) and 1 <= len(name) <= MAX_NODE_NAME and name.isprintable()


def split_address(address: str, default_port: int) -> tuple[str, int]:
    """`host:port`, `[v6]:port` or `host` -> (host, port). Raises ConfigError for anything else."""
    if (parts := host_and_port(address, default_port)) is None:
        raise ConfigError(f"the address of a Serf agent has to be host:port, not {shown(address)}")
    return parts[0].strip("[]"), int(parts[1])


def agents(name: str, text: str, default_port: int) -> tuple[str, ...]:
    """The addresses of Serf agents in a setting or an option: `host[:port]`, several with commas or white space between
    them, each with its port, none twice. Raises ConfigError, whose sentence begins with its name."""
    return tuple(dict.fromkeys(_agent(name, part, default_port) for part in re.split(r"[,\s]+", text) if part))


def _agent(name: str, text: str, default_port: int) -> str:
    if (parts := host_and_port(text, default_port)) is None:
        raise ConfigError(f"{name} has to be host[:port],… with IPv6 addresses in brackets, not {shown(text)}")
    return ":".join(parts)


def host_and_port(address: str, default_port: int) -> tuple[str, str] | None:
    """Both parts as they are written, None where there is no host, or a port that is none."""
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        host, port = address, str(default_port)
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    # Without brackets nobody knows where an IPv6 address ends.
    valid = is_host(bare) and (":" in bare) == (bare != host)
    return (host, port) if valid and port_number(port) else None


def is_backup(text: str) -> bool:
    """Has it the form of a backup's name, SERVER@MOMENT? Whether there is such a one only the backup knows."""
    return _BACKUP.fullmatch(text) is not None


def is_host(text: str) -> bool:
    """Is it a host name or an IP address: nothing that an option file, a URL or a resolver takes for anything else?"""
    if not 1 <= len(text) <= MAX_HOST:
        return False
    return bool(_NAME.fullmatch(text)) or _is_ipv6(text)


def port_number(text: str) -> int | None:
    """The port that a text names in ASCII digits, None for any other text."""
    number = int(text) if re.fullmatch("[0-9]{1,5}", text) else 0
    return number if 1 <= number <= 65535 else None


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


def _is_ipv6(text: str) -> bool:
    # Only here: most processes never meet one, and it is a large module.
    import ipaddress

    try:
        return bool(_IPV6.fullmatch(text)) and bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False
