"""What the agents of a pool have from its secret for its directory: the account by which all of them reach it."""

from __future__ import annotations

from dbhandler.trust import words
from dbhandler.trust.pool import derived

USER = "dbhandler_directory"
"""No request may ask for it (requests/policy.py)."""


def account_password(secret: bytes) -> str:
    """The password of USER; of several secrets the first one's."""
    return words.encode(derived(secret, "directory account"))
