"""What is sent about the directory: values are values, whatever they hold, and its own names are nobody else's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.directory import directory_sql, keeping
from dbhandler.engine import sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import InvalidRequest
from dbhandler.requests.payload import Request
from dbhandler.requests.policy import MAX_USER, Policy
from dbhandler.requests.reserved_names import is_reserved
from dbhandler.trust.directory import USER
from tests.support.directories import standing

HOSTILE = "x'`\"\\%s;-- "


def about(name: str, server: str) -> list[Statement]:
    """Every statement that is about a name or a server."""
    one = standing(server, node=name, engine=name, version=name, labels=frozenset({name}), full=name)
    return [
        directory_sql.rights(name), directory_sql.holder(name), directory_sql.claim(name, server),
        directory_sql.take(name, server), directory_sql.reclaim(name, server, server), directory_sql.count_one(server),
        directory_sql.release([name, "b"], server, 60),
        directory_sql.fill([name, "b"], server), directory_sql.holders([name, "b"]), directory_sql.names_of(server),
        directory_sql.tell(one), directory_sql.move_names(server, name), directory_sql.forget_names(server),
        directory_sql.forget_server(server), directory_sql.forget_doubles(server),
        directory_sql.note_doubles([name, "b"], server),
    ]  # fmt: skip


FIXED = [
    *directory_sql.MAKINGS, directory_sql.is_there(), directory_sql.give_account(), directory_sql.standings(),
    directory_sql.doubles(), directory_sql.counts(), keeping._BYTES, keeping._CONNECTIONS,
]  # fmt: skip


def test_no_value_is_part_of_a_statements_text() -> None:
    for hostile, plain in zip(about(HOSTILE, HOSTILE), about("a", "a"), strict=True):
        assert hostile.text == plain.text
        assert any(HOSTILE in str(value) for value in hostile.values)


@pytest.mark.parametrize("statement", [*about("a", "b"), *FIXED], ids=lambda statement: statement.text[:40])
def test_the_driver_can_put_the_values_in(statement: Statement) -> None:
    # It formats the text even where there is none: a lone per cent sign stops it.
    assert statement.text.count("%s") == len(statement.values)
    filled = statement.text % tuple("?" for _ in statement.values)
    assert "%" not in filled and "{" not in filled


@given(names=st.lists(st.text(max_size=64), min_size=1, max_size=20), server=st.text(min_size=1, max_size=64))
def test_names_stay_in_their_order_beside_their_server(names: list[str], server: str) -> None:
    for statement in (directory_sql.fill(names, server), directory_sql.note_doubles(names, server)):
        assert statement.values == tuple(word for name in names for word in (name, server))
    assert directory_sql.holders(names).values == tuple(names)
    assert directory_sql.release(names, server, 7).values == (server, *names, 7)
    for statement in (directory_sql.fill(names, server), directory_sql.release(names, server, 7)):
        assert statement.text.count("%s") == len(statement.values)


def test_names_are_compared_by_the_byte() -> None:
    # Whether two names are one is each server's own rule, and two keys of servers may differ in letter case alone.
    [names] = [statement.text for statement in directory_sql.MAKINGS if ".names " in statement.text]
    assert len(re.findall(r"VARCHAR\(64\) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", names)) == 2


@pytest.mark.parametrize("word", [str.lower, str.upper, str.title])
def test_its_account_and_its_database_are_nobody_elses_in_any_letter_case(word: type[str]) -> None:
    policy = Policy(name_pattern=re.compile(".*"))
    user, database = word(USER), word(directory_sql.DATABASE)
    for engine in MAX_USER:
        with pytest.raises(InvalidRequest, match="the user name is reserved"):
            policy.check_user(user, engine)
    for request in (Request(database), Request(database, sealed="Ym94")):
        with pytest.raises(InvalidRequest, match="belongs to the server itself"):
            policy.check(request)
    assert is_reserved(database)


def test_a_database_whose_name_only_begins_so_is_served() -> None:
    Policy().check(Request(f"{directory_sql.DATABASE}_2"))
    Policy().check_user(f"{USER}2", "mysql")


def test_it_is_none_of_the_databases_that_are_counted_or_told() -> None:
    assert f"'{directory_sql.DATABASE}'" in sql.SYSTEM_SCHEMAS
    assert f"'{directory_sql.DATABASE}'" in sql.databases().text
    assert f"'{directory_sql.DATABASE}'" in keeping._BYTES.text
