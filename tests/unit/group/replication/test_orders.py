"""What the start program leaves for the agent: once."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.group.replication.orders import Order, Orders
from dbhandler.inventory import InRun


@pytest.mark.parametrize("order", [Order(begins=True), Order(begins=False, password=2)])
def test_an_order_is_taken_once(tmp_path: Path, order: Order) -> None:
    orders = Orders(tmp_path)
    assert orders.take() is None
    orders.give(Order(begins=False))
    orders.give(order)
    assert orders.take() == order
    assert orders.take() is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"begins": true}', '{"begins": true, "password": "x"}'])
def test_what_is_no_order_begins_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / InRun.GROUP_START).write_text(text)
    assert Orders(tmp_path).take() is None
    assert Orders(tmp_path).take() is None
