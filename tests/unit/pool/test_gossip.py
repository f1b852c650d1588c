"""A new gossip key: in which order all members are told, and what is refused."""

from __future__ import annotations

import base64

import pytest

from dbhandler.errors import Denied, InvalidRequest
from dbhandler.pool import gossip

FIRST = base64.b64encode(b"1" * 32).decode()


class Recording:
    """Serf's keys, as its RPC changes them."""

    def __init__(self, *keys: str) -> None:
        self.keys, self.told = list(keys), list[tuple[str, str]]()

    def gossip_keys(self) -> dict[str, int]:
        return dict.fromkeys(self.keys, 3)

    def change_gossip_key(self, command: str, key: str) -> None:
        self.told.append((command, key))


def test_all_have_the_new_key_before_one_sends_with_it() -> None:
    serf = Recording(FIRST)
    new, former = gossip.rotate(serf).split()  # type: ignore[arg-type]
    assert former == FIRST
    assert len(base64.b64decode(new)) == 32
    assert serf.told == [("install", new), ("use", new)]
    assert gossip.rotate(Recording(FIRST)).split()[0] != new  # type: ignore[arg-type]


def test_no_second_change_before_the_first_is_ended() -> None:
    serf = Recording(FIRST, "another")
    with pytest.raises(Denied, match="2 gossip keys"):
        gossip.rotate(serf)  # type: ignore[arg-type]
    assert serf.told == []


def test_the_end_removes_all_others_once_nobody_sends_with_them() -> None:
    serf = Recording(FIRST, "new", "older")
    assert gossip.end(serf, "new") == "new"  # type: ignore[arg-type]
    assert serf.told == [("use", "new"), ("remove", FIRST), ("remove", "older")]


def test_a_key_that_they_do_not_have_ends_nothing() -> None:
    serf = Recording(FIRST)
    with pytest.raises(InvalidRequest) as error:
        gossip.end(serf, "unheard of")  # type: ignore[arg-type]
    assert "unheard of" not in str(error.value)
    assert serf.told == []
