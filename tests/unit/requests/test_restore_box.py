"""What an application wants of a backup: how it travels, and that it is worth something once."""

from __future__ import annotations

import base64
import json
import string
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, NotForUs, Unavailable
from dbhandler.requests import restore_box
from dbhandler.requests.box import Keys, fingerprint, seal_values
from dbhandler.requests.restore_box import Boxes, Wanted, not_allowed, seal_wanted, source_id
from tests.support.fakes import Clock

WANTED = Wanted("key-0123", "shop", "clerk", "hunter2-hunter2", "before", "before", "hunter3-hunter3", "latest")
ABOUT = {"operation": "restore_db", "reply": "x"}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "key")


@pytest.fixture
def boxes(keys: Keys, clock: Clock) -> Boxes:
    made = Boxes(keys, clock)
    clock.advance(1.0)
    return made


def payload(sealed: object, **more: object) -> bytes:
    return json.dumps({"sealed": sealed, **more}).encode()


def boxed(keys: Keys, clock: Clock, **changes: object) -> bytes:
    """The payload of a good box, but for these values; None takes one away."""
    values = {**ABOUT, "expires": int(clock.now) + 60, **asdict(WANTED), **changes}
    return payload(seal_values(keys.public, {key: value for key, value in values.items() if value is not None}))


def test_a_wish_arrives(keys: Keys, boxes: Boxes, clock: Clock) -> None:
    sealed = seal_wanted(keys.public, WANTED, "word", clock.now)
    assert boxes.wanted(payload(sealed, pool="abcdefgh") + b"\n") == WANTED
    assert keys.reply_word(sealed) == "word"


def test_neither_it_nor_its_id_tells_a_password(keys: Keys) -> None:
    assert "hunter" not in repr(WANTED)
    assert len({WANTED.id(b"a"), WANTED.id(b"b"), replace(WANTED, password="hunter2-hunter3").id(b"a")}) == 3
    assert WANTED.id(b"a") == replace(WANTED).id(b"a")


def test_a_box_is_opened_once(keys: Keys, boxes: Boxes, clock: Clock) -> None:
    sealed = next(box for box in (seal_wanted(keys.public, WANTED, "w" * n, clock.now) for n in (1, 2)) if "=" in box)
    boxes.wanted(payload(sealed))
    # However it is written: the last letter before the padding has bits that do not count.
    text, raw = sealed.rstrip("="), base64.b64decode(sealed)
    ways = [text[:-1] + letter + sealed[len(text) :] for letter in string.ascii_letters + string.digits]
    same = [way for way in ways if base64.b64decode(way) == raw]
    assert len(same) > 1
    for again in same:
        with pytest.raises(Unavailable, match="was opened before"):
            boxes.wanted(payload(again, pool="abcdefgh"))
    assert boxes.wanted(payload(seal_wanted(keys.public, WANTED, "other", clock.now))) == WANTED


@pytest.mark.parametrize(
    ("made", "kind", "sentence"),
    [
        (-61, Denied, "has expired"),
        (61, Denied, "valid for too long"),
        # Before this run began.
        (-2, Unavailable, "older than this run of the backup"),
    ],
)
def test_a_box_of_another_time(
    made: int, kind: type[Exception], sentence: str, keys: Keys, boxes: Boxes, clock: Clock
) -> None:
    with pytest.raises(kind, match=sentence):
        boxes.wanted(payload(seal_wanted(keys.public, WANTED, "word", clock.now + made)))


def test_room_for_boxes_is_bounded(keys: Keys, boxes: Boxes, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_box, "MOST_BOXES", 2)
    boxes.wanted(boxed(keys, clock, reply="1"))
    boxes.wanted(boxed(keys, clock, reply="2"))
    with pytest.raises(Unavailable, match="too much is asked at once"):
        boxes.wanted(boxed(keys, clock, reply="3"))
    clock.advance(61.0)
    assert boxes.wanted(boxed(keys, clock, reply="3")) == WANTED
    assert len(boxes._opened) == 1


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"operation": "drop_db"}, Denied), ({"operation": None}, Denied),
        ({"expires": "soon"}, InvalidRequest), ({"expires": True}, InvalidRequest), ({"expires": None}, InvalidRequest),
        ({"more": 1}, InvalidRequest), ({"database": ["shop"]}, InvalidRequest), ({"database": None}, InvalidRequest),
        ({"database": "x" * 65}, InvalidRequest), ({"target": ""}, InvalidRequest), ({"target": "a\0"}, InvalidRequest),
        ({"target": "shop"}, InvalidRequest), ({"password": "short"}, InvalidRequest),
        ({"target_password": "x" * 129}, InvalidRequest), ({"user": "x" * 81}, InvalidRequest),
        ({"user": None}, InvalidRequest), ({"target_user": "a\n"}, InvalidRequest), ({"at": ""}, InvalidRequest),
        ({"at": "x" * 101}, InvalidRequest), ({"source": "../x"}, InvalidRequest), ({"source": None}, InvalidRequest),
    ],
)  # fmt: skip
def test_what_breaks_a_rule(
    changes: dict[str, object], kind: type[Exception], keys: Keys, boxes: Boxes, clock: Clock
) -> None:
    with pytest.raises(kind) as caught:
        boxes.wanted(boxed(keys, clock, **changes))
    assert "hunter" not in str(caught.value)
    # Nothing of it is remembered: room is for those who know the form.
    assert not boxes._opened


@pytest.mark.parametrize(
    "text",
    [b"", b"shop", b"[]", b"{", b"\xff", b'{"sealed": 1}', b"{}", b'{"sealed": "x", "database": "shop"}', b"[" * 9999],
)
def test_what_is_no_payload(text: bytes, boxes: Boxes) -> None:
    with pytest.raises(InvalidRequest):
        boxes.wanted(text)


def test_a_box_for_another_backup(boxes: Boxes, clock: Clock, tmp_path: Path) -> None:
    with pytest.raises(NotForUs):
        boxes.wanted(boxed(Keys(tmp_path / "other"), clock))


@given(st.dictionaries(st.sampled_from(sorted(Wanted.__dataclass_fields__)), st.none() | st.integers() | st.text()))
def test_whatever_is_in_it_is_refused_in_order(changes: dict[str, object]) -> None:
    try:
        restore_box._wanted({**ABOUT, "expires": 1, **asdict(WANTED), **changes})
    except DbHandlerError as error:
        assert str(error).isprintable()


def test_what_servers_are_called() -> None:
    assert source_id("a key", None) == f"key-{fingerprint('a key')}"
    assert source_id("a key", "shop") == "cluster-shop"
    assert "DBHANDLER_ALLOW_RESTORE=1" in str(not_allowed("'db'"))
