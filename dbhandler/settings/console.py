"""The settings of the console: where its page is, who may look at it, and what it looks at beside gossip."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dbhandler.address import agents, is_host
from dbhandler.errors import ConfigError
from dbhandler.log import shown
from dbhandler.settings.config import MetricsSettings, metrics_settings
from dbhandler.settings.pool import DEFAULT_GROUP_SIZE
from dbhandler.settings.setting import Reader

DOOR_PORT = 3306
LEAST_PASSWORD, MOST_PASSWORD = 12, 1024
"""Characters: whoever reaches the page may try as many as it takes."""
_HEADER = re.compile("[A-Za-z][A-Za-z0-9-]{0,63}")
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class ConsoleSettings:
    """host (empty: all addresses) and port are those of the page; password opens it; user_header is the header in which
    a proxy at one of the networks `behind` names who has logged in there; doors are addresses of proxies (`host:port`),
    metrics is the port at which servers serve theirs, history is the folder of its file, cluster_size is how many empty
    nodes begin a cluster."""

    host: str
    port: int
    password: str | None = field(default=None, repr=False)
    user_header: str | None = None
    behind: tuple[_Network, ...] = ()
    doors: tuple[str, ...] = ()
    metrics: MetricsSettings | None = None
    history: Path | None = None
    cluster_size: int = DEFAULT_GROUP_SIZE

    @property
    def is_on_loopback(self) -> bool:
        """Does only this host reach the page?"""
        return self.host == "localhost" or _is_loopback(self.host)

    @property
    def has_login(self) -> bool:
        """Is there a way to say who one is?"""
        return self.password is not None or self.user_header is not None


def console_settings(environ: Mapping[str, str]) -> ConsoleSettings:
    """All of them. Raises ConfigError."""
    read = Reader(environ)
    host, port = _listening(read.text("DBHANDLER_CONSOLE") or "127.0.0.1:8080")
    history, doors = read.text("DBHANDLER_CONSOLE_HISTORY"), read.text("DBHANDLER_CONSOLE_DOORS")
    return ConsoleSettings(
        host,
        port,
        password=_password(read),
        user_header=_header(read),
        behind=_behind(read),
        doors=agents("DBHANDLER_CONSOLE_DOORS", doors or "", DOOR_PORT),
        metrics=_metrics(read),
        history=_folder(history),
        cluster_size=read.number_or(DEFAULT_GROUP_SIZE, "DBHANDLER_CLUSTER_SIZE", 1, 9),
    )


def _listening(value: str) -> tuple[str, int]:
    host, colon, port = value.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    valid = (not host or is_host(bare)) and (":" in bare) == (bare != host)
    if not (colon and valid) or not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ConfigError(
            f"DBHANDLER_CONSOLE has to be :port or host:port, an IPv6 address in brackets, not {shown(value)}"
        )
    return bare, int(port)


def _password(read: Reader) -> str | None:
    value = read.text("DBHANDLER_CONSOLE_PASSWORD")
    if value is not None and not LEAST_PASSWORD <= len(value) <= MOST_PASSWORD:
        raise ConfigError(f"DBHANDLER_CONSOLE_PASSWORD has to have {LEAST_PASSWORD} to {MOST_PASSWORD} characters")
    return value


def _header(read: Reader) -> str | None:
    value, name = read.text("DBHANDLER_CONSOLE_USER_HEADER"), "DBHANDLER_CONSOLE_USER_HEADER"
    if value is not None and not _HEADER.fullmatch(value):
        raise ConfigError(f"{name} has to be the name of a header, not {shown(value)}")
    if value is not None and not read.is_set("DBHANDLER_CONSOLE_BEHIND"):
        raise ConfigError(
            f"{name} needs DBHANDLER_CONSOLE_BEHIND, the proxy's address: anybody else could say who he is"
        )
    return value


def _behind(read: Reader) -> tuple[_Network, ...]:
    words = (read.text("DBHANDLER_CONSOLE_BEHIND") or "").replace(",", " ").split()
    if words and not read.is_set("DBHANDLER_CONSOLE_USER_HEADER"):
        raise ConfigError("DBHANDLER_CONSOLE_BEHIND needs DBHANDLER_CONSOLE_USER_HEADER: without it nobody reads it")
    return tuple(_network(word) for word in words)


def _network(word: str) -> _Network:
    try:
        return ipaddress.ip_network(word)
    except ValueError:
        raise ConfigError(
            f"DBHANDLER_CONSOLE_BEHIND has to be addresses or networks (10.0.0.5, 10.0.0.0/24), not {shown(word)}"
        ) from None


def _metrics(read: Reader) -> MetricsSettings | None:
    found = metrics_settings(read, "DBHANDLER_CONSOLE_METRICS")
    if found and found.host:
        raise ConfigError("DBHANDLER_CONSOLE_METRICS has to be :port or https://:port, as all servers have it")
    return found


def _folder(value: str | None) -> Path | None:
    if value is not None and not value.startswith("/"):
        raise ConfigError(f"DBHANDLER_CONSOLE_HISTORY has to be the whole path of a folder, not {shown(value)}")
    return Path(value) if value else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_within(address: str, networks: Sequence[_Network]) -> bool:
    """Is this address in one of the networks?"""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in network for network in networks if network.version == plain.version)
