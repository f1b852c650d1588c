"""One line: its form, its measure, its hash; and that no other form passes for it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbhandler.audit.record import BEGINS, LONGEST, Entry, line_of, read

ZERO = "0" * 64
MADE = Entry("create_db", "created", "shop", "app", origin="event create_db #7")


def line(entry: Entry = MADE, number: int = 1, previous: str = ZERO, lost: int = 0) -> str:
    return line_of(entry, number, previous, "db", 1767225600.1239, lost)


def test_a_line_says_what_happened_in_the_order_in_which_it_is_asked() -> None:
    text = line()
    assert text.startswith(
        '{"audit": 1, "number": 1, "time": "2026-01-01T00:00:00.123Z", "node": "db", "operation": "create_db", '
        '"origin": "event create_db #7", "database": "shop", "account": "app", "outcome": "created", '
        f'"previous": "{ZERO}", "hash": "'
    )
    assert list(json.loads(text))[-1] == "hash"


def test_what_is_not_known_is_left_out_and_what_was_lost_is_told() -> None:
    content = json.loads(line(Entry("drop_db", "denied", reason="no"), lost=3))
    assert "database" not in content and "dump" not in content
    assert (content["reason"], content["lost"]) == ("no", 3)


def test_the_hash_is_that_of_the_line_without_it() -> None:
    text = line()
    rest = re.sub(r', "hash": "[0-9a-f]*"}$', "}", text)
    assert json.loads(text)["hash"] == hashlib.sha256(rest.encode()).hexdigest()
    # As whoever has nothing of ours computes it.
    by_hand = """sed 's/, "hash": "[0-9a-f]*"}$/}/' | tr -d '\\n' | sha256sum"""
    done = subprocess.run(["sh", "-c", by_hand], input=f"{text}\n", capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == json.loads(text)["hash"]


TEXTS = st.none() | st.text(st.characters(exclude_categories=()), max_size=5000)


@given(TEXTS, TEXTS, TEXTS, st.text(max_size=500), st.integers(1, 10**18 - 1), st.integers(0, 10**9))
@example("\0\n\r\x1b[2J" * 1000, "\ud800" * 500, '"\\' * 3000, "\x7f" * 400, 1, 0)
@example('", "hash": "' + ZERO, '"}', f'"previous": "{ZERO}"', "", 10**18 - 1, 1)
def test_whatever_is_told_it_is_one_short_line_of_ascii_that_is_read_again(
    database: str | None, account: str | None, reason: str | None, origin: str, number: int, lost: int
) -> None:
    entry = Entry("create_db", "denied", database, account, reason, origin, database)
    text = line_of(entry, number, ZERO, origin, 0.0, lost)
    assert text.isascii() and text.isprintable() and text.startswith(BEGINS) and text.count(BEGINS) == 1
    assert len(text) < LONGEST
    link = read(text)
    assert link and link.intact and (link.number, link.previous) == (number, ZERO)
    told = json.loads(text)
    assert told["hash"] == link.hash
    if database is not None and len(database) <= 33:
        assert told["database"] == database


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("created", "denied"),
        ('"number": 1,', '"number": 2,'),
        ('"time": "2026', '"time": "2025'),
        ('"node"', '"Node"'),
        (f'"previous": "{ZERO}"', f'"previous": "{"1" * 64}"'),
        ('"shop"', '"shop", "database": "blog"'),
        (", ", ",  "),
        ('"hash": "', '"hash": "0'),
    ],
)
def test_no_change_leaves_a_line_as_it_was(old: str, new: str) -> None:
    changed = line().replace(old, new, 1)
    if '"hash": "0' in new:
        changed = changed[:-3] + changed[-2:]
    link = read(changed)
    assert link is None or not link.intact


@pytest.mark.parametrize(
    "text",
    [
        "", BEGINS, '{"audit": 1}', '{"audit": 2, ' + line()[13:], line() + " ", " " + line(), line()[:-1],
        line().replace('"number": 1,', '"number": -1,'), line().replace('"number": 1,', '"number": 01,'),
        line().replace('"number": 1,', f'"number": {"9" * 400},'), line().replace("created", "a\nb"),
    ],
)  # fmt: skip
def test_what_is_no_line_is_none(text: str) -> None:
    assert read(text) is None


@given(st.integers(0, len(line()) - 1), st.characters(codec="ascii"))
def test_no_single_character_can_be_another_one(position: int, character: str) -> None:
    text = line()
    changed = text[:position] + character + text[position + 1 :]
    link = read(changed)
    assert changed == text or link is None or not link.intact
