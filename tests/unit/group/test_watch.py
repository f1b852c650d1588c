"""May a node's server serve, and what do its tags say?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dbhandler.engine import group_sql
from dbhandler.errors import Resting, Unavailable
from dbhandler.group.engine import Running
from dbhandler.group.galera.running import GaleraRunning
from dbhandler.group.node import Holds, Mode, Node, decode, encode
from dbhandler.group.replication.options import server_uuid
from dbhandler.group.replication.running import ReplicationRunning
from dbhandler.group.store import GroupStore, View
from dbhandler.group.transactions import Transactions
from dbhandler.group.trusted import PATIENCE as PROVING
from dbhandler.group.watch import PATIENCE, TELLING, GroupWatch, group_watch
from dbhandler.inventory import InState
from dbhandler.serf.members import Member
from dbhandler.settings.config import Config
from dbhandler.trust.secret import new_secret
from tests.support.fakes import Clock, FakeProcess, RecordingServer, Rows
from tests.support.group_nodes import node as group_node
from tests.support.pools import OURS, THEIRS, proven

WAITING, JOINING = Mode.WAITING, Mode.JOINING
EMPTY, DATA = Holds.EMPTY, Holds.DATA

UUID = "4ff1e6c6-e6f9-11f1-b5d2-7aa832857484"


def rows(state: str = "Synced", primary: str = "Primary", ready: str = "ON", size: str = "3") -> Rows:
    return [
        ("wsrep_local_state_comment", state),
        ("wsrep_cluster_status", primary),
        ("wsrep_ready", ready),
        ("wsrep_cluster_size", size),
        ("wsrep_cluster_state_uuid", UUID),
    ]


class Made:
    """The watch under test and what it looks at."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock, self.server = clock, RecordingServer({group_sql.galera_status(): rows()})
        self.store = GroupStore(folder, folder)
        self.members: list[Member] = []
        self.initialised, self.process = True, FakeProcess()
        self.watch = self.watching()

    def watching(self, pools: Sequence[str] = (), engine: Running | None = None) -> GroupWatch:
        return GroupWatch(
            "shop", engine or GaleraRunning(), self.server, lambda: self.initialised, self.store,  # type: ignore[arg-type]
            lambda: self.members, self.process, self.clock, pools,  # type: ignore[arg-type]
        )  # fmt: skip

    def says(self, answer: Rows | Exception) -> str:
        """Looks once; returns why the server must not serve, or nothing."""
        self.server.replies[group_sql.galera_status()] = answer
        try:
            self.watch.check()
        except Unavailable as error:
            return str(error)
        return ""

    def node(self) -> Node:
        node = decode(self.watch.tags()["galera"])
        assert node is not None
        return node


@pytest.fixture
def made(tmp_path: Path, clock: Clock) -> Made:
    return Made(tmp_path, clock)


def other(mode: str, name: str = "db2", id: str = "bbbbbbbb") -> Member:
    tags = {"role": "db", "cluster": "shop", "galera": f"{mode} data {UUID}:0 {id}/0 - -"}
    return Member(name, "10.0.0.2", 7946, "alive", tags)


def test_synced_in_a_primary_component_it_serves(made: Made) -> None:
    made.store.save_view(View(UUID, {"aaaaaaaa": "db1", "bbbbbbbb": "db2"}))
    assert made.says(rows()) == ""
    assert (made.node().mode, made.node().uuid) == ("synced", UUID)
    # Whoever wants to join next waits until the one before stands here.
    assert made.node().view == {"aaaaaaaa", "bbbbbbbb"}


@pytest.mark.parametrize(
    ("answer", "reason", "mode"),
    [
        (rows(primary="non-Primary", ready="OFF", size="1"), "no quorum, with 1 in its component", "nonprimary"),
        (rows(primary="Disconnected", ready="OFF", size="0"), "no quorum", "nonprimary"),
        (rows(state="Joining"), "joining", "joining"),
        (rows(ready="OFF"), "joining", "joining"),
        (rows(state="Joined", ready="OFF"), "joining", "joining"),
    ],
)
def test_when_it_does_not_serve(made: Made, answer: Rows, reason: str, mode: str) -> None:
    made.says(rows())
    assert reason in made.says(answer)
    assert made.node().mode == mode


