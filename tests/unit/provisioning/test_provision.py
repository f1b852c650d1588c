"""Request -> effect -> outcome, for bare requests, against a server that records."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dbhandler.engine import sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import ServerError, Unavailable
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.privilege_sql import Rules
from dbhandler.provisioning.provision import Outcome, Provisioner
from dbhandler.requests.box import Keys
from dbhandler.requests.payload import Request
from dbhandler.requests.policy import Policy
from dbhandler.requests.vocabulary import Status
from tests.support.fakes import RecordingServer, Remembering, Rows

Replies = Mapping[Statement, Rows | Exception]
HOLDERS = privilege_sql.holders("a", None, Rules())
ASKED = [privilege_sql.rules(), sql.database_exists("a"), HOLDERS]
SESSIONS = privilege_sql.sessions()
Build = Callable[..., tuple[Provisioner, RecordingServer]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Makes the Provisioner under test and its server."""

    def build(replies: Replies | None = None, policy: Policy | None = None) -> tuple[Provisioner, RecordingServer]:
        server = RecordingServer(replies)
        keys, registry = Keys(tmp_path / "key"), Remembering()
        rules = policy or Policy()
        return Provisioner(server, rules, "mariadb", keys, registry, lambda: None), server  # type: ignore[arg-type]

    return build


def create(name: str, charset: str = "utf8mb4", collation: str | None = None) -> Statement:
    return sql.create_database(name, charset, collation)


def test_a_new_database_is_created(build: Build) -> None:
    provisioner, server = build()
    assert provisioner.create_all((Request("a"),)) == [Outcome(Status.CREATED, "a")]
    assert server.executed == [*ASKED, SESSIONS, create("a")]


def test_an_existing_database_exists_and_stays_as_it_is(build: Build) -> None:
    provisioner, server = build({sql.database_exists("a"): [(1,)]})
    assert provisioner.create_all((Request("a"),)) == [Outcome(Status.EXISTS, "a")]
    assert create("a") not in server.executed


def test_a_database_that_was_made_by_somebody_else_meanwhile_exists(build: Build) -> None:
    provisioner, _ = build({create("a"): ServerError("exists", 1007)})
    assert provisioner.create_all((Request("a"),)) == [Outcome(Status.EXISTS, "a")]


def test_no_name_is_given_on_which_an_account_holds_a_privilege(build: Build) -> None:
    provisioner, server = build({HOLDERS: [("eve", "%")]})
    [outcome] = provisioner.create_all((Request("a"),))
    assert outcome.status == "denied"
    assert "'eve@%' holds privileges" in str(outcome.reason)
    assert create("a") not in server.executed


def test_charset_and_collation_are_passed_on(build: Build) -> None:
    provisioner, server = build()
    provisioner.create_all((Request("a", charset="latin1", collation="latin1_bin"),))
    assert create("a", "latin1", "latin1_bin") in server.executed


