"""One source's binary log, followed from node to node and written down."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from dbhandler.backup import stream as module
from dbhandler.backup.logs import Logs
from dbhandler.backup.source import Source
from dbhandler.backup.stream import DOUBT, Stream
from dbhandler.distant.node import Node
from dbhandler.distant.position import Position
from dbhandler.engine.driver import pymysql
from dbhandler.errors import Denied, Unavailable
from tests.support.binlog import FORMAT, HEARTBEAT, ROTATE, XID, PlayedAccess, PlayedConnection, gtid, raw
from tests.support.fakes import Clock

PURGED = pymysql.err.OperationalError(1236, "Could not find GTID state")
LOST = pymysql.err.OperationalError(2013, "Lost connection")


class Rounds(threading.Event):
    """Is set after so many rounds, and never waits."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self._left = rounds

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        if self._left <= 0:
            self.set()
        return self.is_set()


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path / "logs", "mariadb")


def stream(logs: Logs, access: PlayedAccess, clock: Clock, nodes: Sequence[str] = ("a",)) -> Stream:
    known = tuple(Node(name, "10.0.0.1", 3306) for name in nodes)
    return Stream(Source("key-x", "db-1", "mariadb", known), logs, access, clock)  # type: ignore[arg-type]


def numbers(logs: Logs) -> list[int]:
    return [int(group.gtid.rpartition("-")[2]) for group, _ in logs.groups(0.0, float("inf"))]


def follow(logs: Logs, clock: Clock, *played: PlayedConnection | Exception) -> Stream:
    """Plays one connection after another to one node."""
    made = stream(logs, PlayedAccess(a=played), clock)
    made.run(Rounds(len(played)))
    return made


def test_what_comes_is_written_down(logs: Logs, clock: Clock) -> None:
    connection = PlayedConnection("", ROTATE, FORMAT, gtid(1), XID, gtid(2), XID, LOST)
    made = follow(logs, clock, connection)
    assert (numbers(logs), str(logs.position), connection.closed) == ([1, 2], "0-5-2", True)
    assert made.complaint == "'a': the stream has ended (error 2013)"
    assert [file.begin.origin for file in logs.files()] == ["a"]


def test_it_goes_on_where_it_was(logs: Logs, clock: Clock) -> None:
    second = PlayedConnection("0-5-9", FORMAT, gtid(2), XID, gtid(3), XID, LOST)
    follow(logs, clock, PlayedConnection("", FORMAT, gtid(1), XID, gtid(2), XID, gtid(3), LOST), second)
    # From before what it is recognised by.
    assert "@slave_connect_state = '0-5-1'" in second.statements[-1]
    assert (numbers(logs), len(logs.spans())) == ([1, 2, 3], 1)


def test_after_a_file_with_nothing_in_it_the_last_of_the_one_before_counts(logs: Logs, clock: Clock) -> None:
    begun, idle = (PlayedConnection(position, FORMAT, gtid(1), XID, LOST) for position in ("", "0-5-1"))
    third = PlayedConnection("0-5-2", ROTATE, HEARTBEAT, FORMAT, gtid(1), XID, ROTATE, FORMAT, gtid(2), XID, LOST)
    follow(logs, clock, begun, idle, third)
    assert (numbers(logs), len(logs.spans())) == ([1, 2], 1)


