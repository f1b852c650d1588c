"""A password that is changed: when, by whom, and what is valid beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.client.asking import KEEP_OLD, Client
from dbhandler.client.rotation import begun, begun_if_older, due_in, ended
from dbhandler.client.state import State, StateFile
from dbhandler.errors import TryLater
from dbhandler.requests.box import Keys
from tests.support.applications import Answer, FakeSerf, server
from tests.support.fakes import Clock
from tests.support.owners import OwnersServer

PASSWORD = "the first password"
STATE = State("shop", "shop", PASSWORD, changed=1000)


class Played:
    """An application, one server, and a clock that both live by."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        keys = {"a": Keys(folder / "key")}
        self.server, self.clock, self.file = OwnersServer(keys["a"], PASSWORD), clock, StateFile(folder / "state")
        self.serf = FakeSerf([server("a", keys)], self.server)
        self.file.save(replace(STATE, key=keys["a"].public))

    def client(self, timeout: float = 0) -> Client:
        lines: list[str] = []
        return Client(
            lambda: self.serf, self.file, timeout, lines.append, self.clock, self.clock.advance, now=self.clock  # type: ignore[arg-type, return-value]
        )  # fmt: skip

    @property
    def state(self) -> State:
        state = self.file.load()
        assert state is not None
        return state

    @property
    def valid(self) -> list[str]:
        """The passwords that the server takes."""
        return self.server.passwords["shop"]


@pytest.fixture
def played(tmp_path: Path, clock: Clock) -> Played:
    return Played(tmp_path, clock)


@pytest.mark.parametrize(("keep_old", "valid"), [(None, 2), (60, 2), (0, 1)])
def test_the_former_password_is_valid_as_long_as_is_said(played: Played, keep_old: int | None, valid: int) -> None:
    played.clock.advance(500)
    connection = played.client().rotate() if keep_old is None else played.client().rotate(keep_old)
    [box] = played.server.boxes_of("rotate_db")
    assert (box.password, box.new_password) == (PASSWORD, connection.password)
    assert box.keep_old == (KEEP_OLD if keep_old is None else keep_old)
    assert played.valid == [connection.password, PASSWORD][:valid]
    assert (played.state.password, played.state.next_password, played.state.changed) == (
        connection.password,
        None,
        1500,
    )


def test_ten_minutes_are_the_default() -> None:
    assert KEEP_OLD == 600


def test_a_password_that_is_to_be_worth_nothing_is_not_kept_by_a_change_that_was_cut_short(played: Played) -> None:
    played.server.lost = 1
    with pytest.raises(TryLater):
        played.client().rotate()
    assert PASSWORD in played.valid
    connection = played.client().rotate(0)
    assert played.valid == [connection.password] == [played.state.password]


@pytest.mark.parametrize("finish", ["create", "rotate", "rotate_if_older"])
def test_a_change_that_was_cut_short_is_ended_by_whatever_comes_next(played: Played, finish: str) -> None:
    played.server.lost = 1
    with pytest.raises(TryLater):
        played.client().rotate()
    wanted = played.state.next_password
    arguments: Mapping[str, tuple[object, ...]] = {
        "create": ("shop", None, {}), "rotate": (), "rotate_if_older": (10**9,),
    }  # fmt: skip
    connection = getattr(played.client(), finish)(*arguments[finish])
    assert connection.password == wanted == played.state.password
    assert played.state.next_password is None


@pytest.mark.parametrize(("status", "pending"), [("created", False), ("exists", True)])
def test_a_database_that_ended_in_the_middle_of_a_change_is_made_anew(
    played: Played, monkeypatch: pytest.MonkeyPatch, status: str, pending: bool
) -> None:
    """With the present password. Where the server has it all the same nobody knows which password stays valid."""
    played.file.save(replace(played.state, next_password="the password to be"))
    monkeypatch.setattr(played.server, "_rotate_db", lambda _: {"status": "denied", "reason": "no such account"})
    monkeypatch.setattr(played.server, "_create_db", lambda _: {"status": status})
    assert played.client().create("shop", None, {}).password == PASSWORD == played.state.password
    assert (played.state.next_password is not None) is pending