def test_several_requests_have_one_outcome_each(build: Build) -> None:
    provisioner, _ = build({create("b"): ServerError("exists", 1007)})
    outcomes = provisioner.create_all((Request("a"), Request("b"), Request("c")))
    assert [(outcome.database, outcome.status) for outcome in outcomes] == [
        ("a", "created"), ("b", "exists"), ("c", "created"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["mysql", "a;b", "x; CREATE USER y", "../x"])
def test_a_payload_with_one_forbidden_name_does_nothing_at_all(build: Build, name: str) -> None:
    provisioner, server = build()
    [outcome] = provisioner.create_all((Request("good"), Request(name)))
    assert outcome.status == "invalid"
    assert outcome.reason
    assert server.executed == []


@pytest.mark.parametrize(
    ("errno", "rule"),
    [
        (1115, "this server does not know the character set: 'klingon / k_ci'"),
        (1273, "this server does not know the collation: 'klingon / k_ci'"),
        (1253, "the collation does not belong to the character set: 'klingon / k_ci'"),
    ],
)
def test_a_charset_that_does_not_exist_is_invalid(build: Build, errno: int, rule: str) -> None:
    provisioner, _ = build({create("a", "klingon", "k_ci"): ServerError("no", errno)})
    assert provisioner.create_all((Request("a", None, "klingon", "k_ci"),)) == [
        Outcome(Status.INVALID, "a", reason=rule)
    ]


def test_what_the_server_refuses_is_failed_and_the_next_is_served(build: Build) -> None:
    provisioner, _ = build({create("a"): ServerError("the database server refused (error 3)", 3)})
    refused, made = provisioner.create_all((Request("a"), Request("b")))
    assert refused == Outcome(Status.FAILED, "a", reason="the database server refused (error 3)")
    assert made == Outcome(Status.CREATED, "b")


def test_a_server_that_is_away_is_the_callers_matter(build: Build) -> None:
    provisioner, _ = build({create("b"): Unavailable("away")})
    with pytest.raises(Unavailable):
        provisioner.create_all((Request("a"), Request("b")))


def test_with_quoting_even_a_permissive_pattern_makes_one_database_of_that_name(build: Build) -> None:
    name = "x`; DROP DATABASE y; %s"
    provisioner, server = build(policy=Policy(name_pattern=re.compile(".*")))
    assert provisioner.create_all((Request(name),)) == [Outcome(Status.CREATED, name)]
    assert server.executed[-1].text == "CREATE DATABASE `x``; DROP DATABASE y; %%s` CHARACTER SET %s"


def test_the_owners_quota_is_kept_for_new_databases_only(build: Build) -> None:
    replies: Replies = {sql.databases(): [("a",), ("b",)], create("a"): ServerError("exists", 1007)}
    provisioner, server = build(replies, Policy(max_databases=2))
    old, new = provisioner.create_all((Request("a"), Request("c")))
    assert old.status == "exists"
    assert (new.status, create("c") in server.executed) == ("denied", False)
    assert "DBHANDLER_MAX_DATABASES" in str(new.reason)


def test_asked_twice_for_the_same_nothing_changes(build: Build) -> None:
    provisioner, server = build()
    provisioner.create_all((Request("a"),))
    server.replies[create("a")] = ServerError("exists", 1007)
    assert provisioner.create_all((Request("a"),)) == [Outcome(Status.EXISTS, "a")]


@pytest.fixture
def node(tmp_path: Path) -> tuple[Provisioner, RecordingServer]:
    """A provisioner on a node of a cluster."""
    server = RecordingServer()
    keys, registry = Keys(tmp_path / "key"), Remembering()
    return Provisioner(server, Policy(), "mariadb", keys, registry, lambda: None, True), server  # type: ignore[arg-type]


def test_a_node_creates_without_an_error_where_another_was_faster(node: tuple[Provisioner, RecordingServer]) -> None:
    provisioner, server = node
    missing = sql.create_missing_database("a", "utf8mb4", None)
    assert missing.text == "CREATE DATABASE IF NOT EXISTS `a` CHARACTER SET %s"
    assert provisioner.create_all((Request("a"),)) == [Outcome(Status.CREATED, "a")]
    assert missing in server.executed
    server.replies[sql.warnings()] = [("Note", 1007, "Can't create database 'a'; database exists")]
    assert provisioner.create_all((Request("a"),)) == [Outcome(Status.EXISTS, "a")]
    server.replies[sql.database_exists("a")] = [(1,)]
    server.executed.clear()
    assert provisioner.create_all((Request("a"),)) == [Outcome(Status.EXISTS, "a")]
    assert missing not in server.executed


def test_an_events_box_for_another_node_is_left_to_it(node: tuple[Provisioner, RecordingServer], build: Build) -> None:
    request = Request("a", sealed="bm90IGZvciB1cw==")
    assert node[0].create_all((request,), ltime=5) == [Outcome(Status.ELSEWHERE, "a")]
    # A query was sent to this node alone, and a plain server is the only one.
    assert node[0].create_all((request,))[0].status == "denied"
    assert build()[0].create_all((request,), ltime=5)[0].status == "denied"
