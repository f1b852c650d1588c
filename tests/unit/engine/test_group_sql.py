"""The statements about a cluster's servers, for either engine."""

from __future__ import annotations

import pytest

from dbhandler.engine import group_sql, sql


@pytest.mark.parametrize("statement", [group_sql.size, group_sql.place])
def test_galera_tells_it_by_its_status_and_mysql_by_its_members(statement: object) -> None:
    assert callable(statement)
    assert statement("mariadb").text.startswith("SHOW GLOBAL STATUS")
    assert "replication_group_members" in statement("mysql").text


def test_who_is_in() -> None:
    assert group_sql.is_in("mariadb") == sql.serves()
    text = group_sql.is_in("mysql").text
    assert "MEMBER_ID = @@server_uuid" in text and "super_read_only = 0 OR MEMBER_ROLE = 'SECONDARY'" in text


def test_no_password_is_in_a_statements_text_and_each_is_marked() -> None:
    for statement in (group_sql.start("u", "p4ssword"), group_sql.clone("u", "10.0.0.1", 3306, "p4ssword")):
        assert statement.secret and "p4ssword" not in statement.text
        assert "p4ssword" in statement.values
