"""The options of dbhandler-request by which an owner gives others accounts, lists, renews and revokes them."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dbhandler.client import accounts
from dbhandler.client.accounts import Account
from dbhandler.client.connection import Connection
from dbhandler.client.state import StateFile
from dbhandler.command import columns
from dbhandler.log import shown

HEADINGS = ("ACCOUNT", "ROLE", "ENDS (UTC)")
NO_END = "-"


def given(options: argparse.Namespace, ways: Mapping[str, Any], ca_file: Path | None) -> Connection:
    """What --role asks for; ways are how a server is reached. Raises as request_account."""
    return accounts.request_account(
        options.name, user=options.user, role=options.role, owner_state_file=options.owner_state,
        state_file=options.state, ttl=options.ttl, ca_file=ca_file, **ways,
    )  # fmt: skip


def carried_out(options: argparse.Namespace, ways: Mapping[str, Any]) -> str:
    """What --list-accounts, --revoke or --renew prints. Raises as request_account."""
    if options.name is not None:
        StateFile(options.owner_state).known().check_is_for(options.name, None)
    if options.list_accounts:
        found = accounts.list_accounts(owner_state_file=options.owner_state, **ways)
        return as_json(found) if options.format else as_table(found, time.time())
    if options.renew:
        return _renewed(options, ways)
    if accounts.revoke_account(options.revoke, owner_state_file=options.owner_state, **ways):
        return f"revoked {shown(options.revoke)}\n"
    return f"there is no account {shown(options.revoke)} that the owner has given\n"


def _renewed(options: argparse.Namespace, ways: Mapping[str, Any]) -> str:
    ends_in = accounts.renew(
        ttl=options.ttl, owner_state_file=options.owner_state, state_file=options.state, ca_file=options.ca_file, **ways
    )
    state = StateFile(options.state or options.owner_state).known()
    whose = "database " + shown(state.database) if state.role is None else "account " + shown(state.user)
    return f"the {whose} ends at {_moment(ends_in, time.time())} UTC, unless it is renewed again\n"


def as_json(found: Iterable[Account]) -> str:
    """One line of JSON: an array of objects."""
    return json.dumps([asdict(account) for account in found], ensure_ascii=False) + "\n"


def as_table(found: Iterable[Account], now: float) -> str:
    """One line for each account, and the headings; now is in seconds since 1970."""
    rows = [(account.user, account.role, _moment(account.ends_in, now)) for account in found]
    return "".join(line + "\n" for line in columns([HEADINGS, *rows]))


def _moment(ends_in: int | None, now: float) -> str:
    return NO_END if ends_in is None else f"{datetime.fromtimestamp(now + ends_in, UTC):%Y-%m-%d %H:%M:%S}"
