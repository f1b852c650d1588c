"""Quoting and statements, read back as the driver and the server read them."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbhandler.engine import sql

any_name = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)


def sent(text: str) -> str:
    """What the driver sends: it always formats, and `%%` becomes `%`."""
    return text % ()


def granted(name: str) -> str:
    """The database in a GRANT as the server reads it."""
    statement = sql.grant_database(sql.grant_pattern(name), "user")
    text = statement.text % tuple("?" for _ in statement.values)
    return unquoted(text.removeprefix("GRANT ALL PRIVILEGES ON ").removesuffix(".* TO ?@?"))


def unquoted(quoted: str) -> str:
    """The server's reading of one quoted identifier that has to be the whole text."""
    assert re.fullmatch(r"`(?:[^`]|``)*`", quoted, re.DOTALL)
    return quoted[1:-1].replace("``", "`")


def wildcard(pattern: str) -> re.Pattern[str]:
    """The server's reading of the database in a GRANT, as a regular expression."""
    signs = {"_": ".", "%": ".*"}
    parts = re.findall(r"\\.|[^\\]", pattern, re.DOTALL)
    return re.compile("".join(signs.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)


@given(any_name)
def test_an_identifier_is_read_back_as_it_was(name: str) -> None:
    assert unquoted(sent(sql.identifier(name))) == name


@given(any_name)
def test_a_grant_pattern_means_its_own_database(name: str) -> None:
    assert wildcard(granted(name)).fullmatch(name)


@example("a_b", "axb")
@example("a%b", "axxb")
@example("a\\_b", "a\\xb")
@example("a\\", "a")
@given(st.text("ab_%\\`", min_size=1, max_size=6), st.text("abx_%\\`", min_size=1, max_size=6))
def test_a_grant_pattern_means_no_other_database(name: str, other: str) -> None:
    assert bool(wildcard(granted(name)).fullmatch(other)) == (name == other)


@given(any_name, st.sampled_from([None, "utf8mb4_bin"]))
def test_the_only_placeholders_of_create_database_are_those_of_its_values(name: str, collation: str | None) -> None:
    statement = sql.create_database(name, "utf8mb4", collation)
    text = statement.text % tuple("?" for _ in statement.values)
    assert text.startswith("CREATE DATABASE `")
    assert text.endswith("` CHARACTER SET ?" + (" COLLATE ?" if collation else ""))


def test_create_database_says_no_if_not_exists() -> None:
    # The server's error 1007 is the only way to know, without a race, who made a database.
    assert "IF NOT EXISTS" not in sql.create_database("a", "utf8mb4", None).text


def test_names_and_passwords_of_accounts_are_values_never_text() -> None:
    statement = sql.create_user_by_hash("user'x", "ha'sh", "%", "mariadb")
    assert statement.values == ("user'x", "%", "ha'sh")
    assert "'" not in statement.text
    assert statement.secret


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
@pytest.mark.parametrize(
    ("most", "needs_tls", "end"),
    [
        (None, False, "AS %s"),
        (None, True, "AS %s REQUIRE SSL"),
        (7, False, "AS %s WITH MAX_USER_CONNECTIONS %s"),
        (7, True, "AS %s REQUIRE SSL WITH MAX_USER_CONNECTIONS %s"),
    ],
)
def test_an_account_that_needs_tls_says_so_before_its_limits(
    engine: str, most: int | None, needs_tls: bool, end: str
) -> None:
    statement = sql.create_user("clerk", "hunter2", engine, most, needs_tls=needs_tls)
    assert statement.text.endswith(end if engine == "mysql" else end.replace("AS %s", "BY PASSWORD %s"))
    assert statement.text.count("%s") == len(statement.values) and statement.secret
    assert "hunter2" not in str(statement.values)