def test_a_donor_that_has_sent_all_is_one_until_it_is_synced(made: Made) -> None:
    assert made.says(rows("Joined")) == ""
    assert made.node().mode == "donor"


def test_a_donor_serves_only_while_nobody_else_does(made: Made) -> None:
    assert made.says(rows("Donor/Desynced")) == ""
    assert made.node().mode == "donor"
    made.members = [other("joining")]
    assert made.says(rows("Donor/Desynced")) == ""
    made.members = [other("synced")]
    assert "others serve meanwhile" in made.says(rows("Donor/Desynced"))
    assert made.node().mode == "donor"


def test_to_send_data_to_another_node_is_no_error(made: Made) -> None:
    made.members = [other("synced")]
    made.server.replies[group_sql.galera_status()] = rows("Donor/Desynced")
    with pytest.raises(Resting):
        made.watch.check()


def test_a_server_that_does_not_tell_who_is_there_is_not_believed_for_long(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    view = View(UUID, {"aaaaaaaa": "db1", "bbbbbbbb": "db2"})
    made.store.save_view(view)
    made.says(rows(size="3"))
    made.says(rows(size="2"))
    made.clock.advance(TELLING)
    made.says(rows(size="3"))
    assert made.store.view() == view, "a change takes its time"
    made.clock.advance(TELLING)
    assert made.says(rows(size="3")) == ""
    assert made.store.view() == View(UUID)
    assert "hides who is in it" in caplog.text
    assert made.node().view == frozenset()


def test_strangers_that_were_told_of_hide_nothing(made: Made) -> None:
    made.store.save_view(View(UUID, {"aaaaaaaa": "db1", "bbbbbbbb": "db2"}, strangers=1))
    for _ in range(3):
        made.says(rows(size="3"))
        made.clock.advance(TELLING)
    assert made.store.view().names


def test_without_its_accounts_it_only_begins(made: Made) -> None:
    made.initialised = False
    assert made.says(rows()) == ""
    assert made.node().mode == "beginning"


def test_the_reason_is_logged_once(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    made.says(rows())
    for _ in range(3):
        made.says(rows(primary="non-Primary", size="1"))
    made.says(rows())
    assert caplog.messages == [
        "cluster shop: this node has no quorum, with 1 in its component: it serves nobody",
        "cluster shop: this node serves, one of 3",
    ]


def test_before_anything_is_known_the_tag_says_so(made: Made) -> None:
    assert made.watch.tags() == {"cluster": "shop", "galera": "unknown"}


def test_while_the_server_does_not_run_its_start_program_speaks(made: Made) -> None:
    made.store.publish(Node("aa", WAITING, EMPTY))
    assert made.node().mode == WAITING


def test_a_server_that_has_just_ended_does_not_pass_for_an_empty_one(made: Made) -> None:
    # What was published before it started, as an empty node, is not true any more.
    made.store.publish(Node("aa", JOINING, EMPTY))
    made.says(rows())
    assert "away" in made.says(Unavailable("away"))
    assert (made.node().mode, made.node().holds, made.node().has) == (JOINING, DATA, None)
    fresh = Node("aa", WAITING, DATA, "1", UUID, Transactions.up_to(7))
    made.store.publish(fresh)
    assert made.watch.tags()["galera"] == encode(fresh)


def test_while_the_server_waits_its_absence_has_a_reason(made: Made) -> None:
    made.store.publish(Node("aa", WAITING, EMPTY))
    assert made.says(Unavailable("away")) == "away"
    made.store.publish(Node("aa", WAITING, EMPTY), "waiting for 'db3'")
    assert made.says(Unavailable("away")) == "the node does not serve: waiting for 'db3'"
    made.says(rows())
    assert made.says(Unavailable("away")) == "away"


def alone(made: Made, seconds: float) -> None:
    made.says(rows(primary="non-Primary"))
    made.clock.advance(seconds)
    made.says(rows(primary="non-Primary"))


def test_a_server_that_has_just_come_is_joining_before_it_is_in_a_component(made: Made) -> None:
    made.says(rows())
    made.says(Unavailable("away"))
    assert made.says(rows(primary="non-Primary")) == "this node is joining"
    made.clock.advance(PATIENCE)
    assert "no quorum" in made.says(rows(primary="non-Primary"))


def test_a_server_that_can_have_no_quorum_starts_anew_after_a_while(made: Made) -> None:
    made.store.save_view(View(UUID, {"bbbbbbbb": "db2"}))
    made.members = [other("waiting")]
    alone(made, PATIENCE / 2)
    assert made.process.ended == 0
    made.clock.advance(PATIENCE)
    made.says(rows(primary="non-Primary"))
    assert made.process.ended == 1
    # It takes a while to end.
    made.says(rows(primary="non-Primary"))
    assert made.process.ended == 1


def test_a_server_whose_peers_may_come_back_waits(made: Made) -> None:
    made.store.save_view(View(UUID, {"bbbbbbbb": "db2"}))
    made.members = [other("nonprimary")]
    alone(made, 10 * PATIENCE)
    assert made.process.ended == 0


def test_a_quorum_in_between_begins_the_patience_anew(made: Made) -> None:
    made.store.save_view(View(UUID, {"bbbbbbbb": "db2"}))
    made.members = [other("waiting")]
    alone(made, PATIENCE / 2)
    made.says(rows())
    alone(made, PATIENCE * 0.9)
    assert made.process.ended == 0


def test_a_server_that_is_ending_is_not_asked_again(made: Made) -> None:
    made.store.save_view(View(UUID, {"bbbbbbbb": "db2"}))
    made.members = [other("waiting")]
    made.process.is_ending = True
    alone(made, 10 * PATIENCE)
    assert made.process.ended == 0


def test_a_server_that_does_not_answer_either_is_insisted_on(made: Made) -> None:
    made.says(Unavailable("away"))
    assert made.process.insisted == 1


# --- nodes with a secret in common ---


def test_no_stranger_takes_a_donor_out_of_service(made: Made) -> None:
    made.watch = made.watching([OURS.id])
    for rogue in (other("synced"), proven(other("synced"), THEIRS)):
        made.members = [rogue]
        assert made.says(rows("Donor/Desynced")) == ""
    made.members = [proven(other("synced"))]
    assert "others serve meanwhile" in made.says(rows("Donor/Desynced"))


@pytest.mark.parametrize("mode", ["waiting", "synced"])
def test_no_stranger_makes_a_server_start_anew(made: Made, mode: str) -> None:
    made.watch = made.watching([OURS.id])
    made.store.save_view(View(UUID, {"bbbbbbbb": "db2"}))
    for rogue in (other(mode), proven(other(mode), THEIRS)):
        made.members = [rogue]
        alone(made, PATIENCE + PROVING)
        made.clock.advance(PATIENCE + PROVING)
        made.says(rows(primary="non-Primary"))
    assert made.process.ended == 0
    made.members = [proven(other(mode))]
    made.says(rows(primary="non-Primary"))
    assert made.process.ended == 1


def test_a_node_s_watch_believes_the_pool_of_its_secret(tmp_path: Path) -> None:
    def watch(**environ: str) -> GroupWatch:
        config = Config.from_environ({
            "DBHANDLER_ENGINE": "mariadb", "DBHANDLER_CLUSTER": "shop", "DBHANDLER_STATE_DIR": str(tmp_path),
            "DBHANDLER_RUN_DIR": str(tmp_path), **environ,
        })  # fmt: skip
        found = group_watch(config, RecordingServer(), lambda: [other("synced"), proven(other("synced", "db3"))])  # type: ignore[arg-type]
        assert found
        return found

    assert [node.mode for node in watch()._others()] == ["synced", "synced"]
    given = watch(DBHANDLER_POOL_SECRET=new_secret())
    assert [node.mode for node in given._others()] == ["unknown", "unknown"]


# --- MySQL's Group Replication ---


MEMBERS = {id: server_uuid(group_node(id), "shop") for id in ("aaaaaaaa", "bbbbbbbb", "cccccccc")}


@pytest.fixture
def member(tmp_path: Path, clock: Clock) -> Made:
    """The watch of a member of a MySQL group."""
    (tmp_path / InState.CLUSTER_ID).write_text("aaaaaaaa\n")
    made = Made(tmp_path, clock)
    made.watch = made.watching(engine=ReplicationRunning())
    return made


def sees(made: Made, *states: str, role: str = "PRIMARY") -> str:
    """Looks once at a server whose members are in these states, itself the first; as `says`."""
    found = zip(MEMBERS.values(), states, strict=False)
    made.server.replies[group_sql.members()] = [
        (id, state, role, number == 0, UUID) for number, (id, state) in enumerate(found)
    ]
    try:
        made.watch.check()
    except Unavailable as error:
        return str(error)
    return ""


def with_view(view: str, mode: str = "synced") -> Member:
    tags = {"role": "db", "cluster": "shop", "galera": f"{mode} data {UUID}:0 bbbbbbbb/0 - {view}"}
    return Member("db2", "10.0.0.2", 7946, "alive", tags)


def test_a_member_serves_when_those_who_served_before_have_noted_it(member: Made) -> None:
    member.members = [with_view("bbbbbbbb.cccccccc")]
    assert sees(member, "ONLINE", "ONLINE", "ONLINE") == "this node is joining"
    assert member.node().mode == JOINING
    member.members = [with_view("aaaaaaaa.bbbbbbbb.cccccccc")]
    assert sees(member, "ONLINE", "ONLINE", "ONLINE") == ""
    assert member.node().mode == "synced"


@pytest.mark.parametrize("view", ["-", "bbbbbbbb"])
def test_nobody_waits_for_one_that_does_not_serve_or_does_not_say(member: Made, view: str) -> None:
    member.members = [with_view(view, "synced" if view == "-" else "joining")]
    assert sees(member, "ONLINE", "ONLINE") == ""


def test_who_is_in_the_group_is_noted_with_the_names_that_are_known(member: Made) -> None:
    member.members = [with_view("-")]
    sees(member, "ONLINE", "ONLINE", "UNREACHABLE")
    assert member.store.view() == View(UUID, {"aaaaaaaa": "aaaaaaaa", "bbbbbbbb": "db2", "cccccccc": "cccccccc"})
    # Who has no quorum knows of nobody who has left.
    sees(member, "ONLINE", "UNREACHABLE")
    assert set(member.store.view().names) == {"aaaaaaaa", "bbbbbbbb", "cccccccc"}
    member.members = []
    sees(member, "ONLINE", "ONLINE")
    assert member.store.view() == View(UUID, {"aaaaaaaa": "aaaaaaaa", "bbbbbbbb": "db2"})


def test_a_member_without_a_quorum_serves_nobody(member: Made) -> None:
    sees(member, "ONLINE", "ONLINE", "ONLINE")
    assert "this node has no quorum, with 1 in its component" in sees(member, "ONLINE", "UNREACHABLE", "UNREACHABLE")


def test_a_member_out_of_the_group_hides_nobody(member: Made, caplog: pytest.LogCaptureFixture) -> None:
    sees(member, "ONLINE", "ONLINE")
    for _ in range(3):
        sees(member, "ERROR", "UNREACHABLE")
        member.clock.advance(TELLING)
    assert "hides who is in it" not in caplog.text
    assert member.store.view().names


def test_a_secondary_rests(member: Made) -> None:
    assert "the primary serves" in sees(member, "ONLINE", "ONLINE", role="SECONDARY")
    assert member.node().mode == "secondary" and member.store.view().names
    with pytest.raises(Resting):
        member.watch.check()
    assert sees(member, "ONLINE", "ONLINE") == ""
