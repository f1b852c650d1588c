"""Where the console's page is, and who may look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.errors import ConfigError
from dbhandler.settings.console import ConsoleSettings, console_settings, is_within

PASSWORD = "twelve letters"


def test_by_default_only_this_host_reaches_it() -> None:
    settings = console_settings({})
    assert settings == ConsoleSettings("127.0.0.1", 8080)
    assert settings.is_on_loopback and not settings.has_login


@pytest.mark.parametrize(
    ("value", "host", "port", "is_on_loopback"),
    [
        (":80", "", 80, False), ("0.0.0.0:8080", "0.0.0.0", 8080, False), ("[::1]:1", "::1", 1, True),
        ("localhost:8080", "localhost", 8080, True), ("127.9.9.9:65535", "127.9.9.9", 65535, True),
        ("console.example:8080", "console.example", 8080, False), ("[::]:8080", "::", 8080, False),
    ],
)  # fmt: skip
def test_where_it_is(value: str, host: str, port: int, is_on_loopback: bool) -> None:
    settings = console_settings({"DBHANDLER_CONSOLE": value})
    assert (settings.host, settings.port, settings.is_on_loopback) == (host, port, is_on_loopback)


@pytest.mark.parametrize("value", ["8080", "x", ":0", ":65536", "::1:80", "[x]:80", "a b:80", ":８０", "http://x:80"])
def test_what_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="DBHANDLER_CONSOLE has to be :port or host:port"):
        console_settings({"DBHANDLER_CONSOLE": value})


def test_a_password_that_is_soon_guessed_is_refused_and_none_is_quoted() -> None:
    with pytest.raises(ConfigError, match="12 to 1024 characters") as refused:
        console_settings({"DBHANDLER_CONSOLE_PASSWORD": "secret"})
    assert "secret" not in str(refused.value)
    settings = console_settings({"DBHANDLER_CONSOLE_PASSWORD": PASSWORD})
    assert settings.has_login and PASSWORD not in repr(settings)


def test_a_header_is_believed_from_a_proxy_only() -> None:
    with pytest.raises(ConfigError, match="needs DBHANDLER_CONSOLE_BEHIND"):
        console_settings({"DBHANDLER_CONSOLE_USER_HEADER": "Remote-User"})
    with pytest.raises(ConfigError, match="needs DBHANDLER_CONSOLE_USER_HEADER"):
        console_settings({"DBHANDLER_CONSOLE_BEHIND": "10.0.0.1"})
    both = {"DBHANDLER_CONSOLE_USER_HEADER": "Remote-User", "DBHANDLER_CONSOLE_BEHIND": "10.0.0.1, fd00::/64"}
    settings = console_settings(both)
    assert settings.has_login and len(settings.behind) == 2
    for wrong in ({"DBHANDLER_CONSOLE_USER_HEADER": "a b"}, {"DBHANDLER_CONSOLE_BEHIND": "proxy"}):
        with pytest.raises(ConfigError, match="has to be"):
            console_settings({**both, **wrong})


@pytest.mark.parametrize(
    ("address", "inside"),
    [("10.0.0.1", True), ("10.0.0.2", False), ("::ffff:10.0.0.1", True), ("fd00::5", True), ("x", False), ("", False)],
)
def test_an_address_is_within_networks(address: str, inside: bool) -> None:
    settings = console_settings(
        {"DBHANDLER_CONSOLE_USER_HEADER": "Remote-User", "DBHANDLER_CONSOLE_BEHIND": "10.0.0.1 fd00::/64"}
    )
    assert is_within(address, settings.behind) is inside


def test_what_else_it_looks_at() -> None:
    settings = console_settings({
        "DBHANDLER_CONSOLE_DOORS": "proxy, other:3307", "DBHANDLER_CONSOLE_HISTORY": "/history",
        "DBHANDLER_CLUSTER_SIZE": "5",
    })  # fmt: skip
    assert (settings.doors, settings.history, settings.cluster_size) == (
        ("proxy:3306", "other:3307"), Path("/history"), 5,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="whole path"):
        console_settings({"DBHANDLER_CONSOLE_HISTORY": "history"})
