"""A server's binary log as it is written, asked for as a replica would.

Sources: MariaDB Server Documentation, "COM_BINLOG_DUMP" and "Slave connection to master" (GTIDs are told by session
variables); MySQL 9.7 Source Code Documentation, COM_BINLOG_DUMP_GTID.
"""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dbhandler.distant.access import Connection
from dbhandler.distant.position import Position
from dbhandler.engine.driver import pymysql
from dbhandler.errors import DbHandlerError, Unavailable

LOG_POSITION = {"mariadb": "@@gtid_binlog_pos", "mysql": "@@gtid_executed"}
"""The variable that tells how far a server's binary log is, by engine."""
HEARTBEAT = 0.5
"""Seconds after which a server at rest says that it is there."""
PATIENCE = 10.0
"""Seconds without a word after which a server is given up."""
_PURGED = 1236
_BINLOG_DUMP, _BINLOG_DUMP_GTID = 0x12, 0x1E
_THROUGH_GTID = 0x04
_OWN_ID = 0x80000000 | int.from_bytes(os.urandom(4), "big") >> 1
"""As a replica this process has a number of its own: a server gives the log to one of each."""


class NotThere(DbHandlerError):
    """The server does not hold what comes next: it was purged, or its history is another one."""


def present_position(connection: Connection, engine: str) -> Position:
    """How far the server's binary log is now. Raises Unavailable, or DbHandlerError where it keeps none."""
    with _translated(), connection.cursor() as cursor:
        cursor.execute(f"SELECT @@log_bin, {LOG_POSITION[engine]}")
        [(kept, position)] = cursor.fetchall()
    if not kept:
        raise DbHandlerError("it keeps no binary log (DBHANDLER_BINLOG=0)")
    return Position.parse(str(position).replace("\n", ""), engine)


def events(connection: Connection, engine: str, after: Position) -> Iterator[bytes]:
    """All events after this position, as they stand in the server's log, and beside them what the server makes up for
    replicas; then those to come, and a heartbeat in between. Raises Unavailable once the connection ends, NotThere."""
    with _translated():
        _prepare(connection, engine, after)
        _ask(connection, engine, after)
        # Of a driver made for statements this is the way to its packets.
        wire: Any = connection
        while True:
            packet = wire._read_packet()
            if packet.is_eof_packet():
                raise Unavailable("the server has ended the stream")
            yield bytes(packet._data[1:])


def _prepare(connection: Connection, engine: str, after: Position) -> None:
    period = int(HEARTBEAT * 1e9)
    settings = {
        "mariadb": [
            "@mariadb_slave_capability = 4", "@master_binlog_checksum = 'CRC32'", "@slave_gtid_strict_mode = 1",
            f"@master_heartbeat_period = {period}", f"@slave_connect_state = '{after}'",
        ],
        "mysql": [
            "@source_binlog_checksum = 'CRC32'", f"@source_heartbeat_period = {period}",
            f"@replica_uuid = '{uuid.uuid4()}'",
        ],
    }[engine]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(f"SET {', '.join(settings)}")


def _ask(connection: Any, engine: str, after: Position) -> None:
    if engine == "mariadb":
        # From a position that the variable above tells, whatever the file.
        connection._execute_command(_BINLOG_DUMP, struct.pack("<IHI", 4, 0, _OWN_ID))
        return
    known = after.encoded()
    content = struct.pack("<HIIQI", _THROUGH_GTID, _OWN_ID, 0, 4, len(known)) + known
    connection._execute_command(_BINLOG_DUMP_GTID, content)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (pymysql.err.Error, OSError) as error:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if code == _PURGED:
            raise NotThere(f"its binary log does not hold what comes next: {error.args[-1]}") from error
        raise Unavailable(f"the stream has ended (error {code})") from error
