"""A short run of each target of `make fuzz`, with inputs that have the form of what the target takes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

texts = st.text(max_size=40) | st.sampled_from(
    [
        "db",
        "role",
        "alive",
        "created",
        "ok",
        "exists",
        "3306",
        "²",
        "foo..bar",
        "a b",
        "\n",
        "\x1b[2J",
        "\ud800",
        "9" * 20,
    ]
)
names = st.sampled_from(
    ["Name", "Addr", "Port", "Status", "Tags", "Members", "Seq", "Error", "Type", "From", "Payload", "agent", "name",
     "serf", "event_time", "status", "host", "port", "reason", "databases", "database", "user", "password", "key"]
)  # fmt: skip
numbers = st.integers(-1, 2**64 - 1) | st.booleans() | st.none() | st.floats()


def values(leaves: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Values of JSON, and what else the leaves are, with the words of the protocols in them."""
    return st.recursive(
        leaves | texts | numbers,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | texts, inner, max_size=5),
        max_leaves=12,
    )


packed = values(st.binary(max_size=20)).map(lambda value: msgpack.packb(value, unicode_errors="surrogatepass"))
frames = st.lists(packed, max_size=4).map(b"".join)
printed = values(st.nothing()).map(lambda value: json.dumps(value).encode())
lines = st.lists(texts, max_size=6).map(lambda parts: "\n".join(parts).encode(errors="surrogatepass"))


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("target", TARGETS)
@given(st.binary(max_size=200) | packed | frames | printed | lines)
@settings(max_examples=60)
def test_nothing_gets_through(target: str, data: bytes) -> None:
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "data",
    [
        b"", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"\xff" * 100, b"\x91" * 5000, b"\xdd\xff\xff\xff\xff",
        b"port=\xc2\xb2", b"port=99999", b"address=foo..bar:1", b"key=AAAA", b"1-2-\xc2\xb2.create_db",
        b"1-2-99999999999999999999.create_db", b"ib_logfile1", b"mysql_upgrade_info", b"aria_log_control",
    ],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_what_has_once_got_through(target: str, data: bytes) -> None:
    TARGETS[target](data)
