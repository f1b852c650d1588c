"""Nodes of a MySQL group, for its unit tests."""

from __future__ import annotations

from dataclasses import replace

from dbhandler.group.node import Holds, Mode, Node

HISTORY = "11111111-1111-4111-8111-111111111111"


def node(id: str, **more: object) -> Node:
    """An empty node that waits, named after its identity."""
    made = Node(id, Mode.WAITING, Holds.EMPTY, name=f"db-{id}", host="10.0.0.1")
    return replace(made, **more)  # type: ignore[arg-type]
