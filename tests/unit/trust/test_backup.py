"""The password of the backup's account."""

from __future__ import annotations

from dbhandler.requests.policy import SYSTEM_USERS
from dbhandler.trust.backup import USER, account_password

ONE, OTHER = bytes(32), bytes([1]) * 32


def test_each_secret_has_its_own_and_everybody_who_has_it_gets_the_same() -> None:
    assert account_password(ONE) == account_password(ONE) != account_password(OTHER)
    # What is set once on every server of a pool must never become another one.
    assert account_password(ONE) == "TgBLiqk6rMpFx4MqmYOLnyLfjA8feIedvo2EpcHdiho"


def test_no_request_may_ask_for_the_account() -> None:
    assert USER in SYSTEM_USERS
