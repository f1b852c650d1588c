"""A pool with a directory: one server is asked, and whom it names next; a known name is found without the directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.client.asker import MOST_HOPS, PAUSE
from dbhandler.client.asking import Client
from dbhandler.client.discovery import AGAIN, find_server
from dbhandler.client.one_server import CREATE_AGAIN
from dbhandler.client.state import State, StateFile
from dbhandler.errors import InvalidRequest, Placed, TryLater
from dbhandler.requests.box import Credentials, Keys
from dbhandler.serf.members import Member
from tests.support.applications import Answer, FakeSerf, client, find, made, server
from tests.support.fakes import Clock
from tests.support.pools import OURS, THEIRS, PlayedCluster, PlayedServer, changed

NAMES = "abcde"
WAY_OUT = "; if it is gone for good, dbhandler-pool forget {} gives up what it holds"

Reply = Callable[[str, str, Mapping[str, str]], Answer | None]


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Keys]:
    return {name: Keys(tmp_path / f"key-{name}") for name in NAMES}


def told(member: Member, **tags: str) -> Member:
    """The member with more tags."""
    return replace(member, tags={**member.tags, **tags})


def pool(keys: Mapping[str, Keys], names: str = NAMES, **other: str) -> list[Member]:
    """The servers of a pool with a directory; `other` says what is the matter with some: dead, down, ..."""
    states = {name: other.get(name, "ready") for name in names}
    members = [
        server(name, keys, "failed" if state == "failed" else "alive", "ready" if state == "failed" else state)
        for name, state in states.items()
    ]
    return [told(member, dir="1") for member in members]


def placing(places: Mapping[str, str], why: str | None = None) -> Reply:
    """What servers answer that name another one, each its own; all others make the database."""

    def reply(name: str, node: str, request: Mapping[str, str]) -> Answer:
        if name == "create_db" and node in places:
            return {"status": "placed", "server": places[node], **({"reason": why} if why else {})}
        return made(name, node, request)

    return reply


def first(keys: Mapping[str, Keys], names: str = NAMES) -> str:
    """Who is asked first for the database shop."""
    return find(FakeSerf(pool(keys, names), made), "shop").name


def others(name: str, names: str = NAMES) -> str:
    return "".join(other for other in names if other != name)


# --- one server is asked ---


def test_a_new_database_costs_one_query_to_one_server(keys: dict[str, Keys], clock: Clock) -> None:
    serf = FakeSerf(pool(keys), made)
    host = client(serf, StateFile(None), clock).create("shop", None, {}).host
    assert serf.asked == [("create_db", (host,))] and serf.ways == [(None, CREATE_AGAIN)]


def test_names_are_spread_and_every_client_agrees_as_without_a_directory(keys: dict[str, Keys]) -> None:
    members = pool(keys)
    picked = [find(FakeSerf(members, made), f"db{number}").name for number in range(60)]
    assert picked == [find(FakeSerf(members[::-1], made), f"db{number}").name for number in range(60)]
    plain = [server(name, keys) for name in NAMES]
    assert picked == [find(FakeSerf(plain, made), f"db{number}").name for number in range(60)]
    assert set(picked) == set(NAMES)


@pytest.mark.parametrize("state", ["failed", "down", "starting"])
def test_who_is_not_ready_is_not_waited_for(keys: dict[str, Keys], state: str) -> None:
    away = first(keys)
    serf = FakeSerf(pool(keys, **{away: state}), made)
    assert find(serf, "shop").name == first(keys, others(away)) and not serf.asked


def test_where_none_is_ready_it_waits(keys: dict[str, Keys]) -> None:
    with pytest.raises(TryLater, match=r"^waiting for the server 'a', which is down$"):
        find(FakeSerf(pool(keys, "a", a="down"), made), "shop")


def test_only_who_knows_of_the_directory_is_asked(keys: dict[str, Keys]) -> None:
    knowing, *old = sorted(NAMES, key=lambda name: name != others(first(keys))[0])
    serf = FakeSerf([*pool(keys, knowing), *(server(name, keys) for name in old)], made)
    assert find(serf, "shop").name == knowing
    # One that is dead says nothing.
    dead = FakeSerf([*pool(keys, "a", a="failed"), server("b", keys), server("c", keys)], made)
    with pytest.raises(TryLater, match=r"'a', which is failed"):
        find(dead, "shop")


def test_a_known_server_is_asked_as_before(keys: dict[str, Keys]) -> None:
    serf = FakeSerf(pool(keys), made)
    for name in NAMES:
        assert find(serf, "shop", keys[name].public).name == name
    with pytest.raises(TryLater, match=r"which is failed"):
        find(FakeSerf(pool(keys, a="failed"), made), "shop", keys["a"].public)


# --- whom it names is asked next ---


def test_whom_the_first_one_names_is_asked_at_once_with_a_box_of_its_own(
    keys: dict[str, Keys], tmp_path: Path, clock: Clock
) -> None:
    asked, opened = first(keys), list[Credentials]()
    holder, state = others(asked)[0], StateFile(tmp_path / "state")

    def reply(name: str, node: str, request: Mapping[str, str]) -> Answer:
        opened.append(keys[node].open(request["sealed"], request["database"]))
        return placing({asked: holder}, "it is less loaded")(name, node, request) or {}

    serf = FakeSerf(pool(keys), reply)
    application = client(serf, state, clock)
    began = clock.now
    assert application.create("shop", None, {}).host == holder
    assert serf.asked == [("create_db", (asked,)), ("create_db", (holder,))] and clock.now == began
    assert [box.password for box in opened] == [opened[0].password] * 2
    assert (saved := state.load()) and (saved.key, saved.password) == (keys[holder].public, opened[0].password)
    assert application.lines == [  # type: ignore[attr-defined]
        f"the server '{asked}' says that '{holder}' has the database: it is less loaded"
    ]
    # From now on it is known.
    client(serf, state, clock).create("shop", None, {})
    assert serf.asked[2:] == [("create_db", (holder,))]


def test_it_is_led_no_further_than_a_few_servers_without_a_pause(keys: dict[str, Keys], clock: Clock) -> None:
    serf = FakeSerf(pool(keys, "ab"), placing({"a": "b", "b": "a"}))
    began = clock.now
    with pytest.raises(TryLater, match=r"says that '[ab]' has the database$"):
        client(serf, StateFile(None), clock, timeout=0).create("shop", None, {})
    assert (len(serf.asked), clock.now) == (1 + MOST_HOPS, began)
    with pytest.raises(TryLater):
        client(serf, StateFile(None), clock, timeout=1.5 * PAUSE).create("shop", None, {})
    assert (len(serf.asked), clock.now) == (3 * (1 + MOST_HOPS), began + PAUSE)


@pytest.mark.parametrize("state", ["failed", "down", "starting"])
def test_whom_it_names_is_waited_for(keys: dict[str, Keys], clock: Clock, state: str) -> None:
    serf = FakeSerf(pool(keys, "ab", b=state), placing({"a": "b"}))
    application = client(serf, StateFile(None), clock, timeout=PAUSE)
    with pytest.raises(TryLater) as caught:
        application.create("shop", None, {})
    more = WAY_OUT.format("b") if state == "failed" else ""
    assert str(caught.value) == f"waiting for the server 'b', which has the database, and is {state}{more}"
    application = client(serf, StateFile(None), clock)

    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        serf.cluster = pool(keys, "ab")

    application.asker._sleep = sleep
    assert application.create("shop", None, {}).host == "b"


@pytest.mark.parametrize(("name", "word"), [("gone", "gone"), ("$(x)", "NODE")])
def test_whom_it_names_and_nobody_knows_is_waited_for(
    keys: dict[str, Keys], clock: Clock, name: str, word: str
) -> None:
    strangers = [Member(name, "10.0.0.9", 7946, "alive", {"role": "serf-agent"}), None]
    for stranger in strangers:
        serf = FakeSerf([*pool(keys, "a"), *([stranger] if stranger else [])], placing({"a": name}))
        with pytest.raises(TryLater) as caught:
            client(serf, StateFile(None), clock, timeout=0).create("shop", None, {})
        assert str(caught.value) == (
            f"waiting for the server '{name}', which has the database, and is not in the Serf cluster, or not believed"
            f"{WAY_OUT.format(word)}"
        )


def test_of_a_cluster_that_it_names_any_node_will_do(keys: dict[str, Keys], clock: Clock) -> None:
    for away in ("failed", "down"):
        nodes = [told(member, cluster="galera") for member in pool(keys, "bcd", b=away, c="down")]
        serf = FakeSerf([*pool(keys, "a"), *nodes], placing({"a": "b"}))
        application = client(serf, StateFile(None), clock)
        assert find_server(serf, "shop", None, at="b").name == "d"  # type: ignore[arg-type]
        assert application.create("shop", None, {}).host in "ad"


def test_one_that_names_nobody_has_not_answered(keys: dict[str, Keys], clock: Clock) -> None:
    serf = FakeSerf(pool(keys, "ab"), lambda name, node, _: {"status": "placed"} if name == "create_db" else None)
    with pytest.raises(TryLater, match=r"the server '[ab]' does not say which one has the database"):
        client(serf, StateFile(None), clock, timeout=0).create("shop", None, {})


# --- the directory is away ---


@pytest.mark.parametrize("said", [None, {"status": "unavailable", "reason": "the directory is away"}])
def test_a_known_name_is_found_while_the_directory_is_away(
    keys: dict[str, Keys], clock: Clock, said: Answer | None
) -> None:
    asked = first(keys)
    holder, silent = [*others(asked)][:2]

    def reply(name: str, node: str, request: Mapping[str, str]) -> Answer | None:
        if name == "find_db":
            return None if node == silent else {"status": "exists" if node == holder else "unavailable"}
        return {"status": "created", "host": node, "port": 3306} if node == holder else said

    serf = FakeSerf(pool(keys), reply)
    assert client(serf, StateFile(None), clock).create("shop", None, {}).host == holder
    assert serf.asked == [("create_db", (asked,)), ("find_db", ()), ("create_db", (holder,))]
    assert serf.ways[1] == ({"role": "^db$"}, AGAIN)


def test_who_has_it_is_asked_again_though_it_could_not_answer(keys: dict[str, Keys]) -> None:
    asked = first(keys)
    serf = FakeSerf(pool(keys), lambda _, node, __: {"status": "exists" if node == asked else "absent"})
    assert find_server(serf, "shop", None, avoid={asked}).name == asked  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", ["absent", "placed", "unavailable", None])
def test_a_new_name_goes_on_to_another_server_whoever_is_silent(keys: dict[str, Keys], answer: str | None) -> None:
    asked = first(keys)
    serf = FakeSerf(pool(keys), lambda *_: {"status": answer} if answer else None)
    assert find_server(serf, "shop", None, avoid={asked}).name == first(keys, others(asked))  # type: ignore[arg-type]
    # All are tried again where none is left.
    assert find_server(serf, "shop", None, avoid=set(NAMES)).name == asked  # type: ignore[arg-type]


# --- where it may go ---


def test_what_the_server_has_to_be_travels_with_the_request(keys: dict[str, Keys], clock: Clock) -> None:
    seen: list[Mapping[str, str]] = []

    def reply(name: str, node: str, request: Mapping[str, str]) -> Answer:
        seen.append(request)
        return {"status": "created", "host": node, "port": 3306, "reason": "it is the only one that takes it"}

    application = client(FakeSerf(pool(keys, "a"), reply), StateFile(None), clock)
    application.create("shop", None, {"where": "ssd,engine=mysql"})
    assert [request["where"] for request in seen] == ["ssd,engine=mysql"]
    assert application.lines == ["the server 'a' says created: it is the only one that takes it"]  # type: ignore[attr-defined]
    client(FakeSerf(pool(keys, "a"), reply), StateFile(None), clock).create("shop", None, {"where": None})
    assert "where" not in seen[1]


def test_where_nobody_decides_it_cannot_be_asked_for(keys: dict[str, Keys], clock: Clock) -> None:
    for names in ("a", "abc"):
        serf = FakeSerf([server(name, keys) for name in names], made)
        with pytest.raises(InvalidRequest, match=r"^--where needs a pool with a directory \(DBHANDLER_DIRECTORY\): "):
            client(serf, StateFile(None), clock).create("shop", None, {"where": "ssd"})
        assert not serf.asked
    # One that is not ready may not have said yet that it knows of one.
    with pytest.raises(TryLater, match=r"which is starting"):
        client(FakeSerf([server("a", keys, mysql="starting")], made), StateFile(None), clock, timeout=0).create(
            "shop", None, {"where": "ssd"}
        )


def test_a_database_that_is_known_stays_where_it_is(keys: dict[str, Keys], tmp_path: Path, clock: Clock) -> None:
    seen: list[Mapping[str, str]] = []

    def reply(name: str, node: str, request: Mapping[str, str]) -> Answer:
        seen.append(request)
        return made(name, node, request)

    state = StateFile(tmp_path / "state")
    state.save(State("shop", "shop", "the password of before", key=keys["a"].public))
    for members in ([server("a", keys)], pool(keys)):
        assert client(FakeSerf(members, reply), state, clock).create("shop", None, {"where": "ssd"}).host == "a"
    assert [set(request) for request in seen] == [{"database", "sealed"}] * 2


def test_labels_that_can_be_none_are_refused_before_anybody_is_asked(
    keys: dict[str, Keys], tmp_path: Path, clock: Clock
) -> None:
    serf, state = FakeSerf(pool(keys), made), StateFile(tmp_path / "state")
    for wrong in ("a b", "engine=oracle", "x" * 33):
        with pytest.raises(InvalidRequest):
            client(serf, state, clock).create("shop", None, {"where": wrong})
    assert not serf.asked and state.load() is None


# --- whom to believe ---


class Led:
    """An application of a played pool in which server `a` names another one for every database."""

    def __init__(self, folder: Path, clock: Clock, keys: Mapping[str, Keys]) -> None:
        self.file, self._clock, self.keys = StateFile(folder / "state"), clock, keys
        placed = {"create_db": {"status": "placed", "server": "b"}}
        self.a = PlayedServer("a", keys["a"], tags={"dir": "1"}, says=placed)
        self.b = PlayedServer("b", keys["b"], tags={"dir": "1"})
        # With one ready server that knows of the directory it is clear who is asked first.
        self.serf = PlayedCluster(self.a, self.b)

    def knows(self, key: str | None, pool: str | None) -> None:
        self.file.save(State("shop", "shop", "the password of before", key=key, pool=pool))

    def asks(self, pools: Sequence[str] = ()) -> str:
        """Asks for its database; returns the host it is led to."""
        return Client(
            lambda: self.serf, self.file, 0, [].append, self._clock, self._clock.advance, pools  # type: ignore[arg-type, return-value]
        ).create("shop", None, {}).host  # fmt: skip


@pytest.fixture
def led(tmp_path: Path, clock: Clock, keys: dict[str, Keys]) -> Led:
    return Led(tmp_path, clock, keys)


@pytest.mark.parametrize(("remembered", "pools"), [(None, (OURS.id,)), (OURS.id, ()), (None, ())])
def test_a_proven_word_leads_on_from_a_server_that_is_known(
    led: Led, remembered: str | None, pools: Sequence[str]
) -> None:
    led.knows(led.keys["a"].public, remembered)
    assert led.asks(pools) == "b"
    assert [node for node, _ in led.serf.asked()] == ["a", "b"]
    payloads = [json.loads(payload) for _, _, payload, _ in led.serf.heard]
    assert led.keys["b"].open(payloads[1]["sealed"], "shop").password == "the password of before"
    state = led.file.known()
    assert (state.key, state.pool) == (led.keys["b"].public, OURS.id)


def test_what_nobody_has_signed_leads_away_from_no_server_that_is_known(led: Led) -> None:
    led.knows(led.keys["a"].public, None)
    led.a.pool = None
    with pytest.raises(TryLater, match=r"^the server 'a' says that 'b' has the database$") as caught:
        led.asks()
    assert not isinstance(caught.value, Placed)
    assert led.serf.asked() == [("a", "create_db")] and led.file.known().key == led.keys["a"].public


@pytest.mark.parametrize("stranger", [None, THEIRS])
@pytest.mark.parametrize("pools", [(OURS.id,), ()])
def test_a_stranger_that_is_named_is_not_asked(led: Led, stranger: object, pools: Sequence[str]) -> None:
    led.knows(led.keys["a"].public, None)
    led.b.pool = stranger  # type: ignore[assignment]
    with pytest.raises(TryLater, match=r"^waiting for the server 'b', which has the database, and is not in the Serf"):
        led.asks(pools)
    assert led.serf.asked() == [("a", "create_db")]


def test_a_forged_word_leads_nowhere(led: Led) -> None:
    led.knows(led.keys["a"].public, OURS.id)
    led.a.says = {}
    led.serf.forge = lambda node, query, payload, line: [changed(line, status="placed", server="b"), line]
    assert led.asks() == "a"
