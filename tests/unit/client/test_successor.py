"""A server whose state volume was lost: the application is told, and led there by an explicit word only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from dbhandler.client.state import State, StateFile
from dbhandler.client.successor import accept
from dbhandler.errors import InvalidRequest, TryLater
from dbhandler.requests.box import Keys, fingerprint
from dbhandler.serf.members import Member
from tests.support.applications import FakeSerf, client, find, made, server
from tests.support.fakes import Clock


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Keys]:
    return {name: Keys(tmp_path / f"key-{name}") for name in "ab"}


@pytest.fixture
def state(tmp_path: Path, keys: Mapping[str, Keys]) -> StateFile:
    """The state file of an application that was served by `a`."""
    file = StateFile(tmp_path / "state")
    file.save(State("shop", "shop", "the password of before", keys["a"].public))
    return file


def successor(keys: Mapping[str, Keys], name: str = "b", was: str = "", status: str = "alive") -> Member:
    plain = server("b", keys, status)
    return Member(name, plain.host, plain.port, status, {**plain.tags, "was": was or fingerprint(keys["a"].public)})


def test_the_application_is_told_the_cause_and_the_command(keys: dict[str, Keys]) -> None:
    with pytest.raises(TryLater) as told:
        find(
            FakeSerf([successor(keys, was=f"0123456789ab.{fingerprint(keys['a'].public)}")], made),
            "shop",
            keys["a"].public,
        )
    assert "'b' has the data of the one that made 'shop', but has lost its state volume" in str(told.value)
    assert str(told.value).endswith("run: dbhandler-request shop --state FILE --accept-server b")


@pytest.mark.parametrize("name", ["b;reboot", "b c", "$(x)", "b\n"])
def test_a_name_that_a_shell_could_misread_stands_in_no_command(keys: dict[str, Keys], name: str) -> None:
    with pytest.raises(TryLater, match="is not in the Serf cluster"):
        find(FakeSerf([successor(keys, name)], made), "shop", keys["a"].public)


def test_an_accepted_server_is_asked_with_the_same_password(
    keys: dict[str, Keys], state: StateFile, clock: Clock
) -> None:
    serf = FakeSerf([successor(keys)], made)
    asking = client(serf, state, clock)
    accept(serf, state, "shop", "b")  # type: ignore[arg-type]
    assert state.load() == State("shop", "shop", "the password of before", keys["b"].public)
    assert serf.asked == []
    assert asking.create("shop", None, {}).password == "the password of before"


@pytest.mark.parametrize(
    ("server_name", "member", "sentence"),
    [
        ("c", {}, "no live database server 'c'"),
        ("b", {"status": "failed"}, "no live database server 'b'"),
        ("b", {"was": "0123456789ab"}, "does not say that it has the data"),
    ],
)
def test_no_other_server_is_accepted(
    keys: dict[str, Keys], state: StateFile, clock: Clock, server_name: str, member: dict[str, str], sentence: str
) -> None:
    before = state.load()
    with pytest.raises(InvalidRequest, match=sentence):
        client(FakeSerf([successor(keys, **member)], made), state, clock).create("shop", None, {}, server_name)
    assert state.load() == before


def test_whoever_waits_goes_on_when_somebody_has_accepted_it(
    keys: dict[str, Keys], state: StateFile, clock: Clock
) -> None:
    asking = client(FakeSerf([successor(keys)], made), state, clock)

    def accepted(_seconds: float) -> None:
        accept(FakeSerf([successor(keys)], made), state, "shop", "b")  # type: ignore[arg-type]

    asking.asker._sleep = accepted
    assert asking.create("shop", None, {}).host == "b"
