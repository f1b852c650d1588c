"""Who may look, and who may act."""

from __future__ import annotations

import ipaddress

import pytest

from dbhandler.console.guard import COOKIE, LIFETIME, MOST_ADDRESSES, MOST_SESSIONS, TRIES, TRIES_TIME, Guard, Reader
from dbhandler.settings.console import ConsoleSettings
from tests.support.fakes import Clock

PASSWORD = "long enough, it is"
PROXY = (ipaddress.ip_network("10.0.0.5"),)


def asked(**fields: str) -> dict[str, object]:
    return {"REMOTE_ADDR": "10.0.0.9", "HTTP_HOST": "console:8080", **fields}


@pytest.fixture
def guard(clock: Clock) -> Guard:
    return Guard(ConsoleSettings("", 8080, password=PASSWORD), clock)


def session(guard: Guard, **fields: str) -> dict[str, object]:
    return asked(HTTP_COOKIE=f"other=1; {COOKIE}={guard.log_in(asked(), PASSWORD)}", **fields)


def test_without_a_login_this_host_looks_and_nobody_acts() -> None:
    guard = Guard(ConsoleSettings("127.0.0.1", 8080))
    assert guard.reader(asked()) == Reader() and not Reader().may_act and not guard.takes_password
    assert not guard.is_own_form(asked(), Reader(), "")


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8080", True), ("localhost", True), ("LOCALHOST:1", True), ("[::1]:8080", True), ("", False),
        ("evil.example", False), ("127.0.0.1.evil.example", False), ("10.0.0.1:8080", False), ("a b", False),
    ],
)  # fmt: skip
def test_a_name_that_is_made_to_lead_here_reads_nothing(host: str, ours: bool) -> None:
    assert Guard(ConsoleSettings("127.0.0.1", 8080)).is_for_us(asked(HTTP_HOST=host)) is ours


def test_the_password_opens_a_session_that_ends(guard: Guard, clock: Clock) -> None:
    assert guard.reader(asked()) is None and guard.takes_password
    assert guard.is_for_us(asked(HTTP_HOST="any.example"))
    assert guard.log_in(asked(), "wrong") is None and guard.log_in(asked(), "") is None
    request = session(guard)
    reader = guard.reader(request)
    assert reader and reader.may_act and reader.name
    clock.advance(LIFETIME - 1)
    assert guard.reader(request)
    clock.advance(2)
    assert guard.reader(request) is None


def test_logging_out_ends_it_at_once(guard: Guard) -> None:
    request = session(guard)
    guard.log_out(request)
    assert guard.reader(request) is None


@pytest.mark.parametrize("cookie", ["", COOKIE, f"{COOKIE}=", f"{COOKIE}=x", "a;b=;;=", f'{COOKIE}="\\'])
def test_no_other_cookie_is_a_session(guard: Guard, cookie: str) -> None:
    session(guard)
    assert guard.reader(asked(HTTP_COOKIE=cookie)) is None


def test_after_some_wrong_ones_an_address_waits_and_no_other_does(
    guard: Guard, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(TRIES):
        assert guard.log_in(asked(), "wrong") is None
    assert guard.log_in(asked(), PASSWORD) is None
    assert caplog.messages == ["10 wrong passwords from '10.0.0.9' within a minute: it waits"]
    assert guard.log_in(asked(REMOTE_ADDR="10.0.0.8"), PASSWORD)
    clock.advance(TRIES_TIME + 1)
    assert guard.log_in(asked(), PASSWORD)


def test_of_a_network_that_is_one_host_all_addresses_are_one(guard: Guard) -> None:
    for number in range(TRIES):
        guard.log_in(asked(REMOTE_ADDR=f"2001:db8::{number:x}"), "wrong")
    assert guard.log_in(asked(REMOTE_ADDR="2001:db8::ffff"), PASSWORD) is None
    assert guard.log_in(asked(REMOTE_ADDR="2001:db8:1::1"), PASSWORD)


def test_neither_sessions_nor_addresses_fill_the_memory(guard: Guard) -> None:
    first = session(guard)
    for number in range(MOST_ADDRESSES + 50):
        guard.log_in(asked(REMOTE_ADDR=f"10.1.{number // 250}.{number % 250}"), "wrong")
    assert len(guard._failures) == MOST_ADDRESSES
    for _ in range(MOST_SESSIONS):
        session(guard)
    assert len(guard._sessions) == MOST_SESSIONS and guard.reader(first) is None


def test_a_form_is_ours_by_its_token_and_its_page(guard: Guard) -> None:
    request = session(guard)
    reader, other = guard.reader(request), guard.reader(session(guard))
    assert reader and other and reader.token != other.token
    assert guard.is_own_form(request, reader, reader.token)
    for token in ("", "x", other.token, "\udcff"):
        assert not guard.is_own_form(request, reader, token)
    for fields in ({"HTTP_ORIGIN": "http://evil.example"}, {"HTTP_SEC_FETCH_SITE": "cross-site"},
                   {"HTTP_SEC_FETCH_SITE": "same-site"}, {"HTTP_ORIGIN": "null"}):  # fmt: skip
        assert not guard.is_own_form({**request, **fields}, reader, reader.token)
    same = {"HTTP_ORIGIN": "https://console:8080", "HTTP_SEC_FETCH_SITE": "same-origin"}
    assert guard.is_own_form({**request, **same}, reader, reader.token)


def test_a_proxy_says_who_it_is_and_nobody_else_does() -> None:
    guard = Guard(ConsoleSettings("", 8080, user_header="Remote-User", behind=PROXY))
    named = {"HTTP_REMOTE_USER": "ann"}
    reader = guard.reader(asked(REMOTE_ADDR="10.0.0.5", **named))
    assert reader and reader.name == "ann" and reader.may_act
    assert guard.reader(asked(**named)) is None and not guard.takes_password
    for name in ("", "a\nb", "\x00"):
        assert guard.reader(asked(REMOTE_ADDR="10.0.0.5", HTTP_REMOTE_USER=name)) is None
    other = guard.reader(asked(REMOTE_ADDR="10.0.0.5", HTTP_REMOTE_USER="bob"))
    assert other and other.token != reader.token


def test_only_a_proxy_says_that_a_browser_came_over_tls() -> None:
    guard = Guard(ConsoleSettings("", 8080, user_header="Remote-User", behind=PROXY))
    over = {"HTTP_X_FORWARDED_PROTO": "https"}
    assert guard.is_encrypted(asked(REMOTE_ADDR="10.0.0.5", **over)) and not guard.is_encrypted(asked(**over))
