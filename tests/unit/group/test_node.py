"""The tag `galera`: what is written is read again, and what is no node of ours is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.group.node import Ballot, Holds, Mode, Node, decode, encode, nodes_of
from dbhandler.group.transactions import Transactions
from dbhandler.serf.members import Member

WAITING, SYNCED, UNKNOWN = Mode.WAITING, Mode.SYNCED, Mode.UNKNOWN
EMPTY, DATA, FOREIGN = Holds.EMPTY, Holds.DATA, Holds.FOREIGN

UUID = "4ff1e6c6-e6f9-11f1-b5d2-7aa832857484"
WORDS = st.text("0123456789abcdef", min_size=1, max_size=8)
NUMBERS = st.integers(0, 10**19 - 1)
SETS = st.builds(Transactions.up_to, NUMBERS) | st.builds(
    Transactions, st.just(((2, 5), (7, 7))), st.sampled_from(["", "0123abcd"])
)
BALLOTS = st.builds(Ballot, WORDS, WORDS)


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    holds = draw(st.sampled_from([EMPTY, DATA, FOREIGN]))
    made = Node(
        draw(WORDS), draw(st.sampled_from([WAITING, SYNCED])), holds, draw(WORDS),
        view=draw(st.frozensets(WORDS, max_size=5)), vote=draw(st.none() | BALLOTS),
    )  # fmt: skip
    return replace(made, uuid=UUID, has=draw(st.none() | SETS)) if holds == DATA else made


@given(nodes())
def test_a_node_survives_its_tag(node: Node) -> None:
    assert decode(encode(node)) == node


ANYTHING = st.text(max_size=300)


@given(
    mode=ANYTHING | st.sampled_from([WAITING, SYNCED, UNKNOWN]), holds=st.sampled_from([EMPTY, DATA, FOREIGN]),
    id=ANYTHING | WORDS, nonce=ANYTHING | WORDS, uuid=ANYTHING | st.just(UUID), has=st.none() | SETS,
    view=st.frozensets(ANYTHING | WORDS, max_size=40), vote=st.builds(Ballot, ANYTHING | WORDS, ANYTHING | WORDS),
)  # fmt: skip
def test_whatever_a_node_is_told_its_tag_is_read_and_fits(**words: Any) -> None:
    tag = encode(Node(**words))
    assert tag == UNKNOWN or decode(tag)
    assert len(tag.encode()) <= 190


def test_a_view_that_does_not_fit_is_not_known() -> None:
    view = frozenset(f"{number:08x}" for number in range(10))
    read = decode(encode(Node("aa", SYNCED, DATA, uuid=UUID, view=view)))
    assert read and read.view == frozenset()


def test_a_set_with_too_many_holes_is_not_known() -> None:
    few = Transactions(tuple((number, number) for number in range(1, 20, 4)))
    many = Transactions(tuple((number, number) for number in range(1, 200, 4)))
    for has, told in ((few, few), (many, None)):
        read = decode(encode(Node("aa", WAITING, DATA, uuid=UUID, has=has)))
        assert read and read.has == told


@given(st.text())
def test_any_text_is_a_node_or_none(text: str) -> None:
    node = decode(text)
    assert node is None or decode(encode(node)) == node


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "waiting empty - a/b -",
        "waiting empty - a/b - - -",
        "dancing empty - a/b - -",
        "waiting full - a/b - -",
        "waiting data - a/b - -",
        f"waiting data {UUID}:x a/b - -",
        f"waiting data {UUID}:-5 a/b - -",
        f"waiting data {UUID}:٣ a/b - -",
        f"waiting data {UUID}:{'9' * 20} a/b - -",
        "waiting data no-uuid:5 a/b - -",
        "waiting empty - a b - -",
        "waiting empty - a/b/c - -",
        "waiting empty - a/b x - -",
        "waiting empty - a/b - x.y",
    ],
)
def test_no_node(text: str) -> None:
    assert decode(text) is None


def test_the_tag_leaves_room_for_the_others() -> None:
    view = frozenset(f"{number:08x}" for number in range(9))
    longest = Node(
        "f" * 8, Mode.NONPRIMARY, DATA, "ffff", UUID, Transactions.up_to(1 << 62), view, Ballot("f" * 8, "ffff")
    )
    tags = {
        "role": "db", "cluster": "c" * 32, "galera": encode(longest), "mysql": "starting", "engine": "mariadb",
        "version": "11.8.6-MariaDB-0+deb13u1-log", "port": "65535", "key": "k" * 44, "address": "h" * 64 + ":65535",
        "was": "0123456789ab.0123456789ab",
    }  # fmt: skip
    # As Serf's msgpack counts: two bytes at the beginning, one before each text, three before one of 32 or more.
    sizes = [len(text) + (1 if len(text) < 32 else 3) for pair in tags.items() for text in pair]
    assert 2 + sum(sizes) <= 512


def member(name: str, tag: str, status: str = "alive", cluster: str = "shop", role: str = "db") -> Member:
    return Member(name, "10.0.0.1", 7946, status, {"cluster": cluster, "galera": tag, "role": role})


def test_the_nodes_of_one_cluster() -> None:
    members = [
        member("a", "waiting empty - aa/0 - -"),
        member("b", "nonsense"),
        member("c", "waiting empty - cc/0 - -", cluster="other"),
        member("d", "waiting empty - dd/0 - -", role="web"),
        member("e", "waiting empty - ee/0 - -", "failed"),
    ]
    found = nodes_of(members, "shop")
    assert [(node.name, node.id, node.mode, node.alive) for node in found] == [
        ("a", "aa", WAITING, True),
        ("b", "(b)", UNKNOWN, True),
        ("e", "ee", WAITING, False),
    ]


def test_a_dead_member_whose_node_lives_under_another_name_is_left_out() -> None:
    members = [member("old", "waiting empty - aa/0 - -", "failed"), member("new", "waiting empty - aa/1 - -")]
    assert [node.name for node in nodes_of(members, "shop")] == ["new"]
