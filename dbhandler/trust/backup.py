"""What a backup has from the pool's secret: the account by which it reads every server, and the password of what it
keeps. Nobody is told them: both sides have the secret."""

from __future__ import annotations

from dbhandler.trust import words
from dbhandler.trust.pool import derived

USER = "dbhandler_backup"
"""No request may ask for it (requests/policy.py)."""
RESTORED = "restored"
"""The name of the row by which the backup says that all is there."""
RESTORER = "dbhandler_restore"
"""The account by which the backup fills a server that waits for it, and that is there no longer."""


def restorer_password(secret: bytes) -> str:
    """The password of RESTORER."""
    return words.encode(derived(secret, "restore account"))


def account_password(secret: bytes) -> str:
    """The password of USER on the servers whose pool has this secret; of several it is the first one's."""
    return words.encode(derived(secret, "backup account"))


def repository_password(secret: bytes) -> str:
    """The password of the repository where its owner names none: whoever has the pool's secret can restore."""
    return words.encode(derived(secret, "backup repository"))
