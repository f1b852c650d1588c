"""Servers that wait to be filled, as their members say it."""

from __future__ import annotations

import pytest

from dbhandler.backup.whole import Wish, told, wishes
from dbhandler.distant.node import Node
from dbhandler.serf.members import Member, parsed
from dbhandler.serf.tags import Role, Tag


def member(status: str = "alive", **tags: str) -> Member:
    return Member("db2", "10.0.0.2", 7946, status, {Tag.ROLE: Role.DATABASE, **tags})


def test_an_empty_server_says_what_it_waits_for() -> None:
    [wish] = wishes([member(restore="db1@2026-11-23 21:04:05.5", port="3307"), member()])
    assert wish == Wish(Node("db2", "10.0.0.2", 3307), "db1", "2026-11-23 21:04:05.5")
    assert told(wish) == "'db2', which is to be 'db1' at '2026-11-23 21:04:05.5'"


@pytest.mark.parametrize("status", ["failed", "left"])
def test_one_that_is_gone_waits_no_more(status: str) -> None:
    assert wishes([member(status, restore="db1@latest")]) == []


@pytest.mark.parametrize("text", ["db1", "@latest", "db1@", "a b@latest", "db1@$(reboot)", f"{'x' * 65}@latest"])
def test_a_wish_of_another_form_is_no_member(text: str) -> None:
    record = {"Name": "db2", "Addr": b"\x0a\x00\x00\x02", "Port": 7946, "Status": "alive"}
    with pytest.raises(ValueError, match="its tag restore"):
        parsed({**record, "Tags": {"role": "db", "restore": text}})
