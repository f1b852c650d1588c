"""The binary log asked for as a replica would: what is sent, and what becomes of what comes."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import pytest

from dbhandler.distant import replication
from dbhandler.distant.position import Position
from dbhandler.distant.replication import NotThere, events, present_position
from dbhandler.engine.driver import pymysql
from dbhandler.errors import DbHandlerError, Unavailable
from tests.support.binlog import FORMAT, HEARTBEAT, XID, PlayedConnection

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
OPERATIONAL = pymysql.err.OperationalError


def asked(connection: PlayedConnection, engine: str, after: str = "") -> Iterator[bytes]:
    return events(connection, engine, Position.parse(after, engine))  # type: ignore[arg-type]


def position_of(connection: PlayedConnection, engine: str = "mariadb") -> str:
    return str(present_position(connection, engine))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("engine", "text", "position", "asked"),
    [
        ("mariadb", "0-5-7,1-5-2", "0-5-7,1-5-2", "SELECT @@log_bin, @@gtid_binlog_pos"),
        ("mysql", f"{UUID}:1-5,\n{UUID[:-1]}3:1", f"{UUID}:1-5,{UUID[:-1]}3:1", "SELECT @@log_bin, @@gtid_executed"),
        ("mysql", "", "", "SELECT @@log_bin, @@gtid_executed"),
    ],
)
def test_where_a_server_is(engine: str, text: str, position: str, asked: str) -> None:
    connection = PlayedConnection(text)
    assert position_of(connection, engine) == position
    assert connection.statements == [asked]


def test_a_server_without_a_binary_log_says_so() -> None:
    with pytest.raises(DbHandlerError, match="keeps no binary log") as caught:
        position_of(PlayedConnection("", log_bin=0))
    # Trying again does not help.
    assert not isinstance(caught.value, Unavailable)


def test_mariadb_is_told_a_position_by_variables() -> None:
    connection = PlayedConnection("", FORMAT, XID)
    with pytest.raises(Unavailable, match="has ended the stream"):
        list(asked(connection, "mariadb", "0-5-7"))
    assert connection.statements == [
        "SET @mariadb_slave_capability = 4, @master_binlog_checksum = 'CRC32', @slave_gtid_strict_mode = 1, "
        "@master_heartbeat_period = 500000000, @slave_connect_state = '0-5-7'"
    ]
    own = struct.pack("<I", replication._OWN_ID)
    assert connection.commands == [(0x12, b"\x04\0\0\0" + b"\0\0" + own)]


def test_mysql_is_told_a_position_with_the_command() -> None:
    connection = PlayedConnection("", FORMAT)
    assert next(asked(connection, "mysql", f"{UUID}:1-5")) == FORMAT
    [statement] = connection.statements
    assert re.fullmatch(
        "SET @source_binlog_checksum = 'CRC32', @source_heartbeat_period = 500000000, "
        "@replica_uuid = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'",
        statement,
    )
    known = bytes.fromhex("0100000000000000" + UUID.replace("-", "") + "0100000000000000")
    known += bytes.fromhex("0100000000000000" + "0600000000000000")
    own = struct.pack("<I", replication._OWN_ID)
    # Flags, number, no file's name, position 4 in it.
    content = b"\x04\0" + own + b"\0\0\0\0" + b"\x04" + bytes(7) + struct.pack("<I", len(known)) + known
    assert connection.commands == [(0x1E, content)]


def test_its_number_is_none_that_an_owner_gives_a_server() -> None:
    assert 0x80000000 <= replication._OWN_ID <= 0xFFFFFFFF


def test_events_come_as_they_are() -> None:
    stream = asked(PlayedConnection("", FORMAT, HEARTBEAT, XID), "mariadb")
    assert [next(stream), next(stream), next(stream)] == [FORMAT, HEARTBEAT, XID]


def test_what_is_purged_is_not_there() -> None:
    purged = OPERATIONAL(1236, "Could not find GTID state requested by slave in any binlog files")
    with pytest.raises(NotThere, match="does not hold what comes next: Could not find GTID state"):
        next(asked(PlayedConnection("", purged), "mariadb"))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OPERATIONAL(2013, "Lost connection to hunter2"), 2013),
        (pymysql.err.InternalError("Packet sequence number wrong"), 0),
        (TimeoutError("timed out"), 0),
        (ConnectionResetError(104, "reset"), 104),
    ],
)
def test_any_other_end_may_be_better_later(error: Exception, code: int) -> None:
    with pytest.raises(Unavailable) as caught:
        next(asked(PlayedConnection("", error), "mariadb"))
    assert str(caught.value) == f"the stream has ended (error {code})"
    assert not isinstance(caught.value, NotThere)