@pytest.mark.parametrize("present", ["0-5-2", "0-5-9"])
def test_another_transaction_in_its_place_is_another_history(
    present: str, logs: Logs, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a power failure that took the end of the server's log: positions alone would fit."""
    begun = PlayedConnection("", FORMAT, gtid(1), XID, gtid(2), XID, LOST)
    other = PlayedConnection(present, FORMAT, gtid(2, 1007), XID, gtid(3, 1008), XID, LOST)
    anew = PlayedConnection(present, FORMAT, gtid(10), XID, LOST)
    follow(logs, clock, begun, other, anew)
    assert f"@slave_connect_state = '{present}'" in anew.statements[-1]
    assert (numbers(logs), len(logs.spans())) == ([1, 2, 10], 2)
    assert "'db-1': 'a': it has another transaction 0-5-2 than the one that came from it; what came meanwhile is in " \
        "no backup" in caplog.messages  # fmt: skip


def test_what_begins_with_what_comes_next_needs_not_hold_the_last(logs: Logs, clock: Clock) -> None:
    begun = PlayedConnection("", FORMAT, gtid(1), XID, gtid(2), XID, LOST)
    after = PlayedConnection("0-5-3", FORMAT, gtid(3), XID, LOST)
    follow(logs, clock, begun, PlayedConnection("0-5-3", PURGED), after)
    assert "@slave_connect_state = '0-5-2'" in after.statements[-1]
    assert (numbers(logs), len(logs.spans())) == ([1, 2, 3], 1)


def test_the_first_time_it_begins_with_what_comes_next(logs: Logs, clock: Clock) -> None:
    connection = PlayedConnection("0-5-7", FORMAT, gtid(8), XID, LOST)
    follow(logs, clock, connection)
    assert "@slave_connect_state = '0-5-7'" in connection.statements[-1]
    assert numbers(logs) == [8]


def test_a_new_file_of_the_server_s_is_a_new_one_of_ours(logs: Logs, clock: Clock) -> None:
    follow(logs, clock, PlayedConnection("", FORMAT, gtid(1), XID, ROTATE, FORMAT, gtid(2), XID, LOST))
    assert (len(logs.files()), numbers(logs), len(logs.spans())) == (2, [1, 2], 1)
    assert [str(file.begin.position) for file in logs.files()] == ["", "0-5-1"]


def test_what_the_server_makes_up_is_not_written_down(logs: Logs, clock: Clock) -> None:
    made_up = raw(2, bytes(20), flags=0x20)
    follow(logs, clock, PlayedConnection("", FORMAT, made_up, ROTATE, HEARTBEAT, gtid(1), XID, LOST))
    [file] = logs.files()
    content = file.path.read_bytes()
    assert numbers(logs) == [1] and made_up not in content and ROTATE not in content and HEARTBEAT not in content


def test_a_server_at_rest_says_how_far_everything_is_known(logs: Logs, clock: Clock) -> None:
    connection = PlayedConnection("", FORMAT, gtid(1), XID, lambda: clock.advance(60.0), HEARTBEAT, LOST)
    follow(logs, clock, connection)
    assert logs.spans()[-1].last == 1060.0


def test_what_came_is_on_the_disk_twice_a_second(logs: Logs, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[float] = []
    monkeypatch.setattr(Logs, "sync", lambda _logs: synced.append(clock.now))
    follow(
        logs, clock,
        PlayedConnection(
            "", FORMAT, lambda: clock.advance(0.4), gtid(1), XID, lambda: clock.advance(0.2), gtid(2), XID,
            lambda: clock.advance(0.1), HEARTBEAT, lambda: clock.advance(-3600.0), gtid(3), XID, LOST,
        ),
    )  # fmt: skip
    # A clock that is put back is no reason to wait for it.
    assert synced == pytest.approx([1000.0, 1000.6, 1000.7, -2599.3])


def test_it_ends_at_once_and_with_a_whole_transaction(logs: Logs, clock: Clock) -> None:
    stop = threading.Event()
    connection = PlayedConnection("", FORMAT, gtid(1), XID, stop.set, gtid(2), XID)
    stream(logs, PlayedAccess(a=[connection]), clock).run(stop)
    assert (numbers(logs), connection.closed) == ([1], True)
    assert logs.files()[0].closed() is not None


def test_it_flows_only_once_it_comes(logs: Logs, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str | None] = []
    connection = PlayedConnection(
        "", ROTATE, lambda: seen.append(made.complaint), FORMAT, lambda: seen.append(made.complaint), HEARTBEAT, LOST
    )
    made = stream(logs, PlayedAccess(a=[Unavailable("it is away"), connection]), clock)
    assert made.complaint == "it has not begun"
    made.run(Rounds(2))
    assert seen == ["'a': it is away", None]
    assert caplog.messages[:2] == ["'db-1': 'a': it is away", "the binary log of 'db-1' comes from 'a'"]


def test_without_a_server_it_waits_and_says_so(logs: Logs, clock: Clock) -> None:
    made = stream(logs, PlayedAccess(), clock, nodes=())
    made.run(Rounds(1))
    # Which is no fault of the backup's.
    assert made.away


def test_what_is_purged_is_a_gap_that_is_told(logs: Logs, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    after = PlayedConnection("0-5-9", FORMAT, gtid(10), XID, LOST)
    first = PlayedConnection("", FORMAT, gtid(1), XID, LOST)
    follow(logs, clock, first, PlayedConnection("0-5-8", PURGED), PlayedConnection("0-5-8", PURGED), after)
    assert "@slave_connect_state = '0-5-9'" in after.statements[-1]
    assert (numbers(logs), len(logs.spans())) == ([1, 10], 2)
    assert any("what came meanwhile is in no backup" in message for message in caplog.messages)


def test_the_gap_is_told_once_and_then_it_goes_on(logs: Logs, clock: Clock) -> None:
    last = PlayedConnection("0-5-20", FORMAT, gtid(10), XID, gtid(11), XID, LOST)
    follow(
        logs, clock, PlayedConnection("", FORMAT, gtid(1), XID, LOST),
        PlayedConnection("0-5-8", PURGED), PlayedConnection("0-5-8", PURGED),
        PlayedConnection("0-5-9", FORMAT, gtid(10), XID, LOST), last,
    )  # fmt: skip
    assert "@slave_connect_state = '0-5-9'" in last.statements[-1] and numbers(logs) == [1, 10, 11]
    assert len(logs.spans()) == 2


def test_what_one_node_has_purged_another_still_gives(logs: Logs, clock: Clock) -> None:
    begun = PlayedConnection("", FORMAT, gtid(1), XID, LOST)
    other = PlayedConnection("0-5-9", FORMAT, gtid(2), XID, LOST)
    third = PlayedConnection("0-5-9", FORMAT, gtid(3), XID, LOST)
    access = PlayedAccess(
        a=[begun, PlayedConnection("0-5-9", PURGED), third], b=[Unavailable("away"), other, Unavailable("away")]
    )
    stream(logs, access, clock, nodes=("a", "b")).run(Rounds(3))
    assert "@slave_connect_state = '0-5-1'" in other.statements[-1]
    # Nor is it a reason, later, to leave something out.
    assert "@slave_connect_state = '0-5-2'" in third.statements[-1]
    assert (numbers(logs), len(logs.spans())) == ([1, 2, 3], 1)


def test_a_server_that_knows_less_may_have_to_catch_up(
    logs: Logs, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    begun = PlayedConnection("", FORMAT, gtid(1), XID, gtid(2), XID, LOST)
    less, caught_up = PlayedConnection("0-5-1"), PlayedConnection("0-5-2", FORMAT, gtid(2), XID, gtid(3), XID, LOST)
    made = follow(logs, clock, begun, less, caught_up)
    assert (less.commands, numbers(logs), len(logs.spans())) == ([], [1, 2, 3], 1)
    assert "'db-1': 'a': 'a' knows less than came from it before" in caplog.messages
    assert not any("gap" in message for message in caplog.messages)
    assert made.complaint is not None


def test_a_server_that_keeps_knowing_less_has_a_former_state(
    logs: Logs, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    begun = PlayedConnection("", FORMAT, gtid(1), XID, gtid(2), XID, lambda: clock.advance(100.0), LOST)
    follow(logs, clock, begun)
    made = stream(logs, PlayedAccess(a=[PlayedConnection("0-5-1")]), clock)
    made.run(Rounds(1))
    clock.advance(DOUBT)
    former = PlayedConnection("0-5-1", FORMAT, gtid(2, 1200), XID, LOST)
    made._access = PlayedAccess(a=[former])  # type: ignore[assignment]
    made.run(Rounds(1))
    assert "@slave_connect_state = '0-5-1'" in former.statements[-1]
    assert (numbers(logs), len(logs.spans())) == ([1, 2, 2], 2)
    assert "'db-1' goes on from a former state: there is a gap in its backup" in caplog.messages


@pytest.mark.parametrize(
    ("error", "complaint"),
    [
        (Denied("it does not know us"), "'a': it does not know us"),
        (Unavailable("away"), "'a': away"),
        (OSError(28, "No space left on device", "/backups/x"), "'a': /backups/x: No space left on device"),
    ],
)
def test_what_fails_is_told_once_and_tried_again(
    error: Exception, complaint: str, logs: Logs, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    made = follow(logs, clock, error, error)
    assert (made.complaint, caplog.messages) == (complaint, [f"'db-1': {complaint}"])


def test_a_damaged_event_ends_the_connection_and_is_not_kept(logs: Logs, clock: Clock) -> None:
    damaged = XID[:-1] + bytes([XID[-1] ^ 1])
    follow(
        logs, clock, PlayedConnection("", FORMAT, gtid(1), XID, gtid(2), damaged),
        PlayedConnection("0-5-2", FORMAT, gtid(1), XID, gtid(2), XID, LOST),
    )  # fmt: skip
    assert numbers(logs) == [1, 2]


def test_a_volume_that_cannot_be_settled_is_told(logs: Logs, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_logs: Logs) -> None:
        raise OSError(28, "No space left on device", "/backups/x")

    monkeypatch.setattr(Logs, "settle", full)
    made = stream(logs, PlayedAccess(), clock, nodes=())
    made._settle()
    assert made.complaint == "/backups/x: No space left on device"


def test_its_numbers_fit() -> None:
    # What a killed container may lose, and how long a heartbeat may be late.
    assert module.SYNC <= 1.0 and Position.parse("", "mariadb")
