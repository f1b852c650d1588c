"""What a member of a MySQL group says of its place, from the rows of the server's table."""

from __future__ import annotations

import pytest

from dbhandler.group.node import Mode
from dbhandler.group.replication.options import server_uuid
from dbhandler.group.replication.running import status_of
from dbhandler.group.store import View
from tests.support.fakes import Rows
from tests.support.group_nodes import HISTORY, node

MEMBERS = {name: server_uuid(node(name), "shop") for name in ("aaaaaaaa", "bbbbbbbb", "cccccccc")}


def rows(*states: str, role: str = "PRIMARY") -> Rows:
    """Of members in these states; the first is this server."""
    found = zip(MEMBERS.values(), states, strict=False)
    return [(id, state, role, number == 0, HISTORY) for number, (id, state) in enumerate(found)]


@pytest.mark.parametrize(
    ("states", "mode", "size"),
    [
        (["ONLINE"], Mode.SYNCED, 1),
        (["ONLINE", "ONLINE", "RECOVERING"], Mode.SYNCED, 3),
        (["ONLINE", "ONLINE", "UNREACHABLE"], Mode.SYNCED, 2),
        (["ONLINE", "UNREACHABLE", "UNREACHABLE"], Mode.NONPRIMARY, 1),
        (["ONLINE", "UNREACHABLE"], Mode.NONPRIMARY, 1),
        (["RECOVERING", "ONLINE"], Mode.JOINING, 2),
        (["OFFLINE"], Mode.JOINING, 0),
        (["ERROR", "ONLINE"], Mode.JOINING, 1),
    ],
)
def test_its_place(states: list[str], mode: Mode, size: int) -> None:
    status = status_of(rows(*states))
    assert (status.mode, status.size, status.uuid) == (mode, size, HISTORY)
    # Whom it does not reach is in the group all the same: that one may hold more.
    view = View(HISTORY, dict.fromkeys(list(MEMBERS)[: len(states)], "")) if mode == Mode.SYNCED else None
    assert status.view == view


def test_a_server_without_the_plugin_is_in_no_group() -> None:
    assert status_of([]).mode == Mode.JOINING
    assert status_of([("", "OFFLINE", "", 0, HISTORY)]).mode == Mode.JOINING


def test_a_secondary_leaves_the_work_to_the_primary() -> None:
    assert status_of(rows("ONLINE", "ONLINE", role="SECONDARY")).mode == Mode.SECONDARY
