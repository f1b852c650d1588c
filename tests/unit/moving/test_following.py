"""The changes that come: made in their order, together, and up to where it was asked and no further."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dbhandler.distant.changes import Changed, Transaction
from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError, ServerError, Unavailable
from dbhandler.moving import following as module
from dbhandler.moving.following import AUTOMATIC, Following
from tests.support.docker import eventually


def at(number: int) -> Position:
    return Position.parse(f"0-5-{number}" if number else "", "mariadb")


class Played:
    """A stream of transactions, which ends with an error or waits; what the server here is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, engine: str = "mariadb", refused: bytes = b"none") -> None:
        self.engine, self.loaded, self.refused = engine, list[bytes](), refused
        self.coming = list[Transaction | Exception]()
        self.format = b"BINLOG 'format'"
        self.closed = False
        monkeypatch.setattr(module, "events", self._events)

    def _events(self, *_: object) -> Iterator[Any]:
        while not self.closed:
            if self.coming:
                found = self.coming.pop(0)
                if isinstance(found, Exception):
                    raise found
                yield found
            time.sleep(0.001)

    def transaction(self, raw: Any) -> Any:
        return raw

    def load(self, text: bytes) -> None:
        self.loaded.append(text)
        if text == self.refused:
            raise ServerError("no", 1032)

    def close(self) -> None:
        self.closed = True


def come(*numbers: int, size: int = 1) -> list[Transaction | Exception]:
    return [Transaction(f"0-5-{number}", (b"BINLOG '%d'" % number,), size) for number in numbers]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    world = Played(monkeypatch)
    yield world
    world.close()


def follow(played: Any) -> Following:
    return Following(SimpleNamespace(close=played.close), played, at(0), played)  # type: ignore[arg-type]


def waited(following: Following, number: int) -> None:
    until = time.monotonic() + 10
    while not following.position.covers(at(number)):
        assert time.monotonic() < until
        following.catch_up()


def test_they_are_made_in_their_order_after_the_format_was_told_once(played: Played) -> None:
    following = follow(played)
    played.coming += come(1, 2)
    waited(following, 2)
    played.coming += come(3)
    waited(following, 3)
    assert played.loaded[0] == played.format and played.loaded.count(played.format) == 1
    assert [text for text in played.loaded if text.startswith(b"BINLOG '") and text != played.format] == [
        b"BINLOG '1'", b"BINLOG '2'", b"BINLOG '3'",
    ]  # fmt: skip
    # Each inside of a transaction here.
    assert played.loaded[1] == b"BEGIN" and played.loaded[-1] == b"COMMIT"
    following.close()
    assert played.closed


def test_up_to_a_position_and_nothing_after_it(played: Played) -> None:
    played.coming += come(*range(1, 8))
    following = follow(played)
    following.reach(at(4), 10)
    assert str(following.position) == "0-5-4" and b"BINLOG '5'" not in played.loaded
    following.reach(at(4), 10)
    assert b"BINLOG '5'" not in played.loaded
    waited(following, 7)


def test_what_changes_nothing_here_only_brings_the_position_on(played: Played) -> None:
    played.coming += [Transaction("0-5-1"), Transaction("0-5-2")]
    following = follow(played)
    following.reach(at(2), 10)
    assert played.loaded == [] and str(following.position) == "0-5-2"


def test_what_was_read_before_it_ended_is_made_and_then_the_end_is_told(played: Played) -> None:
    played.coming += [*come(1), Changed("a table was made")]
    following = follow(played)
    # Both are read before anything is made.
    eventually("the end", lambda: following._error is not None)
    with pytest.raises(Changed, match="a table was made"):
        following.reach(at(2), 10)
    assert str(following.position) == "0-5-1" and b"BINLOG '1'" in played.loaded


def test_a_defect_of_the_reader_is_told_as_what_passes(played: Played) -> None:
    played.coming += [ZeroDivisionError("x")]
    following = follow(played)
    with pytest.raises(Unavailable, match="cannot be read: x"):
        following.reach(at(1), 10)


def test_what_comes_too_slowly_is_given_up(played: Played) -> None:
    with pytest.raises(Unavailable, match="too slowly"):
        follow(played).reach(at(1), 0.05)


def test_what_is_refused_here_is_not_counted_as_made(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(monkeypatch, refused=b"BINLOG '2'")
    played.coming += come(1, 2)
    following = follow(played)
    with pytest.raises(DbHandlerError):
        following.reach(at(2), 10)
    assert not following.position.covers(at(2)) and b"COMMIT" not in played.loaded[played.loaded.index(b"BINLOG '2'") :]
    following.close()


def test_mysql_is_told_that_numbers_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(monkeypatch, "mysql")
    gtid = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1"
    played.coming += [Transaction(gtid, (b"BINLOG 'x'",))]
    following = Following(SimpleNamespace(close=played.close), played, Position.parse("", "mysql"), played)  # type: ignore[arg-type]
    following.reach(Position.parse(gtid, "mysql"), 10)
    assert played.loaded[:3] == [played.format, AUTOMATIC, b"BEGIN"]
    following.close()


def test_many_small_ones_are_one_here_and_large_ones_are_not(played: Played) -> None:
    played.coming += come(1, 2, size=module.TOGETHER_BYTES + 1)
    following = follow(played)
    waited(following, 2)
    assert played.loaded.count(b"COMMIT") == 2
