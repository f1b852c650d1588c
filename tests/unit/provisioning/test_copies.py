"""Copies that wait and are written, with a program in place of the engine's that dumps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dbhandler.engine import sql
from dbhandler.errors import Busy, ServerError
from dbhandler.provisioning import copies as module
from dbhandler.provisioning import drop_sql, dump_lines
from dbhandler.provisioning.copies import WAITING, Copies
from dbhandler.requests.box import Credentials
from tests.support.fakes import Clock, RecordingServer

SHOP, COPY = Credentials("shop", "owner", "x" * 12), Credentials("shop2", "copier", "y" * 12)
DUMP = "CREATE TABLE t (id INT);\nINSERT INTO t VALUES (1);\nDEFINER=`owner`@`%` VIEW v AS SELECT 1;\n"


class Loader:
    """A connection of the copy's account."""

    def __init__(self, loaded: list[str], error: Exception | None) -> None:
        self._loaded, self._error = loaded, error

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def load(self, text: bytes) -> None:
        if self._error:
            raise self._error
        self._loaded.append(text.decode())


class World(RecordingServer):
    def __init__(self) -> None:
        super().__init__({drop_sql.defaults("shop"): [("latin1", "latin1_bin")]})
        self.loaded, self.clock = list[str](), Clock()
        self.error: Exception | None = None
        self.command: Callable[[str], Sequence[str]] = lambda _: ("printf", "%s", DUMP)
        self.copies = Copies(self, lambda name: self.command(name), self._connect, "n1", self.clock)  # type: ignore[arg-type]

    def _connect(self, account: Credentials) -> Any:
        assert account == COPY
        return Loader(self.loaded, self.error)

    def changes(self) -> list[str]:
        return [statement.text for statement in self.executed if not statement.text.startswith("SELECT")]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    return World()


def ask(world: World, copy: Credentials = COPY) -> None:
    world.copies.ask(copy, SHOP)


def test_it_is_noted_before_anything_is_written_and_whole_at_the_end(world: World) -> None:
    with pytest.raises(Busy, match="is being copied"):
        ask(world)
    world.copies.look()
    ask(world)
    assert [text.split("(")[0].split(" SET")[0] for text in world.changes()] == [
        "CREATE TABLE IF NOT EXISTS mysql.dbhandler_copies ",
        "REPLACE INTO mysql.dbhandler_copies VALUES ",
        sql.drop_database("shop2").text,
        sql.create_missing_database("shop2", "latin1", "latin1_bin").text.split(" SET")[0],
        "UPDATE mysql.dbhandler_copies",
    ]
    # What ran with the rights of the original's owner runs with those of the copy's.
    assert world.loaded[-1] == "DEFINER=`copier`@`%` VIEW v AS SELECT 1"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("sh", "-c", "echo 'got error: 1449' >&2; exit 2"), "got error: 1449"),
        (("sh", "-c", "printf 'INSERT INTO t VALUES (1);'; exit 3"), "was not copied"),
        (("no-such-program",), "the log says more"),
    ],
)
def test_a_dump_that_fails_is_told_and_the_copy_is_not_whole(world: World, command: Sequence[str], reason: str) -> None:
    world.command = lambda _: command
    with pytest.raises(Busy):
        ask(world)
    world.copies.look()
    with pytest.raises(ServerError, match=reason):
        ask(world)
    assert not any("done = TRUE" in text for text in world.changes())
    # The next one who asks begins anew.
    with pytest.raises(Busy):
        ask(world)


def test_what_cannot_be_loaded_is_told(world: World) -> None:
    world.error = ServerError("no", 1419)
    with pytest.raises(Busy):
        ask(world)
    world.copies.look()
    with pytest.raises(ServerError, match="no"):
        ask(world)
    # Nothing of it is left, which may have filled the disk.
    assert world.executed[-2:-1] == [sql.drop_database("shop2")]


def test_a_dump_that_stands_still_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump_lines, "STALLED", -1.0)
    world.command = lambda _: ("sleep", "600")
    with pytest.raises(Busy):
        ask(world)
    world.copies.look()
    with pytest.raises(ServerError, match="stood still"):
        ask(world)


def test_nobody_is_kept_waiting_for_a_copy_that_takes_its_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent does one thing at a time: who asks again, or has others before him, is answered at once."""
    waits: list[float] = []
    monkeypatch.setattr(threading.Event, "wait", lambda _event, seconds: waits.append(seconds))
    for copy in (COPY, COPY, Credentials("shop3", "copier", "y" * 12)):
        with pytest.raises(Busy):
            ask(world, copy)
    assert waits == [module.PATIENCE]


def test_no_more_wait_than_there_is_room_for(world: World) -> None:
    for number in range(WAITING):
        with pytest.raises(Busy, match="being copied"):
            ask(world, Credentials(f"copy{number}", "copier", "y" * 12))
    with pytest.raises(Busy, match=f"{WAITING} copies wait"):
        ask(world)
    # Nobody has asked for them again.
    world.clock.advance(module.STALE)
    with pytest.raises(Busy, match="being copied"):
        ask(world)
