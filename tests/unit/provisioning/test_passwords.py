"""Passwords that change: in which order, so that whatever is killed nobody keeps one for longer than was said."""

from __future__ import annotations

import threading

import pytest

from dbhandler.engine import sql
from dbhandler.engine.password_hash import Way, native_hash
from dbhandler.engine.sql import Statement
from dbhandler.engine.stored_ways import ways_of
from dbhandler.provisioning.passwords import Passwords
from dbhandler.requests.box import Credentials
from tests.support.fakes import RecordingServer

SHOP = Credentials("shop", "shop", "the former password")
NATIVE = "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"


class Server(RecordingServer):
    def ways(self, _user: str) -> list[Way]:
        return [Way("mysql_native_password", NATIVE, False)]


@pytest.fixture
def server() -> Server:
    return Server()


def test_the_end_of_the_former_one_is_noted_before_there_are_two(server: Server) -> None:
    Passwords(server, lambda: 5_000, threading.Lock()).change(SHOP, "the new password", 60)  # type: ignore[arg-type]
    noted, changed = server.executed[-2:]
    assert (noted.values[0], noted.values[3]) == ("shop", 65_000)
    assert changed == sql.add_password("shop", "the new password", "mariadb", NATIVE)
    assert changed.secret and "the new password" not in str(changed.values)


@pytest.mark.parametrize(("engine", "statements"), [("mariadb", 1), ("mysql", 2)])
def test_with_no_time_the_new_one_is_the_only_one(server: Server, engine: str, statements: int) -> None:
    server.engine = engine
    Passwords(server, lambda: 5_000, threading.Lock()).change(SHOP, "the new password", 0)  # type: ignore[arg-type]
    texts = [statement.text for statement in server.executed]
    assert len(texts) == statements and all("RETAIN" not in text and " OR " not in text for text in texts)
    # MySQL keeps a former password beside the new one else.
    assert ("DISCARD OLD PASSWORD" in texts[-1]) is (engine == "mysql")


@pytest.mark.parametrize(
    ("password", "keep_old", "is_ended"),
    [("secret", 0, True), ("secret", 60, False), ("the former password", 0, False)],
)
def test_asked_again_the_former_one_ends_where_it_has_no_time(
    server: Server, password: str, keep_old: int, is_ended: bool
) -> None:
    present = Way("mysql_native_password", native_hash("secret"), False)
    former = Way("mysql_native_password", native_hash("the former password"), False)
    server.ways = lambda _user: [present, former]  # type: ignore[method-assign]
    Passwords(server, lambda: 5_000, threading.Lock()).confirm(SHOP, password, keep_old)  # type: ignore[arg-type]
    ending = sql.drop_old_password("shop", "mariadb", native_hash("secret"))
    assert server.executed == ([ending] if is_ended else [])


def test_mysql_keeps_two_by_itself() -> None:
    added = sql.add_password("shop", "the new password", "mysql", "whatever")
    assert added.text.endswith("RETAIN CURRENT PASSWORD") and "whatever" not in added.values
    assert sql.drop_old_password("shop", "mysql", "whatever") == Statement(
        "ALTER USER %s@%s DISCARD OLD PASSWORD", ("shop", "%")
    )


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (('{"plugin": "p", "authentication_string": "one"}',), [Way("p", "one", False)]),
        (
            ('{"plugin": "p", "authentication_string": "one", "account_locked": true}',),
            [Way("p", "one", True)],
        ),
        (
            (
                '{"plugin": "p", "authentication_string": "new", "auth_or": '
                '[{}, {"plugin": "p", "authentication_string": "old"}]}',
            ),
            [Way("p", "new", False), Way("p", "old", False)],
        ),
        (("no JSON",), [Way("", "", False)]),
        (("[]",), [Way("", "", False)]),
        (("p", "one", "N", None), [Way("p", "one", False)]),
        (("p", "new", "Y", '{"additional_password": "old"}'), [Way("p", "new", True), Way("p", "old", True)]),
        (("p", "one", "N", '{"metadata": {}}'), [Way("p", "one", False)]),
    ],
)
def test_how_an_account_logs_in(row: tuple[object, ...], wanted: list[Way]) -> None:
    assert ways_of(row) == wanted


def test_no_hash_is_shown() -> None:
    assert "secret" not in repr(Way("p", "secret", False))
