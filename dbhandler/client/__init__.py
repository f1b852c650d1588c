"""The application's side: asks the cluster for a database and keeps what was answered.

Needs neither a server nor its driver. Uses serf, requests and below. The names in this file are the public ones; all
else may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbhandler.client.asking import request_database, rotate_password

if TYPE_CHECKING:
    from dbhandler.client.accounts import Account, list_accounts, renew, request_account, revoke_account
    from dbhandler.client.copying import copy_database

__all__ = [
    "Account", "copy_database", "list_accounts", "renew", "request_account", "request_database", "revoke_account",
    "rotate_password",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """What only a few applications need is loaded when it is used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dbhandler.client import accounts, copying

    return getattr(copying if name == "copy_database" else accounts, name)
