"""Proves a backup: it is restored beside everything, replayed to one moment of the server's, and compared with that."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from dbhandler.backup.base import Base
from dbhandler.backup.logs import Logs
from dbhandler.backup.replica import QUERY_TIMEOUT, Replica
from dbhandler.backup.restoring import Backup
from dbhandler.backup.source import Source
from dbhandler.distant.access import Access
from dbhandler.distant.compare import Ask, Rows, State, Unreadable, asker, differences, one_moment, state
from dbhandler.distant.left_out import OF_ONE_OBJECT
from dbhandler.distant.node import Node
from dbhandler.distant.position import Position
from dbhandler.engine.sql import Statement
from dbhandler.errors import DbHandlerError, ServerError, Unavailable
from dbhandler.log import shown

CATCH_UP = 60.0
"""Seconds within which the stream has to reach the moment that is compared."""


@dataclass(frozen=True)
class Proof:
    """What was compared: how many tables, and what differed."""

    tables: int
    differences: Sequence[str]


def prove(backup: Backup, base: Base, access: Access) -> Proof:
    """Compares the base, replayed to a moment after it, with the source. Raises DbHandlerError where that cannot be
    done."""
    source = backup.source
    theirs, position = _source_state(source, access)
    _wait_for(backup.logs, position)
    with backup.at(position, base) as copy:
        ours = state(_local(copy), source.engine)
    tables = sum(kind == "rows of" for _, kind, _ in theirs)
    return Proof(tables, differences(theirs, ours))


def _source_state(source: Source, access: Access) -> tuple[State, Position]:
    complaint: Exception = Unavailable("no server of it is ready")
    for node in source.nodes:
        try:
            return _node_state(node, source.engine, access)
        except DbHandlerError as error:
            complaint = error
    raise complaint


def _node_state(node: Node, engine: str, access: Access) -> tuple[State, Position]:
    with closing(access.connect(node, QUERY_TIMEOUT)) as connection, one_moment(connection, engine) as position:
        return state(asker(connection), engine), position


def _wait_for(logs: Logs, position: Position) -> None:
    deadline = time.monotonic() + CATCH_UP
    while logs.position is None or not logs.position.covers(position):
        if time.monotonic() >= deadline:
            raise Unavailable(f"the stream has not reached {shown(str(position))}")
        time.sleep(0.2)


def _local(copy: Replica) -> Ask:
    def ask(text: str) -> Rows:
        try:
            return copy.server.execute(Statement(text))
        except ServerError as error:
            if error.errno in OF_ONE_OBJECT:
                raise Unreadable(str(error)) from error
            raise

    return ask
