"""Under which name an application finds its server the longest: the server's own, where it leads there from here."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterable

from dbhandler.address import is_host

PATIENCE = 1.0
"""Seconds for which a name is looked up: where nobody answers, the address is as good."""

_CONTAINER_ID = re.compile(r"[0-9a-f]{12}")
"""What Docker calls a container that has no name of its own: it is another one after the container is replaced."""

Resolve = Callable[[str], Iterable[str]]


def addresses_of(name: str) -> list[str]:
    """The addresses that a host name has here, none where it has none."""
    try:
        return [str(address[0]) for *_, address in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def lasting(name: str, host: str, resolve: Resolve = addresses_of, patience: float = PATIENCE) -> str:
    """The name of a server's member where that leads to `host`, the address that the server says, within `patience`
    seconds; else host."""
    if name == host or not is_host(name) or _CONTAINER_ID.fullmatch(name):
        return host
    found: list[str] = []
    # A resolver may take long, and cannot be told not to.
    search = threading.Thread(target=lambda: found.extend(resolve(name)), daemon=True)
    search.start()
    search.join(patience)
    return name if host in found else host
