"""PyMySQL, loaded without what it would load for ways to log in that a server's socket does not have.

Those need `cryptography`, which is here for certificates: a third of the driver's own time, in programs that run every
few seconds and before anybody can log in.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_UNWANTED = "cryptography"


@contextmanager
def _without(package: str) -> Iterator[None]:
    """Importing it fails meanwhile, unless it was loaded before."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


with _without(_UNWANTED):
    import pymysql

__all__ = ["pymysql"]
