"""What is shown of what gossip and answers tell."""

from __future__ import annotations

import pytest

from dbhandler.console.sight import (
    MOST_OTHERS,
    MOST_SERVERS,
    MOST_STRANGERS,
    UNASKED,
    Heard,
    backup_members,
    others,
    servers,
    settled,
)  # fmt: skip
from dbhandler.requests.backup_state import BackupState
from dbhandler.serf.members import Member, parsed
from dbhandler.serf.proof import Believer
from dbhandler.status.backups import Backups
from dbhandler.status.servers import ServerStatus
from tests.support.played_agent import record
from tests.support.pools import OURS, THEIRS, proven

ANYBODY = Believer(())


def member(name: str, status: str = "alive", **tags: str) -> Member:
    return parsed(record(name, status, **tags))


def status(node: str, state: str = "ready", alive: bool = True) -> ServerStatus:
    return ServerStatus(node, alive, state, "mariadb", "11.8.3", databases=2)


def states(*members: Member, **statuses: ServerStatus) -> dict[str, str]:
    found, _ = servers(Heard(members, statuses), ANYBODY)
    return {server.node: server.state for server in found}


def test_what_gossip_knows_first_counts_and_the_answer_where_all_is_well() -> None:
    assert states(member("a"), a=status("a")) == {"a": "ready"}
    assert states(member("a", mysql="down"), a=status("a")) == {"a": "down"}
    assert states(member("a", "failed"), a=status("a")) == {"a": "failed"}
    assert states(member("a"), a=status("a", "no agent")) == {"a": "no agent"}
    # It has come back since it was asked.
    assert states(member("a"), a=status("a", "failed", alive=False)) == {"a": "ready"}
    assert states(member("a")) == {"a": UNASKED}


def test_what_is_wrong_stands_first() -> None:
    seen = states(member("a"), member("b", "failed"), member("c", mysql="starting"), a=status("a"))
    assert list(seen) == ["b", "c", "a"]


def test_one_answer_that_is_lost_changes_nothing_and_a_second_one_does() -> None:
    first = settled({}, [status("a")])
    second = settled(first, [status("a", "no answer")])
    assert second["a"].state == "ready" and second["a"].databases == 2
    assert settled(second, [status("a", "no answer")])["a"].state == "no answer"
    assert settled(second, [status("a")])["a"] == first["a"]
    assert settled({}, [status("a", "no answer")])["a"].state == "no answer"
    assert settled(first, []) == {}


def test_made_up_members_do_not_push_true_ones_out_of_sight() -> None:
    crowd = [member(f"a{number}") for number in range(2 * MOST_SERVERS)]
    true = proven(member("z"))
    shown, left_out = servers(Heard([*crowd, true]), Believer(OURS.ids))
    assert [one.node for one in shown if one.believed] == ["z"]
    assert len(shown) == MOST_STRANGERS + 1 and left_out == len(crowd) - MOST_STRANGERS
    shown, left_out = servers(Heard(crowd), ANYBODY)
    assert (len(shown), left_out) == (MOST_SERVERS, MOST_SERVERS)


def test_a_stranger_is_told_and_nothing_that_it_says() -> None:
    liar = proven(member("z", addr="evil:1", cluster="shop"), THEIRS)
    [shown], _ = servers(Heard([liar], {"z": status("z")}), Believer(OURS.ids))
    assert (shown.state, shown.group, shown.address, shown.status) == ("unproven", None, None, None)


def test_backups_those_that_are_believed_first_and_none_that_has_left() -> None:
    found = [member("a", role="backup"), proven(member("b", role="backup")), member("c", "left", role="backup")]
    assert [(one.node, one.believed) for one in backup_members(Heard(found), Believer(OURS.ids))] == [
        ("b", True), ("a", False),
    ]  # fmt: skip


def test_a_servers_backup_stands_with_it() -> None:
    state = BackupState("key-x", "a", 1, 2, 0, 2)
    [shown], _ = servers(Heard([member("a")], backups=Backups(of_node={"a": state})), ANYBODY)
    assert shown.backup == state


@pytest.mark.parametrize(("count", "shown", "more"), [(3, 3, 0), (MOST_OTHERS + 7, MOST_OTHERS, 7)])
def test_other_members_are_named_up_to_a_number(count: int, shown: int, more: int) -> None:
    crowd = [member(f"app{number}", role="app", key="", port="", mysql="") for number in range(count)]
    names, rest = others(Heard([*crowd, member("db"), member("gone", "failed", role="app")]))
    assert (len(names), rest) == (shown, more)
