"""The owner's rules."""

from __future__ import annotations

import re

import pytest

from dbhandler.errors import Denied, InvalidRequest
from dbhandler.requests.payload import Request
from dbhandler.requests.policy import Policy


@pytest.mark.parametrize("name", ["wordpress", "a", "_", "9", "a-b", "a_b$", "A" * 64, "mysqld", "sys_", "my-sql"])
def test_an_ordinary_name_is_served(name: str) -> None:
    Policy().check(Request(name))


@pytest.mark.parametrize("name", ["mysql", "MySQL", "information_schema", "PERFORMANCE_SCHEMA", "sYs", "ndbinfo"])
def test_a_system_schema_is_refused_in_any_case(name: str) -> None:
    with pytest.raises(InvalidRequest, match="belongs to the server itself, for a schema or a file: '" + name):
        Policy().check(Request(name))


@pytest.mark.parametrize("name", ["a;b", "`a`", "a'b", 'a"b', "../x", "-a", "$a", "#a", "a.b", "a\\b", "ä", "a\n", "%"])
def test_a_name_outside_the_pattern_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"DBHANDLER_NAME_PATTERN|belongs to the server itself"):
        Policy().check(Request(name))


def test_the_owner_may_choose_another_pattern() -> None:
    policy = Policy(name_pattern=re.compile("app_.*"))
    policy.check(Request("app_1 ü`"))
    with pytest.raises(InvalidRequest, match=re.escape("app_.* (DBHANDLER_NAME_PATTERN): 'other'")):
        policy.check(Request("other"))


@pytest.mark.parametrize("name", ["MYSQL", "Sys", "#mysql50#../x"])
def test_no_pattern_opens_what_belongs_to_the_server(name: str) -> None:
    with pytest.raises(InvalidRequest, match="belongs to the server itself"):
        Policy(name_pattern=re.compile(".*")).check(Request(name))


def test_the_owner_may_want_sealed_requests_only() -> None:
    policy = Policy(require_sealed=True)
    policy.check(Request("a", sealed="Ym94"))
    with pytest.raises(Denied, match="DBHANDLER_REQUIRE_SEALED"):
        policy.check(Request("a"))


@pytest.mark.parametrize(
    "user",
    ["root", "ROOT", "admin", "mysql", "mariadb.sys", "mysql.session", "Public", "boss", "Dbhandler_Backup"],
)
def test_a_reserved_user_is_refused_in_any_case(user: str) -> None:
    policy = Policy(name_pattern=re.compile(".*"), admin_user="Boss")
    with pytest.raises(InvalidRequest, match="the user name is reserved"):
        policy.check_user(user, "mariadb")


@pytest.mark.parametrize(("engine", "longest"), [("mariadb", 80), ("mysql", 32)])
def test_a_user_name_is_as_long_as_the_engine_allows(engine: str, longest: int) -> None:
    Policy().check_user("u" * longest, engine)
    for length in (0, longest + 1):
        with pytest.raises(InvalidRequest, match=f"1 to {longest} characters here, this one has {length}"):
            Policy().check_user("u" * length, engine)


def test_a_user_may_have_a_name_of_one_character() -> None:
    Policy().check_user("u", "mariadb")
