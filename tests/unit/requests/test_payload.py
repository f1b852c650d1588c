"""Payload bytes -> requests: hostile input is the normal case here."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.errors import InvalidRequest
from dbhandler.requests.payload import MAX_NAME, MAX_NAMES, Request, check_name, parse
from dbhandler.spool import MAX_PAYLOAD

# Characters that are neither white space (which separates names) nor refused by MySQL itself.
plain = st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"))
names = st.text(plain, min_size=1, max_size=MAX_NAME).filter(lambda name: not name.startswith("{"))


def refused(payload: bytes) -> str:
    """The sentence with which a payload is refused."""
    with pytest.raises(InvalidRequest) as caught:
        parse(payload)
    return str(caught.value)


def test_one_name_asks_for_one_database() -> None:
    assert parse(b"wordpress\n") == (Request("wordpress"),)


def test_several_names_ask_for_one_database_each_in_their_order() -> None:
    assert parse(b" b\ta\r\nc\n") == (Request("b"), Request("a"), Request("c"))


def test_a_name_that_stands_twice_is_asked_for_once() -> None:
    assert parse(b"a b a") == (Request("a"), Request("b"))


def test_an_object_asks_with_details() -> None:
    payload = b'{"database": "a", "charset": "latin1", "collation": "latin1_bin", "sealed": "Ym94"}'
    assert parse(payload) == (Request("a", "Ym94", "latin1", "latin1_bin"),)


def test_an_object_without_details_has_the_defaults() -> None:
    assert parse(b' {"database": "a"}\n') == (Request("a", None, "utf8mb4", None),)


@pytest.mark.parametrize(
    ("payload", "rule"),
    [
        (b"", "empty"),
        (b" \t\r\n", "empty"),
        (b"a\0b", "NUL at character 1"),
        (b"ab\xff", "UTF-8 at byte 2"),
        (b"\xed\xa0\x80", "UTF-8"),
        (b"a" * 65, "1 to 64 characters, this one has 65"),
        (b"good " + b"b" * 65, "1 to 64 characters"),
        (b"a" * (MAX_PAYLOAD + 1), "longer than 16640 bytes"),
        (b"a " * 257, "at most 256 names, this one 257"),
        ("\N{PILE OF POO}".encode(), "Basic Multilingual Plane"),
        (b"{", "not valid JSON"),
        (b'{"database": "a"} x', "not valid JSON"),
        (b"{'database': 'a'}", "not valid JSON"),
        (b'{"database": "a", "database": "b"}', "not valid JSON"),
        (b'{"database": NaN}', "not valid JSON"),
        (b'{"database":' * 20_000, "longer|not valid JSON"),
        # Too deep for Python 3.11; newer ones read it, and it has no database.
        (b'{"a":' * 2_500 + b"1" + b"}" * 2_500, "not valid JSON|unknown key 'a'"),
        (b"{}", 'no "database"'),
        (b'{"charset": "utf8mb4"}', 'no "database"'),
        (b'{"database": 1}', '"database" in the payload is not a string'),
        (b'{"database": null}', '"database" in the payload is not a string'),
        (b'{"database": ["a"]}', '"database" in the payload is not a string'),
        (b'{"database": "a", "sealed": true}', '"sealed" in the payload is not a string'),
        (b'{"database": ""}', "1 to 64 characters, this one has 0"),
        (b'{"database": "a "}', "end with a space"),
        (b'{"database": "a\\u0000"}', "no NUL"),
        (b'{"database": "\\ud83d\\ude00"}', "Basic Multilingual Plane"),
        (b'{"database": "\\ud83d"}', "Basic Multilingual Plane"),
        (b'{"database": "a", "user": "b"}', "unknown key 'user'"),
        (b'{"database": "a", "charset": "utf8;x"}', "a charset has 1 to 64 letters"),
        (b'{"database": "a", "charset": ""}', "a charset has 1 to 64 letters"),
        (b'{"database": "a", "charset": "' + b"x" * 65 + b'"}', "a charset has 1 to 64 letters"),
        (b'{"database": "a", "collation": "x`y"}', "a collation has 1 to 64 letters"),
        (b'{"database": "a", "charset": "utf8mb4\\n"}', "a charset has 1 to 64 letters"),
    ],
)
def test_a_payload_that_breaks_a_rule_is_refused_with_the_rule(payload: bytes, rule: str) -> None:
    assert any(part in refused(payload) for part in rule.split("|"))


def test_the_largest_payload_is_read() -> None:
    assert parse(b"a".ljust(MAX_PAYLOAD)) == (Request("a"),)


def test_a_payload_of_as_many_and_as_long_names_as_may_be_is_read() -> None:
    longest = [f"{number:064}" for number in range(MAX_NAMES)]
    assert len(parse("\n".join([*longest, ""]).encode())) == MAX_NAMES


def test_a_refusal_of_broken_json_does_not_quote_it() -> None:
    assert "secret" not in refused(b'{"sealed": "secret')


@given(st.lists(names, min_size=1, max_size=5, unique=True))
def test_bare_names_come_out_as_they_went_in(wanted: list[str]) -> None:
    assert [request.database for request in parse(" ".join(wanted).encode())] == wanted


@given(names)
def test_a_name_in_an_object_comes_out_as_it_went_in(name: str) -> None:
    assert parse(json.dumps({"database": name}).encode()) == (Request(name),)


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: ("{" + text).encode("utf-8", "replace")))
def test_any_payload_is_either_read_or_refused_in_one_printable_line(payload: bytes) -> None:
    try:
        requests = parse(payload)
    except InvalidRequest as error:
        assert str(error).isascii()
        assert str(error).isprintable()
    else:
        assert requests
        assert [check_name(request.database) for request in requests]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_value_under_any_known_key_is_either_read_or_refused(value: object) -> None:
    for key in ("database", "sealed", "charset", "collation"):
        try:
            parse(json.dumps({"database": "a", key: value}).encode())
        except InvalidRequest as error:
            assert str(error).isprintable()
