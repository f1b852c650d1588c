"""What servers were asked for, as the console learns it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from dbhandler.agent.recent import Recent
from dbhandler.audit.record import Entry
from dbhandler.console.recents import MOST, MOST_SERVERS, Recents
from dbhandler.serf.members import parsed
from dbhandler.serf.rpc import Serf
from dbhandler.trust.safe import Safe
from tests.support.played_agent import record

SAFE = Safe([b"1" * 32])
MEMBER = parsed(record("a"))


class PlayedSerf:
    """One server's agent, and who else answers before it."""

    def __init__(self, recent: Recent, *forged: tuple[str, bytes]) -> None:
        self.recent, self.forged, self.asked, self.is_silent = recent, forged, 0, False

    def query(self, name: str, payload: bytes, timeout: float, nodes: object) -> Iterator[tuple[str, bytes]]:
        self.asked += 1
        yield from self.forged
        if not self.is_silent:
            yield "a", self.recent.answer(payload)


def served(count: int) -> Recent:
    recent = Recent(lambda _: None, SAFE)
    for number in range(count):
        recent(Entry("create_db", "denied", f"shop{number}", reason="the name is taken " * 4))
    return recent


def test_all_of_it_the_newest_first_and_later_what_is_new() -> None:
    recent, recents = served(20), Recents(SAFE)
    serf = PlayedSerf(recent)
    found = recents.look(cast(Serf, serf), MEMBER)
    assert found[-1].database == "shop0" and len(found) > 6
    while len(found := recents.look(cast(Serf, serf), MEMBER)) < 20:
        pass
    assert [one.database for one in found] == [f"shop{number}" for number in range(19, -1, -1)]
    recent(Entry("drop_db", "dropped", "shop0"))
    serf.asked = 0
    assert recents.look(cast(Serf, serf), MEMBER)[0].operation == "drop_db" and serf.asked == 2


def test_who_else_answers_is_passed_over() -> None:
    others = Recent(lambda _: None, Safe([b"2" * 32]))
    serf = PlayedSerf(served(1), ("b", b"{}"), ("a", b"x"), ("a", b'{"closed":5}'), ("a", b'{"status":"invalid"}'))
    assert [one.database for one in Recents(SAFE).look(cast(Serf, serf), MEMBER)] == ["shop0"]
    assert Recents(SAFE).look(cast(Serf, PlayedSerf(others)), MEMBER) == []


def test_a_server_that_is_silent_keeps_what_is_known() -> None:
    serf, recents = PlayedSerf(served(1)), Recents(SAFE)
    assert len(recents.look(cast(Serf, serf), MEMBER)) == 1
    serf.is_silent = True
    assert len(recents.look(cast(Serf, serf), MEMBER)) == 1


def test_neither_requests_nor_servers_fill_the_memory() -> None:
    recent, recents = Recent(lambda _: None, SAFE), Recents(SAFE)
    serf = PlayedSerf(recent)
    for number in range(3 * MOST):
        recent(Entry("create_db", "created", f"x{number}"))
        found = recents.look(cast(Serf, serf), MEMBER)
    assert len(found) == MOST
    for number in range(2 * MOST_SERVERS):
        recents.look(cast(Serf, serf), parsed(record(f"s{number}")))
    assert len(recents._known) == MOST_SERVERS
