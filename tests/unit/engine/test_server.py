"""The driver's errors become ours, and no secret leaves with them. The driver's `connect` is the one thing replaced."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable

import pymysql
import pytest

from dbhandler.engine.password_hash import native_hash, sha2_hash
from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement, create_user
from dbhandler.errors import DbHandlerError, Full, ServerError, Unavailable
from tests.support.fakes import Clock

QUESTION = Statement("SELECT %s", (1,))


class Driver:
    """Stands for pymysql.connect, its connections and their cursors: raises what it is told, once each."""

    def __init__(self) -> None:
        self.errors: list[Exception | None] = []
        self.refusals: list[Exception | None] = []
        self.connects: list[dict[str, object]] = []
        self.executed: list[tuple[str, object]] = []
        self.closed = 0
        self.rows: tuple[tuple[object, ...], ...] = ((1,),)
        self.version = "11.8.3-MariaDB"

    def connect(self, **options: object) -> Driver:
        self.connects.append(options)
        if self.refusals and (error := self.refusals.pop(0)):
            raise error
        return self

    def cursor(self) -> Driver:
        return self

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, text: str, values: object) -> None:
        self.executed.append((text, values))
        if self.errors and (error := self.errors.pop(0)):
            raise error

    def fetchall(self) -> tuple[tuple[object, ...], ...]:
        return self.rows

    def get_server_info(self) -> str:
        return self.version

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()
    monkeypatch.setattr(pymysql, "connect", driver.connect)
    return driver


@pytest.fixture
def server() -> Server:
    return Server("/run/mysqld.sock", "mysql")


def error_of(server: Server, statement: Statement = QUESTION) -> DbHandlerError:
    with pytest.raises(DbHandlerError) as caught:
        server.execute(statement)
    return caught.value


def test_one_connection_serves_all_statements(driver: Driver, server: Server) -> None:
    assert server.execute(QUESTION) == [(1,)]
    assert server.execute(QUESTION) == [(1,)]
    assert len(driver.connects) == 1
    assert driver.executed == [("SELECT %s", (1,))] * 2


def test_a_connection_commits_by_itself_and_waits_for_nothing_for_ever(driver: Driver, server: Server) -> None:
    server.execute(QUESTION)
    [options] = driver.connects
    assert options["autocommit"] is True
    assert all(options[name] for name in ("connect_timeout", "read_timeout", "write_timeout"))
    assert options["unix_socket"] == "/run/mysqld.sock"


@pytest.mark.parametrize("errno", [2002, 2003, 2006, 2013, 0])
def test_a_lost_connection_is_unavailable_and_opened_anew(driver: Driver, server: Server, errno: int) -> None:
    driver.errors = [pymysql.err.OperationalError(errno, "gone"), None]
    assert isinstance(error_of(server), Unavailable)
    assert driver.closed == 1
    assert server.execute(QUESTION) == [(1,)]
    assert len(driver.connects) == 2


@pytest.mark.parametrize("error", [pymysql.err.InterfaceError("x"), ConnectionRefusedError(111, "no"), TimeoutError()])
def test_what_the_driver_lets_through_is_unavailable(driver: Driver, server: Server, error: Exception) -> None:
    driver.refusals = [error]
    assert isinstance(error_of(server), Unavailable)


PASSES = [
    28, 122, 1021, 1023, 1026, 1030, 1037, 1040, 1041, 1047, 1053, 1077, 1080, 1135, 1152, 1153, 1158, 1159, 1160, 1161,
    1180, 1181, 1184, 1203, 1205, 1206, 1213, 1218, 1223, 1226, 1290, 1317, 1345, 1614, 1637, 1792, 1836, 1927, 3024,
    3168, 3572, 4031,
]  # fmt: skip
"""Written down once here and once in the code: a number that is lost there, or changed, is missed here."""


@pytest.mark.parametrize("errno", PASSES)
def test_what_passes_by_itself_is_unavailable(driver: Driver, server: Server, errno: int) -> None:
    driver.errors = [pymysql.err.OperationalError(errno, "later")]
    error = error_of(server)
    assert isinstance(error, Unavailable)
    assert f"error {errno}" in str(error)


@pytest.mark.parametrize("errno", [1007, 1044, 1064, 1115, 1273, 1396])
def test_what_does_not_pass_is_refused_with_its_number(driver: Driver, server: Server, errno: int) -> None:
    driver.errors = [pymysql.err.ProgrammingError(errno, "never")]
    error = error_of(server)
    assert isinstance(error, ServerError)
    assert error.errno == errno
    assert f"error {errno}" in str(error)
    assert driver.closed == 0


@pytest.mark.parametrize("errno", [1064, 1396, 1040, 2013])
def test_a_statement_with_a_password_leaves_no_trace_of_it(driver: Driver, server: Server, errno: int) -> None:
    driver.errors = [pymysql.err.ProgrammingError(errno, "near 'IDENTIFIED BY hunter2'")]
    error = error_of(server, create_user("u", "hunter2", "mariadb"))
    assert "hunter2" not in str(error)
    assert "hunter2" not in "".join(traceback.format_exception(error))
    assert f"error {errno}" in str(error)


def test_a_login_that_fails_leaves_no_trace_of_its_password(driver: Driver) -> None:
    driver.refusals = [pymysql.err.OperationalError(1045, "Access denied (using hunter2)")]
    visitor = Server("/s", "u", "hunter2")
    with pytest.raises(ServerError) as caught:
        visitor.connect()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_other_statements_tell_the_servers_own_words(driver: Driver, server: Server) -> None:
    driver.errors = [pymysql.err.ProgrammingError(1115, "Unknown character set: 'klingon'")]
    assert "Unknown character set: 'klingon'" in str(error_of(server))


def test_a_defect_of_ours_is_no_error_of_the_servers(driver: Driver, server: Server) -> None:
    driver.errors = [KeyError("x")]
    with pytest.raises(KeyError):
        server.execute(QUESTION)


def test_it_waits_until_the_server_answers(driver: Driver, server: Server, clock: Clock) -> None:
    away = pymysql.err.OperationalError(2002, "no socket")
    driver.refusals = [away, away, None]
    server.wait_until_ready(60, clock=clock, sleep=clock.advance)
    assert len(driver.connects) == 3


def test_it_waits_no_longer_than_told(driver: Driver, server: Server, clock: Clock) -> None:
    driver.refusals = [pymysql.err.OperationalError(2002, "no socket")] * 10_000
    began = clock()
    with pytest.raises(Unavailable):
        server.wait_until_ready(60, clock=clock, sleep=clock.advance)
    assert 60 <= clock() - began < 61


def test_a_server_that_refuses_a_password_is_not_waited_for(driver: Driver, clock: Clock) -> None:
    driver.refusals = [pymysql.err.OperationalError(1045, "Access denied")]
    with pytest.raises(ServerError):
        Server("/socket", "clerk", "a password").wait_until_ready(60, clock=clock, sleep=clock.advance)


def test_our_own_account_refused_is_a_fault_that_passes(driver: Driver, clock: Clock) -> None:
    driver.refusals = [pymysql.err.OperationalError(1698, "Access denied")]
    Server("/run/mysqld.sock", "mysql", refusal_passes=True).wait_until_ready(60, clock=clock, sleep=clock.advance)
    assert len(driver.connects) == 2


@pytest.mark.parametrize(("errno", "passes"), [(28, True), (30, True), (122, True), (13, False), (281, False)])
def test_a_full_disk_inside_another_error_passes(driver: Driver, server: Server, errno: int, passes: bool) -> None:
    driver.errors = [pymysql.err.OperationalError(1006, f"Can't create database 'a' (errno: {errno} \"…\")")]
    with pytest.raises(Unavailable if passes else ServerError):
        server.execute(Statement("CREATE DATABASE `a`"))


ENDS = [(errno, 1) for errno in (1053, 1077, 1080, 1152, 1153, 1158, 1159, 1160, 1161, 1792, 1927, 4031)]


@pytest.mark.parametrize(("errno", "closed"), [(1205, 0), (1213, 0), (1317, 0), (1290, 0), (1184, 1), *ENDS])
def test_a_connection_that_the_server_keeps_is_kept(driver: Driver, server: Server, errno: int, closed: int) -> None:
    driver.errors = [pymysql.err.OperationalError(errno, "later"), None]
    assert isinstance(error_of(server), Unavailable)
    server.execute(QUESTION)
    assert (driver.closed, len(driver.connects)) == (closed, 1 + closed)


def test_where_all_connections_are_taken_our_own_account_asks_again_for_a_moment(driver: Driver) -> None:
    full = pymysql.err.OperationalError(1040, "Too many connections")
    driver.refusals = [full] * 5
    assert Server("/s", "mysql", patience=30.0).execute(QUESTION) == [(1,)]
    driver.refusals = [full]
    with pytest.raises(Full, match="all connections of the database server are taken"):
        Server("/s", "mysql").execute(QUESTION)


def test_after_asking_in_vain_it_does_not_insist_at_once(driver: Driver) -> None:
    driver.refusals = [pymysql.err.OperationalError(1040, "Too many connections")] * 10_000
    server = Server("/s", "mysql", patience=0.05)
    assert isinstance(error_of(server), Full)
    first = len(driver.connects)
    assert isinstance(error_of(server), Full)
    assert (first > 2, len(driver.connects)) == (True, first + 1)


def test_whether_it_serves_can_be_asked(driver: Driver, server: Server) -> None:
    assert server.serves()
    driver.errors = [pymysql.err.OperationalError(1047, "no quorum")]
    assert not server.serves()


def kept_by_mariadb(*passwords: str) -> tuple[str]:
    first, *more = [
        {"plugin": "mysql_native_password", "authentication_string": native_hash(password)} for password in passwords
    ]
    return (json.dumps({"access": 0, **first, **({"auth_or": [{}, *more]} if more else {})}),)


def kept_by_mysql(*passwords: str) -> tuple[object, ...]:
    first, *more = [sha2_hash(password, "0123456789abcdefghij", 5000) for password in passwords]
    return "caching_sha2_password", first, "N", json.dumps({"additional_password": more[0]}) if more else None


@pytest.mark.parametrize("passwords", [["right"], ["new", "right"], ["right", "old"]])
@pytest.mark.parametrize(
    ("version", "table", "kept"),
    [("11.8.3-MariaDB", "global_priv", kept_by_mariadb), ("9.7.4-2", "mysql.user", kept_by_mysql)],
)
def test_a_password_is_proved_over_the_open_connection(
    driver: Driver,
    server: Server,
    version: str,
    table: str,
    kept: Callable[..., tuple[object, ...]],
    passwords: list[str],
) -> None:
    driver.version, driver.rows = version, (kept(*passwords),)
    assert server.accepts("u", "right")
    assert not server.accepts("u", "wrong")
    assert len(driver.connects) == 1
    assert table in driver.executed[0][0]


def test_what_is_no_plain_password_is_tried(driver: Driver, server: Server) -> None:
    driver.rows = (("no JSON",),)
    driver.refusals = [None, None, pymysql.err.OperationalError(1045, "no")]
    assert server.accepts("u", "p")
    assert not server.accepts("u", "p")
    assert [connect["user"] for connect in driver.connects] == ["mysql", "u", "u"]