def test_a_password_is_changed_when_it_is_old_enough(played: Played) -> None:
    assert played.client().rotate_if_older(100) is None and not played.server.boxes
    played.clock.advance(99)
    assert played.client().rotate_if_older(100) is None
    played.clock.advance(1)
    connection = played.client().rotate_if_older(100)
    assert connection and connection.password == played.state.password != PASSWORD
    assert played.client().rotate_if_older(100) is None


def test_a_new_account_s_password_has_an_age(played: Played) -> None:
    played.file.remove()
    played.server.passwords.clear()
    played.server.passwords["shop"] = _Any()
    played.client().create("shop", None, {})
    assert played.state.changed == 1000
    assert played.client().rotate_if_older(100) is None


class _Any(list[str]):
    """Every password is right."""

    def __contains__(self, _: object) -> bool:
        return True


def test_two_that_change_it_at_once_agree(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one begins when this one has asked, and ends first."""
    rotate, others = played.server._rotate_db, list[str]()

    def meanwhile(box: object) -> Answer:
        monkeypatch.setattr(played.server, "_rotate_db", rotate)
        others.append(played.client().rotate().password)
        return rotate(box)  # type: ignore[arg-type]

    monkeypatch.setattr(played.server, "_rotate_db", meanwhile)
    mine = played.client().rotate()
    assert [mine.password] == others == [played.state.password] == played.valid[:1]
    assert len(played.valid) == 2 and played.state.next_password is None


def test_who_comes_when_another_one_is_done_changes_nothing(played: Played) -> None:
    """It has seen the change begun, asks with what stands in the file by now, and finds it done."""
    played.server.lost = 1
    with pytest.raises(TryLater):
        played.client().rotate()
    late, wanted = played.client(60), played.state.next_password
    load = played.file.load

    def done() -> State | None:
        played.file.load = load  # type: ignore[method-assign]
        state = load()
        played.client().rotate()
        return state

    played.file.load = done  # type: ignore[method-assign]
    assert late.create("shop", None, {}).password == wanted == played.state.password == played.valid[0]
    assert played.state.next_password is None


def test_a_request_writes_no_older_password_over_a_newer_one(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    create = played.server._create_db

    def meanwhile(box: object) -> Answer:
        played.client().rotate()
        return create(box)  # type: ignore[arg-type]

    monkeypatch.setattr(played.server, "_create_db", meanwhile)
    connection = played.client().create("shop", None, {})
    assert connection.password == played.state.password == played.valid[0] != PASSWORD


# --- the pure part ---


@pytest.mark.parametrize(
    ("state", "now", "wait"),
    [
        (STATE, 1000, 100.0),
        (STATE, 1060, 40.0),
        (STATE, 1100, 0.0),
        (STATE, 5000, 0.0),
        # Of an older version, which noted nothing.
        (replace(STATE, changed=None), 1000, 0.0),
        (replace(STATE, next_password="to be"), 1000, 0.0),
        # By a clock that was ahead: a little is no reason, much is.
        (STATE, 995, 95.0),
        (STATE, 10, 0.0),
    ],
)
def test_when_a_password_is_due(state: State, now: float, wait: float) -> None:
    assert due_in(state, 100, now) == wait
    assert (begun_if_older(state, 100, now) is state) == (wait > 0 or state.next_password is not None)


def test_a_change_is_begun_once() -> None:
    first = begun(STATE)
    assert first.next_password and first.password == PASSWORD
    assert begun(first) is first and begun(STATE).next_password != first.next_password


def test_only_the_change_that_was_begun_is_ended() -> None:
    one, other = begun(STATE), begun(STATE)
    assert ended(one, one.next_password, 2000.9) == replace(STATE, password=str(one.next_password), changed=2000)
    assert ended(one, other.next_password, 2000) is one
    assert ended(STATE, one.next_password, 2000) is STATE and ended(STATE, None, 2000) is STATE
