"""How another server is told how an account logs in: in the same ways, and in no other."""

from __future__ import annotations

import json

import pytest

from dbhandler.engine.password_hash import Way
from dbhandler.engine.stored_ways import told, ways_of

NEW, OLD = "*" + "A" * 40, "*" + "B" * 40
SHA_NEW, SHA_OLD = "$A$005$new'\\\x01", "$A$005$old"
USER = "o'brien%"


def ways(*stored: str, plugin: str = "mysql_native_password") -> list[Way]:
    return [Way(plugin, one, False) for one in stored]


def test_mariadb_is_told_all_ways_in_one_statement() -> None:
    [one] = told(USER, ways(NEW), "mariadb")
    assert one.text == "ALTER USER %s@%s IDENTIFIED VIA mysql_native_password USING %s"
    assert one.values == (USER, "%", NEW)
    [two] = told(USER, ways(NEW, OLD), "mariadb")
    assert two.text.endswith("VIA mysql_native_password USING %s OR mysql_native_password USING %s")
    assert two.values == (USER, "%", NEW, OLD)


def test_mysql_is_told_the_former_one_first_and_forgets_what_it_had() -> None:
    newest, discarded = told(USER, ways(SHA_NEW, plugin="caching_sha2_password"), "mysql")
    assert "RETAIN" not in newest.text and discarded.text.endswith("DISCARD OLD PASSWORD")
    former, discarded, last = told(USER, ways(SHA_NEW, SHA_OLD, plugin="caching_sha2_password"), "mysql")
    assert "RETAIN" not in former.text and discarded.text.endswith("DISCARD OLD PASSWORD")
    assert last.text.endswith(" RETAIN CURRENT PASSWORD")
    assert SHA_OLD in map(str, former.values) and SHA_NEW in map(str, last.values)
    assert SHA_OLD not in map(str, last.values)


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
@pytest.mark.parametrize("count", [1, 2])
def test_no_password_and_no_name_is_in_a_text_or_a_log(engine: str, count: int) -> None:
    statements = told(USER, ways(*[SHA_NEW, SHA_OLD][:count]), engine)
    for statement in statements:
        assert statement.text.count("%s") == len(statement.values) and "%" not in statement.text.replace("%s", "")
        assert USER not in statement.text and SHA_NEW not in statement.text and SHA_OLD not in statement.text
        # Of a statement with a password only the number is ever told.
        assert statement.secret or not {SHA_NEW, SHA_OLD} & set(map(str, statement.values))


def test_what_was_told_is_what_is_read() -> None:
    kept = {"auth_or": [{}, {"plugin": "mysql_native_password", "authentication_string": OLD}]}
    row = [json.dumps({"plugin": "mysql_native_password", "authentication_string": NEW, **kept})]
    assert ways_of(row) == ways(NEW, OLD)
    mysql = ["caching_sha2_password", SHA_NEW, "Y", json.dumps({"additional_password": SHA_OLD})]
    assert [(way.stored, way.locked) for way in ways_of(mysql)] == [(SHA_NEW, True), (SHA_OLD, True)]


@pytest.mark.parametrize("row", [["{"], ["[]"], ["null"], ["caching_sha2_password", None, "N", None]])
def test_what_is_not_to_be_understood_is_no_way(row: list[object]) -> None:
    assert [way for way in ways_of(row) if way.stored] == []
