"""Passwords as the engines store them."""

from __future__ import annotations

import re

import pytest

from dbhandler.engine.password_hash import Way, matches, sha2_hash, sha256_crypt, stored
from dbhandler.errors import InvalidRequest

NATIVE = "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"
SHA2 = bytes.fromhex(
    "2441243030412478795706354A5415432D013A6B477A674674651D4246522F6C6E56517164685275483149345757554E"
    "5A7474337A4F50493056784748692E76737857306232"
).decode()


def test_mariadb_stores_what_its_own_function_makes() -> None:
    # SELECT PASSWORD('mypass'). Source: MySQL 5.7 Reference Manual, 6.1.2.4.
    assert stored("mypass", "mariadb") == "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"


@pytest.mark.parametrize(
    ("password", "salt", "rounds", "digest"),
    [
        # Source: U. Drepper, Unix crypt using SHA-256 and SHA-512, the document's own test cases.
        ("Hello world!", "saltstring", 5000, "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        ("This is just a test", "toolongsaltstrin", 5000, "Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5"),
        (
            "a very much longer text to encrypt.  This one even stretches over morethan one line.",
            "anotherlongsalts", 1400, "Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1",
        ),
    ],
)  # fmt: skip
def test_sha_crypt(password: str, salt: str, rounds: int, digest: str) -> None:
    assert sha256_crypt(password.encode(), salt.encode(), rounds) == digest


def test_mysql_stores_a_salt_and_a_digest_and_another_one_each_time() -> None:
    made = {stored("a password", "mysql") for _ in range(5)}
    assert len(made) == 5
    for value in made:
        found = re.fullmatch(r"\$A\$005\$([A-Za-z0-9]{20})([./A-Za-z0-9]{43})", value)
        assert found and sha256_crypt(b"a password", found[1].encode(), 5000) == found[2]


def test_a_password_that_mysql_would_never_let_in_is_refused() -> None:
    assert stored("é" * 128, "mysql")
    with pytest.raises(InvalidRequest, match="at most 256 bytes, this one has 384"):
        stored("€" * 128, "mysql")
    assert stored("€" * 128, "mariadb")


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_no_password_is_stored_as_none(engine: str) -> None:
    assert stored("", engine) == ""


def test_mysql_stores_what_we_make() -> None:
    assert sha2_hash("secret", SHA2[7:27], 10_000) == SHA2


@pytest.mark.parametrize(("plugin", "kept"), [("mysql_native_password", NATIVE), ("caching_sha2_password", SHA2)])
def test_a_password_matches_or_does_not(plugin: str, kept: str) -> None:
    assert matches("secret", Way(plugin, kept, False)) is True
    assert matches("wrong", Way(plugin, kept, False)) is False
    assert matches("", Way(plugin, kept, False)) is False
    assert matches("secret" * 40, Way(plugin, kept, False)) is False


def test_a_locked_account_lets_nobody_in() -> None:
    assert matches("secret", Way("mysql_native_password", NATIVE, True)) is False


@pytest.mark.parametrize(
    ("plugin", "kept"),
    [("ed25519", NATIVE), ("None", "invalid"), ("mysql_native_password", ""), ("caching_sha2_password", SHA2[:-1])],
)
def test_what_is_no_known_hash_is_for_the_server_to_tell(plugin: str, kept: str) -> None:
    assert matches("secret", Way(plugin, kept, False)) is None
