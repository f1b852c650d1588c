"""What the first start makes on the server."""

from __future__ import annotations

import re

import pytest

from dbhandler.engine import sql
from dbhandler.engine.password_hash import stored
from dbhandler.errors import InvalidRequest
from dbhandler.first_start import initial_sql
from dbhandler.first_start.initialise import HEALTH_USER, Initialiser
from dbhandler.first_start.official import FirstStart, Root, Source, User
from dbhandler.provisioning import privilege_sql
from tests.support.fakes import RecordingServer

ALONE = initial_sql.logged(False)
"""What comes after it no replica gets."""


class World:
    def __init__(self) -> None:
        self.server, self.said = RecordingServer(), list[str]()

    def make(self, engine: str = "mariadb", **wanted: object) -> FirstStart:
        everything = {"root": None, "databases": (), "user": None, "charset": None, "collation": None} | wanted
        initialiser = Initialiser(self.server, engine, self.said.append)  # type: ignore[arg-type]
        return initialiser.make(FirstStart(**everything))  # type: ignore[arg-type]


@pytest.fixture
def world() -> World:
    return World()


def test_databases_and_a_user_of_all_of_them(world: World) -> None:
    world.make(databases=("a_b", "c"), user=User("clerk", "10.%", "pw"), charset="latin1", collation="latin1_bin")
    assert world.server.executed == [
        sql.create_missing_database("a_b", "latin1", "latin1_bin"),
        sql.create_missing_database("c", "latin1", "latin1_bin"),
        sql.create_user("clerk", "pw", "mariadb", host="10.%"),
        privilege_sql.rules(),
        sql.grant_database(r"a\_b", "clerk", "10.%"),
        sql.grant_database("c", "clerk", "10.%"),
        ALONE,
    ]


def test_root_from_everywhere_and_at_the_socket(world: World) -> None:
    made = world.make(root=Root("%", "pw"))
    assert world.server.executed == [
        ALONE,
        sql.create_user("root", "pw", "mariadb"),
        sql.grant_everything("root", "%"),
        sql.change_password_by_hash("root", stored("pw", "mariadb"), "localhost", "mariadb"),
    ]
    assert made.root == Root("%", "pw")
    assert not world.said


def test_root_at_the_socket_only(world: World) -> None:
    world.make(root=Root("localhost", ""))
    assert world.server.executed == [ALONE, sql.change_password_by_hash("root", "", "localhost", "mariadb")]


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_hashes(world: World, engine: str) -> None:
    world.make(engine, root=Root("%", password_hash="*A"), user=User("u", "%", password_hash="*B"))
    assert world.server.executed == [
        sql.create_user_by_hash("u", "*B", "%", engine),
        ALONE,
        sql.create_user_by_hash("root", "*A", "%", engine),
        sql.grant_everything("root", "%"),
        sql.change_password_by_hash("root", "*A", "localhost", engine),
    ]


def test_a_generated_password_is_said_and_handed_on(world: World) -> None:
    made = world.make(root=Root("%", random=True))
    [line] = world.said
    found = re.fullmatch(r"GENERATED ROOT PASSWORD: ([A-Za-z0-9]{32})", line)
    assert found and made.root and made.root.password == found[1]
    hashed = stored(found[1], "mariadb")
    assert world.server.executed[-1] == sql.change_password_by_hash("root", hashed, "localhost", "mariadb")


def test_a_password_for_once_is_expired_for_every_root(world: World) -> None:
    initialiser = Initialiser(world.server, "mysql", world.said.append)  # type: ignore[arg-type]
    initialiser.expire(Root("%", "pw", expired=True))
    assert set(world.server.executed) == {sql.expire_password("root", host) for host in ("%", "localhost")}


def test_warnings_reach_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.make(warnings=("MYSQL_USER is missing",))
    assert caplog.messages == ["MYSQL_USER is missing"]


def test_a_name_that_the_server_needs_for_a_file_is_refused_before_it_is_made(world: World) -> None:
    with pytest.raises(InvalidRequest, match="belongs to the server itself, for a schema or a file: 'ib_logfile1'"):
        world.make(databases=("ib_logfile1",))
    assert world.server.executed == []


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_the_account_that_replicas_log_in_with_is_one_that_they_get(world: World, engine: str) -> None:
    world.make(engine, replica=User("repl", "%", password_hash="*H"))
    assert world.server.executed == [
        sql.create_user_by_hash("repl", "*H", "%", engine),
        sql.Statement("GRANT REPLICATION SLAVE ON *.* TO %s@%s", ("repl", "%")),
        ALONE,
    ]


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_a_replica_follows_its_source_and_no_log_has_the_password(
    world: World, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    world.make(engine, source=Source("db1", 3307, "repl", "hunter2"))
    follow, alone = world.server.executed
    assert follow.secret and follow.values == ("db1", 3307, "repl", "hunter2", 10)
    assert ("slave_pos" if engine == "mariadb" else "SOURCE_AUTO_POSITION = 1") in follow.text
    assert alone == ALONE
    assert caplog.messages == ["this server is a replica of db1:3307"]


def test_time_zones_are_forgotten_on_this_server_alone(world: World) -> None:
    world.make(zones=False)
    assert world.server.executed == [ALONE, *initial_sql.forget_zones()]


def test_the_account_of_health_checks_is_one_of_this_machine(world: World) -> None:
    initialiser = Initialiser(world.server, "mariadb", world.said.append)  # type: ignore[arg-type]
    initialiser.make_health_account("REPLICA MONITOR", "pw")
    hosts = ["127.0.0.1", "::1", "localhost"]
    assert [statement.values[:2] for statement in world.server.executed[::2]] == [(HEALTH_USER, host) for host in hosts]
    assert [statement.text for statement in world.server.executed[1::2]] == [
        "GRANT REPLICA MONITOR ON *.* TO %s@%s"
    ] * 3
    assert "pw" not in str([statement.values for statement in world.server.executed])
