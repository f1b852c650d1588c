"""What an open page gets as it happens."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dbhandler.console.pages import Block
from dbhandler.console.stream import LIFE, events
from tests.support.fakes import Clock


def told(message: bytes) -> dict[str, object]:
    assert message.startswith(b"data: ") and message.endswith(b"\n\n") and message.count(b"\n") == 2
    content = json.loads(message[6:])
    assert isinstance(content, dict)
    return content


def test_all_first_then_what_has_changed(clock: Clock) -> None:
    looks: list[Sequence[Block]] = [
        [Block("a", "1"), Block("b", "\n\ndata: x")],
        [Block("a", "2"), Block("b", "\n\ndata: x")],
        [Block("a", "2"), Block("b", "\n\ndata: x")],
        [Block("b", "\n\ndata: x"), Block("a", "2")],
        [Block("a", "2")],
    ]
    comes = iter(looks)
    stream = events(lambda: next(comes), lambda version, _: version + 1, lambda: True, clock, lambda _: None)
    assert next(stream).startswith(b"retry: ")
    assert told(next(stream)) == {"order": ["a", "b"], "blocks": {"a": "1", "b": "\n\ndata: x"}}
    assert told(next(stream)) == {"order": ["a", "b"], "blocks": {"a": "2"}}
    assert next(stream) == b": nothing new\n\n"
    assert told(next(stream)) == {"order": ["b", "a"], "blocks": {}}
    assert told(next(stream)) == {"order": ["a"], "blocks": {}}


def test_it_ends_after_a_while_and_when_the_reader_may_not_look_any_more(clock: Clock) -> None:
    def rest(_seconds: float) -> None:
        clock.advance(LIFE / 3)

    assert len(list(events(list, lambda version, _: version, lambda: True, clock, rest))) == 4
    answers = iter([True, False])
    assert len(list(events(list, lambda version, _: version, lambda: next(answers), clock, lambda _: None))) == 2
