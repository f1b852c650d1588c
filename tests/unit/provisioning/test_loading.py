"""A dump loaded by several connections: what may overtake what, and what a failure leaves waiting."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from dbhandler.errors import ServerError, Unavailable
from dbhandler.provisioning.loading import TOGETHER, Loading

BEGIN = [b"/*!40101 SET NAMES utf8mb4 */;\n"]
TABLE = [b"CREATE TABLE t (id INT);\n"]
ROWS = [b"INSERT INTO t VALUES (%d);\n" % number for number in range(20)]
END = [b"CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1;\n"]


@dataclass
class World:
    """What was carried out by which connection, in order; `error` is raised for the statement that it is about."""

    done: list[tuple[int, bytes]] = field(default_factory=list)
    error: tuple[bytes, Exception] | None = None
    open: set[int] = field(default_factory=set)
    made: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def connect(self) -> Any:
        self.made += 1
        if self.made > 10:
            raise Unavailable("all connections are taken")
        return Connection(self, self.made)


@dataclass
class Connection:
    world: World
    number: int

    def __enter__(self) -> Connection:
        self.world.open.add(self.number)
        return self

    def __exit__(self, *_: object) -> None:
        self.world.open.discard(self.number)

    def load(self, text: bytes) -> None:
        if self.world.error and text.startswith(self.world.error[0]):
            raise self.world.error[1]
        if text.startswith(b"INSERT"):
            time.sleep(0.002)
        with self.world.lock:
            self.world.done.append((self.number, text))


@pytest.fixture
def world() -> World:
    return World()


def test_rows_come_after_their_table_and_before_what_needs_them(world: World) -> None:
    Loading(world.connect).load(BEGIN + TABLE + ROWS + END)
    texts = [text for _, text in world.done if not text.startswith((b"SET autocommit", b"SET unique", b"COMMIT"))]
    assert sorted(texts[-21:-1]) == sorted(line[:-2] for line in ROWS)
    assert texts[-1].startswith(b"CREATE TRIGGER") and texts[-22].startswith(b"CREATE TABLE")
    assert not world.open


def test_rows_are_loaded_by_others_which_know_how_to_read_them(world: World) -> None:
    Loading(world.connect, loaders=2).load(BEGIN + TABLE + ROWS)
    assert {number for number, text in world.done if text.startswith(b"INSERT")} == {2, 3}
    assert {number for number, text in world.done if b"SET NAMES" in text} == {1, 2, 3}


def test_rows_are_committed_before_what_needs_them(world: World) -> None:
    Loading(world.connect, loaders=2).load(BEGIN + TABLE + ROWS * 3 + END + ROWS)
    for loader in (2, 3):
        own = [text for number, text in world.done if number in (loader, 1) and text != b"SET autocommit = 0"]
        for before, after in pairwise(own):
            assert not (before.startswith(b"INSERT") and after.startswith(b"CREATE TRIGGER"))
        assert own[-1] == b"COMMIT"


def test_many_statements_are_one_transaction(world: World) -> None:
    Loading(world.connect, loaders=1).load(BEGIN + TABLE + ROWS * 10)
    assert len([text for _, text in world.done if text == b"COMMIT"]) <= 2 + 200 / TOGETHER


def test_who_waits_for_rows_holds_no_lock(world: World) -> None:
    def lines() -> Any:
        yield from BEGIN + TABLE + ROWS[:3]
        deadline = time.monotonic() + 5
        while [text[:6] for _, text in world.done][-4:].count(b"INSERT") != 3 or world.done[-1][1] != b"COMMIT":
            assert time.monotonic() < deadline, "rows wait for more before they are committed"
            time.sleep(0.01)
        yield from END

    Loading(world.connect, loaders=1).load(lines())


def test_keys_come_after_the_rows_and_before_what_needs_both(world: World) -> None:
    table = [b"CREATE TABLE `t` (\n", b"  `id` int(11),\n", b"  KEY `k` (`id`)\n", b") ENGINE=InnoDB;\n"]
    Loading(world.connect, referenced=()).load(BEGIN + table + ROWS + END)
    texts = [text for _, text in world.done]
    [key] = [place for place, text in enumerate(texts) if text == b"ALTER TABLE `t` ADD KEY `k` (`id`)"]
    rows = [place for place, text in enumerate(texts) if text.startswith(b"INSERT")]
    assert max(rows) < key < texts.index(END[0][:-2])
    assert b"CREATE TABLE `t` (\n  `id` int(11)\n) ENGINE=InnoDB" in texts
    world.done.clear()
    Loading(world.connect).load(BEGIN + table + ROWS)
    assert not any(text.startswith(b"ALTER") for _, text in world.done)


def test_the_keys_of_the_last_table_are_not_forgotten(world: World) -> None:
    table = [b"CREATE TABLE `t` (\n  `id` int(11),\n  KEY `k` (`id`)\n) ENGINE=InnoDB;\n"]
    Loading(world.connect, referenced=()).load(BEGIN + table + ROWS)
    assert (world.done[-2][1][:11], world.done[-1][1]) == (b"ALTER TABLE", b"COMMIT")


def test_a_key_that_cannot_be_made_ends_it(world: World) -> None:
    world.error = (b"ALTER", ServerError("no", 1))
    table = [b"CREATE TABLE `t` (\n  `id` int(11),\n  KEY `k` (`id`)\n) ENGINE=InnoDB;\n"]
    with pytest.raises(ServerError, match="no"):
        Loading(world.connect, referenced=()).load(BEGIN + table + ROWS + END)
    assert not any(text.startswith(b"CREATE TRIGGER") for _, text in world.done)


def test_who_waits_shows_that_it_is_at_it(world: World) -> None:
    beats: list[int] = []
    Loading(world.connect, beat=lambda: beats.append(1)).load(BEGIN + TABLE + ROWS * 3)
    assert beats


def test_a_defect_of_ours_ends_it_too(world: World) -> None:
    world.error = (b"INSERT", RuntimeError("a defect"))
    with pytest.raises(RuntimeError, match="a defect"):
        Loading(world.connect).load(BEGIN + TABLE + ROWS + END)


def test_what_is_set_later_is_for_the_table_alone(world: World) -> None:
    Loading(world.connect).load(BEGIN + TABLE + ROWS + [b"SET character_set_client = latin1;\n"] + TABLE)
    assert [number for number, text in world.done if b"latin1" in text] == [1]


@pytest.mark.parametrize("text", [b"INSERT INTO t VALUES (3)", b"CREATE TABLE", b"CREATE TRIGGER", b"/*!40101"])
def test_the_first_failure_ends_it_and_nobody_waits_for_ever(world: World, text: bytes) -> None:
    world.error = (text, ServerError("no", 1))
    with pytest.raises(ServerError, match="no"):
        Loading(world.connect).load(BEGIN + TABLE + ROWS * 3 + END)
    assert not world.open
    assert not text.startswith(b"INSERT") or not any(done.startswith(b"CREATE TRIGGER") for _, done in world.done)


def test_a_dump_that_fails_is_told(world: World) -> None:
    def lines() -> Any:
        yield from BEGIN + TABLE + ROWS
        raise ServerError("the dump program says no")

    with pytest.raises(ServerError, match="says no"):
        Loading(world.connect).load(lines())
    assert not world.open


def test_without_connections_nothing_is_loaded(world: World) -> None:
    world.made = 9
    with pytest.raises(Unavailable):
        Loading(world.connect).load(BEGIN + TABLE)
    assert not world.done and not world.open
