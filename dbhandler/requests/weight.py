"""Pure: rendezvous hashing, by which whoever looks at the same servers gives them the same order for one name, and
another order for the next name."""

from __future__ import annotations

import hashlib


def weight(server: str, name: str) -> bytes:
    """How much a server (the public key of it, or its cluster's name) is for a database of this name: the most wins."""
    return hashlib.sha256(f"{server}/{name}".encode("utf-8", "surrogateescape")).digest()
