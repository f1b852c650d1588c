"""What the nodes of a MySQL group have from the pool's secret: the account by which one takes the data of another."""

from __future__ import annotations

from dbhandler.trust import words
from dbhandler.trust.pool import derived

USER = "dbhandler_group"
"""No request may ask for it (requests/policy.py)."""


def account_password(secret: bytes) -> str:
    """The password of USER in the group whose pool has this secret; of several it is the first one's. A group takes no
    more than 32 characters, which hold 192 bits."""
    return words.encode(derived(secret, "group account", 24))
