"""What servers answer, checked: any member may answer, and whatever it likes."""

from __future__ import annotations

import json

import pytest

from dbhandler.requests.answer_record import Answer, parse
from dbhandler.requests.vocabulary import Status


def line(**fields: object) -> bytes:
    return json.dumps({"status": "created", "host": "10.0.0.1", "port": 3306} | fields).encode()


WRONG_ACCOUNTS: list[object] = [
    {}, "a", 7, [7], ["abc"], [[]], [["a", "reader"]], [["a", "reader", 1, 2]], [["a", "reader", None], None],
    [[1, "reader", 1]], [["", "reader", 1]], [["x" * 129, "reader", 1]], [["a\x1b[2J", "reader", 1]],
    [["a", 7, 1]], [["a", {}, None]], [["a", "r" * 65, 1]], [["a", "\u202e", 1]], [["a", "reader", -1]],
    [["a", "reader", "1"]], [["a", "reader", True]], [["a", "reader", [1]]], [[["a"], "reader", None]],
]  # fmt: skip


def test_an_answer_is_read() -> None:
    assert parse(line(unknown=[1])) == Answer(Status.CREATED, host="10.0.0.1", port=3306)
    assert parse(b'{"status": "ok", "uptime": 3}') == Answer(Status.OK, uptime=3)


@pytest.mark.parametrize(
    "wrong",
    [
        b"", b"\xff", b"null", b"[]", b'"ok"', b"7", b"{}", b"[" * 900, b'{"a":' * 170, line(status=["created"]),
        line(status={}), line(status=None), line(status="granted"), line(host="a b"), line(host="a\nb"), line(host=""),
        line(host="foo..bar"), line(host="10.0.0.1/x"), line(host="h?x=1"), line(host=7), line(host="x" * 254),
        line(port=0), line(port=65536), line(port="3306"), line(port=3306.0), line(port=True),
        b'{"status": "created", "port": ' + b"9" * 800 + b"}", line(reason=7), line(reason=[]), line(mysql=["ready"]),
        line(version="1" * 65), line(databases=-1), line(uptime="1"), line(spool=True), line(last_error={}),
        line(ttl=-1), line(ttl="60"), line(ttl=True), line(ttl=2**63), line(count=1.0), line(count=[]),
        line(moving=1), line(moving="true"), line(moving={}), line(server="a\nb"),
        *(line(accounts=accounts) for accounts in WRONG_ACCOUNTS),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_none(wrong: bytes) -> None:
    with pytest.raises(ValueError, match="its ") as caught:
        parse(wrong)
    assert str(caught.value).isprintable()


def test_what_is_shown_cannot_move_the_cursor_nor_forge_a_line() -> None:
    answer = parse(line(reason="a\x1b[2Jb\n2026 [Note] [dbhandler]: forged\ud800", last_error="\u202e", mysql="\r"))
    assert answer.reason == r"a\x1b[2Jb\n2026 [Note] [dbhandler]: forged\ud800"
    assert (answer.last_error, answer.mysql) == (r"\u202e", r"\r")


@pytest.mark.parametrize(
    "fields",
    [
        {"version": "1" * 64}, {"port": 1}, {"port": 65535}, {"databases": 0}, {"uptime": 2**63 - 1},
        {"reason": "x" * 700}, {"engine": "ü" * 64}, {"ttl": 0}, {"ttl": 2**63 - 1}, {"count": 0},
        {"moving": True}, {"moving": False}, {"server": "x" * 128},
    ],
)  # fmt: skip
def test_what_is_just_allowed_is_read_as_it_is(fields: dict[str, object]) -> None:
    answer = parse(line(**fields))
    assert {name: getattr(answer, name) for name in fields} == fields


def test_accounts_are_read_as_they_are() -> None:
    listed = (("a", "reader", None), ("ü" * 128, "owner", 0), ("$'\"`", "writer", 2**63 - 1))
    assert parse(line(accounts=listed, count=3)).accounts == listed
    assert parse(line(accounts=[])).accounts == ()
    assert parse(line()).accounts is None and parse(line(accounts=None)).accounts is None


def test_what_is_wrong_is_said_and_shown_where_it_is_short() -> None:
    for wrong, told in (
        (line(status="granted"), "its status is 'granted'"),
        (line(host="a b"), "its host is 'a b'"),
        (line(uptime=2**63), "its uptime is of the type int"),
        (line(port=[1]), "its port is of the type list"),
    ):
        with pytest.raises(ValueError, match=f"^{told}$"):
            parse(wrong)
