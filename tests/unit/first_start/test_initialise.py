"""What the first start makes on the server."""

from __future__ import annotations

import re

import pytest

from dbhandler.engine import sql
from dbhandler.engine.password_hash import stored
from dbhandler.errors import InvalidRequest
from dbhandler.first_start.initialise import Initialiser
from dbhandler.first_start.official import FirstStart, Root, User
from dbhandler.provisioning import privilege_sql
from tests.support.fakes import RecordingServer


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
    ]


def test_root_from_everywhere_and_at_the_socket(world: World) -> None:
    made = world.make(root=Root("%", "pw"))
    assert world.server.executed == [
        sql.create_user("root", "pw", "mariadb"),
        sql.grant_everything("root", "%"),
        sql.change_password_by_hash("root", stored("pw", "mariadb"), "localhost", "mariadb"),
    ]
    assert made.root == Root("%", "pw")
    assert not world.said


def test_root_at_the_socket_only(world: World) -> None:
    world.make(root=Root("localhost", ""))
    assert world.server.executed == [sql.change_password_by_hash("root", "", "localhost", "mariadb")]


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_hashes(world: World, engine: str) -> None:
    world.make(engine, root=Root("%", password_hash="*A"), user=User("u", "%", password_hash="*B"))
    assert world.server.executed == [
        sql.create_user_by_hash("u", "*B", "%", engine),
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
