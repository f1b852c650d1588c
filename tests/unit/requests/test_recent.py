"""What a server was asked for last, for who has the pool's secret alone."""

from __future__ import annotations

import json

import pytest

from dbhandler.requests.answer import MAX_BYTES
from dbhandler.requests.question import new_nonce
from dbhandler.requests.recent import MOST_REASON, Asked, heard, question, told
from dbhandler.trust.safe import Safe

SAFE, OTHER = Safe([b"1" * 32]), Safe([b"2" * 32])
ROW = Asked(7, 1_800_000_000, "create_db", "denied", "shop", "the name is taken")


def test_who_has_the_secret_reads_it_and_nobody_else() -> None:
    word = new_nonce()
    line = told(question(word, 0), [ROW], SAFE)
    assert heard(line, word, SAFE) == [ROW]
    assert b"shop" not in line and b"taken" not in line
    with pytest.raises(ValueError, match="no answer of the pool's"):
        heard(line, word, OTHER)


def test_an_answer_to_another_question_counts_for_nothing() -> None:
    line = told(question(new_nonce(), 0), [ROW], SAFE)
    with pytest.raises(ValueError, match="to this question"):
        heard(line, new_nonce(), SAFE)


def test_as_many_as_there_is_room_for_the_oldest_first() -> None:
    rows = [Asked(number, 1_800_000_000, "create_db", "failed", "x" * 64, "é" * 200) for number in range(1, 20)]
    word, seen = new_nonce(), list[Asked]()
    while more := heard(line := told(question(word, seen[-1].number if seen else 0), rows, SAFE), word, SAFE):
        assert len(line) <= MAX_BYTES
        seen += more
    assert [one.number for one in seen] == list(range(1, 20)) and all(len(one.reason) == MOST_REASON for one in seen)


@pytest.mark.parametrize(
    "payload", [b"", b"x", b"[]", b"{}", b'{"word":"x","after":0}', question("A" * 22, -1), question("A" * 22, 2**60)]
)
def test_what_asks_nothing_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="recent_db takes"):
        told(payload, [ROW], SAFE)


@pytest.mark.parametrize(
    "row", [[], 5, [1, 2, "a", "b", "c"], [-1, 2, "a", "b", "c", "d"], [1, True, "a", "b", "c", "d"],
            [1, 2, "a", "b", "c", 5], [1, 2, "a", "b", "c", "x" * 200]],
)  # fmt: skip
def test_what_is_no_request_is_refused(row: object) -> None:
    word = new_nonce()
    closed = SAFE.close(json.dumps({"word": word, "rows": [row]}).encode())
    with pytest.raises(ValueError, match="no request"):
        heard(json.dumps({"status": "ok", "closed": closed}).encode(), word, SAFE)


def test_what_it_says_moves_no_cursor() -> None:
    word = new_nonce()
    closed = SAFE.close(json.dumps({"word": word, "rows": [[1, 2, "a", "b", "c\x1b", "d"]]}).encode())
    [found] = heard(json.dumps({"closed": closed}).encode(), word, SAFE)
    assert found.database == "c\\x1b"
