"""When two names are one: as the server says."""

from __future__ import annotations

from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.names import Names
from dbhandler.provisioning.privilege_sql import Rules
from tests.support.fakes import RecordingServer


def names(replies: dict[str, str]) -> tuple[Names, RecordingServer]:
    server = RecordingServer({privilege_sql.rules(): list(replies.items()), privilege_sql.folded("SHOP"): [("shop",)]})
    return Names(server), server


def test_capitals_count_where_the_server_says_so_and_it_is_asked_once() -> None:
    made, server = names({"lower_case_table_names": "0"})
    assert (made.folded("SHOP"), made.pattern("A_B"), made.rules()) == ("SHOP", r"A\_B", Rules())
    assert server.executed == [privilege_sql.rules()]


def test_capitals_do_not_count_where_the_server_says_so() -> None:
    for value in ("1", "2"):
        assert names({"lower_case_table_names": value})[0].folded("SHOP") == "shop"


def test_whether_grants_have_wildcards_is_asked_each_time_where_it_may_change() -> None:
    made, server = names({"lower_case_table_names": "0", "partial_revokes": "ON"})
    assert made.rules() == Rules(wildcards=False)
    server.replies[privilege_sql.partial_revokes()] = [(0,)]
    assert made.pattern("a_b") == r"a\_b"
    server.replies[privilege_sql.partial_revokes()] = [(1,)]
    assert made.pattern("a_b") == "a_b"
