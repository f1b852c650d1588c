"""How backups stand, as it travels: within what Serf can carry, and hostile where it comes from others."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.requests.answer import MAX_BYTES
from dbhandler.requests.backup_state import BackupState, Trouble, heard, told
from dbhandler.requests.question import new_nonce
from dbhandler.requests.signer import Signer
from tests.support.pools import OURS

WELL = BackupState("key-0123456789ab", "db", 1, 2, 0, 2)
ROW = ["key-0123456789ab", "db", 1, 2, 0, 2, None]


def answer(*rows: object, **fields: object) -> bytes:
    return json.dumps({"status": "ok", "backups": list(rows), "more": 0, **fields}).encode()


def test_what_is_told_is_heard() -> None:
    states = [
        BackupState("cluster-shop", "shop", None, None, 0, None, Trouble.BASE),
        BackupState("key-0123456789ac", "empty", None, None, 0, None),
        WELL,
    ]
    assert heard(told(states)) == (states, 0)
    assert heard(told([])) == ([], 0)


def test_the_most_worrying_comes_first() -> None:
    well, gap = BackupState("w", "w", 1, 2, 0, 2), BackupState("g", "g", 1, 2, 1, 2)
    away, stream = BackupState("a", "a", 1, 2, 0, 2, Trouble.AWAY), BackupState("s", "s", 1, 2, 0, 2, Trouble.STREAM)
    nothing, unproven = BackupState("n", "n", None, None, 0, None), BackupState("u", "u", 1, 2, 0, None)
    states, _ = heard(told([well, away, gap, unproven, nothing, stream]))
    assert states == [stream, nothing, unproven, gap, away, well]


@pytest.mark.parametrize("name", ["db", "\N{SNOWMAN}" * 128, '"' * 128, "\x1b" * 128])
def test_of_many_those_are_told_that_fit_beside_a_proof(name: str) -> None:
    states = [BackupState(f"key-{number:012}", name, 1, 2, 0, 2) for number in range(100)]
    line = told(states)
    some, more = heard(line)
    assert some and len(some) + more == 100
    payload = json.dumps({"nonce": new_nonce()}).encode()
    assert len(Signer(OURS).signed("backup_status", payload, line)) <= MAX_BYTES + 1


def test_names_are_cut_and_printable() -> None:
    [state] = heard(told([BackupState("k", "a\n\x1b[2J" + "b" * 200, 1, 2, 0, 2)]))[0]
    assert state.name.isprintable() and state.name.startswith(r"a\n\x1b[2Jbbb") and len(state.name) < 80


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\xff\x00", b"[]", b"{}", answer(status="failed"), answer(more=None), answer(more=-1), answer(more="1"),
        answer(more=True), answer(more=10**30), answer(backups=None), answer(backups={}), answer(None), answer([]),
        answer(ROW[:-1]), answer([*ROW, 1]), answer(["", *ROW[1:]]), answer(["a b", *ROW[1:]]), answer([7, *ROW[1:]]),
        answer([ROW[0], "", *ROW[2:]]), answer([ROW[0], "x" * 65, *ROW[2:]]), answer([ROW[0], [], *ROW[2:]]),
        answer([*ROW[:2], -1, *ROW[3:]]), answer([*ROW[:2], 1.5, *ROW[3:]]), answer([*ROW[:2], 10**12, *ROW[3:]]),
        answer([*ROW[:3], True, *ROW[4:]]), answer([*ROW[:4], None, *ROW[5:]]), answer([*ROW[:4], 10**7, *ROW[5:]]),
        answer([*ROW[:5], "now", None]), answer([*ROW[:6], "on fire"]), answer([*ROW[:6], ["away"]]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_as_a_whole(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"^it "):
        heard(line)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(JSON, JSON)
def test_whatever_comes_is_heard_or_refused(rows: object, more: object) -> None:
    line = json.dumps({"status": "ok", "backups": rows, "more": more}).encode()
    try:
        states, _ = heard(line)
    except ValueError:
        return
    assert all(state.name.isprintable() for state in states)
