"""The events of a database that moves: made only when it is the target's, and with nobody else's rights."""

from __future__ import annotations

import json

import pytest

from dbhandler.engine.server import SESSION
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied, ServerError
from dbhandler.moving.scheduled import Event, events_of, make, of_json
from tests.support.fakes import RecordingServer, Rows

LISTED = "SELECT EVENT_NAME, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY EVENT_NAME"
TEXT = "CREATE DEFINER=`anna`@`%` EVENT `e` ON SCHEDULE EVERY 1 DAY DO INSERT INTO t VALUES ('100%', '%s')"


def server(name: str = "e", definer: str = "anna@%", database: str = "shop") -> RecordingServer:
    quoted = "`{}`.`{}`".format(*(one.replace("`", "``").replace("%", "%%") for one in (database, name)))
    return RecordingServer({
        Statement(LISTED, (database,)): [(name, definer)],
        Statement(f"SHOW CREATE EVENT {quoted}"): [(name, "ANSI_QUOTES", "+01:00", TEXT, "utf8mb4", "x", "x")],
    })  # fmt: skip


@pytest.mark.parametrize(("database", "name"), [("shop", "e"), ("sh`op", "50%`; DROP"), ("s%", "a.b")])
def test_an_event_is_read_with_what_it_is_understood_by(database: str, name: str) -> None:
    [event] = events_of(server(name, database=database), database, ["anna"])  # type: ignore[arg-type]
    assert event == Event(name, "ANSI_QUOTES", "+01:00", TEXT)
    assert of_json(json.loads(json.dumps(event.as_json()))) == event


@pytest.mark.parametrize(
    "definer", ["root@localhost", "anna@localhost", "bert@%", "Anna@%", "anna", "anna@%@%", "anna@", "@%"]
)
def test_an_event_of_another_account_does_not_move(definer: str) -> None:
    with pytest.raises(Denied, match="who does not move with it"):
        events_of(server(definer=definer), "shop", ["anna", "mary"])  # type: ignore[arg-type]


class Making(RecordingServer):
    """A server that refuses to make an event, perhaps."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error
        self.done = list[str]()

    def execute(self, statement: Statement) -> Rows:
        self.done.append(statement.text % tuple(f"<{value}>" for value in statement.values))
        return []

    def load(self, text: bytes) -> None:
        self.done.append(text.decode())
        if self.error:
            raise self.error


@pytest.mark.parametrize("error", [None, ServerError("no", 1064)])
def test_it_is_made_by_its_own_settings_which_end_with_it(error: Exception | None) -> None:
    making = Making(error)
    try:
        make(making, "sh%`op", Event("e%`", "ANSI_QUOTES", "+01:00", TEXT))  # type: ignore[arg-type]
    except ServerError as caught:
        assert caught is error
    assert making.done == [
        "DROP EVENT IF EXISTS `sh%``op`.`e%```", "USE `sh%``op`",
        "SET SESSION sql_mode = <ANSI_QUOTES>, time_zone = <+01:00>",
        # As it is: a driver's formatting would make of it another statement.
        TEXT, f"{SESSION}, time_zone = 'SYSTEM'",
        # What the connection does next is not done in that database.
        "USE mysql",
    ]  # fmt: skip
