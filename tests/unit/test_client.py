import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from fakes import Clock

from dbhandler.box import Credentials, Keys
from dbhandler.client import Client, connect_first, default_rpc_addrs, request_database
from dbhandler.discovery import distinct_servers, find_server
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, TryLater, Unavailable
from dbhandler.serf import Member
from dbhandler.state import State, StateFile

Answer = Mapping[str, object]


class FakeSerf:
    """A cluster of database servers: `databases` says who has what; `asked` records the queries."""

    def __init__(
        self, members: Sequence[Member], reply: Callable[[str, str, Mapping[str, str]], Answer | None]
    ) -> None:
        self.cluster, self._reply = list(members), reply
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def __enter__(self) -> "FakeSerf":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def members(self) -> list[Member]:
        return self.cluster

    def query(
        self, name: str, payload: bytes, timeout: float, nodes: Sequence[str] = (), tags: object = None
    ) -> Iterator[tuple[str, bytes]]:
        self.asked.append((name, tuple(nodes)))
        request = json.loads(payload) if payload.startswith(b"{") else {"database": payload.decode()}
        for node in nodes:
            answer = self._reply(name, node, request)
            if answer is not None:
                yield node, json.dumps(answer).encode()


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Keys]:
    return {name: Keys(tmp_path / f"key-{name}") for name in ("a", "b", "c")}


def server(name: str, keys: Mapping[str, Keys], status: str = "alive", mysql: str = "ready") -> Member:
    return Member(name, f"10.0.0.{ord(name)}", 7946, status, {"role": "db", "mysql": mysql, "key": keys[name].public})


def made(name: str, node: str, request: Mapping[str, str]) -> Answer:
    if name == "find_db":
        return {"status": "absent"}
    return {"status": "created", "host": node, "port": 3306}


def client(serf: FakeSerf, state: StateFile, clock: Clock, timeout: float = 30.0) -> Client:
    lines: list[str] = []
    made = Client(lambda: serf, state, timeout, lines.append, clock, clock.advance)  # type: ignore[arg-type, return-value]
    made.lines = lines  # type: ignore[attr-defined]
    return made


def find(serf: FakeSerf, database: str, key: str | None = None) -> Member:
    return find_server(serf, database, key)  # type: ignore[arg-type]


def test_a_first_request_is_sealed_kept_and_answered(keys: dict[str, Keys], tmp_path: Path, clock: Clock) -> None:
    seen: list[Credentials] = []

    def reply(name: str, node: str, request: Mapping[str, str]) -> Answer:
        # Saved already: a kill at this moment must not lose the password.
        seen.append(keys["a"].open(request["sealed"], request["database"]))
        assert (saved := state.load()) and saved.password == seen[-1].password
        return made(name, node, request)

    state = StateFile(tmp_path / "state")
    connection = client(FakeSerf([server("a", keys)], reply), state, clock).create("shop", None, {})
    assert (connection.database, connection.host, connection.user) == ("shop", "a", "shop")
    assert seen == [Credentials("shop", "shop", connection.password)]
    assert state.load() == State("shop", "shop", connection.password, key=keys["a"].public)


def test_a_second_request_proves_the_same_password(keys: dict[str, Keys], tmp_path: Path, clock: Clock) -> None:
    serf, state = FakeSerf([server("a", keys)], made), StateFile(tmp_path / "state")
    first = client(serf, state, clock).create("shop", "clerk", {})
    assert client(serf, state, clock).create("shop", None, {}) == first


def test_a_state_of_another_database_is_refused(keys: dict[str, Keys], tmp_path: Path, clock: Clock) -> None:
    serf, state = FakeSerf([server("a", keys)], made), StateFile(tmp_path / "state")
    client(serf, state, clock).create("shop", None, {})
    asked = len(serf.asked)
    for name, user in (("blog", None), ("shop", "other")):
        with pytest.raises(InvalidRequest, match="state file is for"):
            client(serf, state, clock).create(name, user, {})
    assert len(serf.asked) == asked


@pytest.mark.parametrize(
    ("status", "kind"), [("denied", Denied), ("invalid", InvalidRequest), ("failed", DbHandlerError)]
)
def test_a_refusal_is_decisive(keys: dict[str, Keys], clock: Clock, status: str, kind: type[Exception]) -> None:
    serf = FakeSerf([server("a", keys)], lambda *_: {"status": status, "reason": "because"})
    with pytest.raises(kind, match="because"):
        client(serf, StateFile(None), clock).create("shop", None, {})
    assert len(serf.asked) == 1


def test_it_waits_for_a_server_and_tells_what_for(keys: dict[str, Keys], clock: Clock) -> None:
    serf = FakeSerf([], made)
    waiting = client(serf, StateFile(None), clock)

    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        serf.cluster = [server("a", keys, mysql="starting")] if not serf.cluster else [server("a", keys)]

    waiting._sleep = sleep
    assert waiting.create("shop", None, {}).host == "a"
    assert [("no database server" in line, "starting" in line) for line in waiting.lines] == [  # type: ignore[attr-defined]
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize(("members", "kind"), [((), Unavailable), (("a",), TryLater)])
def test_it_gives_up_at_the_time_out(
    keys: dict[str, Keys], clock: Clock, members: Sequence[str], kind: type[Exception]
) -> None:
    serf = FakeSerf([server(name, keys, mysql="down") for name in members], made)
    with pytest.raises(Unavailable) as caught:
        client(serf, StateFile(None), clock, timeout=5).create("shop", None, {})
    assert type(caught.value) is kind and clock.now <= 1006


def test_who_has_the_database_is_asked_first(keys: dict[str, Keys]) -> None:
    for holder in "abc":

        def reply(name: str, node: str, request: object, holder: str = holder) -> Answer:
            return {"status": "exists" if node == holder else "absent"}

        serf = FakeSerf([server(name, keys) for name in "abc"], reply)
        assert find(serf, "shop").name == holder
        assert serf.asked == [("find_db", ("a", "b", "c"))]


def test_uncertainty_is_not_absence(keys: dict[str, Keys]) -> None:
    silent = FakeSerf(
        [server("a", keys), server("b", keys)], lambda name, node, _: {"status": "absent"} if node == "a" else None
    )
    failed = FakeSerf([server("a", keys), server("b", keys, status="failed")], made)
    down = FakeSerf([server("a", keys), server("b", keys, mysql="down")], made)
    odd = FakeSerf(
        [server("a", keys), server("b", keys)],
        lambda name, node, _: {"status": "absent" if node == "a" else "unavailable"},
    )
    for serf in (silent, failed, down, odd):
        with pytest.raises(TryLater, match="'b'"):
            find(serf, "shop")


def test_a_server_that_left_in_order_is_gone(keys: dict[str, Keys]) -> None:
    assert find(FakeSerf([server("a", keys), server("b", keys, status="left")], made), "shop").name == "a"


def test_a_container_replaced_on_the_same_volume_is_the_same_server(keys: dict[str, Keys]) -> None:
    old, new = replace(server("a", keys, status="failed"), name="old"), server("a", keys)
    assert [member.name for member in distinct_servers([new, old])] == ["a"]
    assert [member.name for member in distinct_servers([old, new])] == ["a"]


def test_a_known_server_is_waited_for(keys: dict[str, Keys]) -> None:
    with pytest.raises(TryLater, match="not in the Serf cluster"):
        find(FakeSerf([server("b", keys)], made), "shop", keys["a"].public)
    with pytest.raises(TryLater, match="failed"):
        find(FakeSerf([server("a", keys, status="failed"), server("b", keys)], made), "shop", keys["a"].public)
    assert find(FakeSerf([server("a", keys), server("b", keys)], made), "shop", keys["a"].public).name == "a"


def test_names_are_spread_and_every_client_agrees(keys: dict[str, Keys]) -> None:
    members = [server(name, keys) for name in "abc"]
    picked = [find(FakeSerf(members, made), f"db{number}").name for number in range(60)]
    again = [find(FakeSerf(members[::-1], made), f"db{number}").name for number in range(60)]
    assert picked == again and set(picked) == set("abc")


def test_a_rotation_is_finished_by_the_next_run(keys: dict[str, Keys], tmp_path: Path, clock: Clock) -> None:
    state, offered = StateFile(tmp_path / "state"), list[str]()

    def reply(name: str, node: str, request: Mapping[str, str]) -> Answer | None:
        if name == "create_db":
            return made(name, node, request)
        box = keys["a"].open(request["sealed"], "shop", "rotate_db")
        offered.append(str(box.new_password))
        # The first answer is lost, though the server has changed the password.
        return None if len(offered) == 1 else {"status": "rotated", "host": node, "port": 3306}

    serf = FakeSerf([server("a", keys)], reply)
    client(serf, state, clock).create("shop", None, {})
    with pytest.raises(TryLater):
        client(serf, state, clock, timeout=0).rotate()
    connection = client(serf, state, clock).create("shop", None, {})
    assert offered[0] == offered[1] == connection.password
    assert (saved := state.load()) and (saved.password, saved.next_password) == (connection.password, None)


def test_a_drop_forgets_the_state(keys: dict[str, Keys], tmp_path: Path, clock: Clock) -> None:
    state = StateFile(tmp_path / "state")
    serf = FakeSerf(
        [server("a", keys)],
        lambda name, node, request: {"status": "dropped"} if name == "drop_db" else made(name, node, request),
    )
    client(serf, state, clock).create("shop", None, {})
    client(serf, state, clock).drop()
    assert state.load() is None
    with pytest.raises(InvalidRequest, match="nothing to rotate or drop"):
        client(serf, state, clock).drop()


def test_the_default_address_is_the_local_agent_then_the_linked_one() -> None:
    linked = {"SERF_AGENT_PORT_7373_TCP_ADDR": "10.0.0.9", "SERF_AGENT_PORT_7373_TCP_PORT": "7777"}
    assert default_rpc_addrs({}) == ("127.0.0.1:7373",)
    assert default_rpc_addrs(linked) == ("127.0.0.1:7373", "10.0.0.9:7777")
    assert default_rpc_addrs({**linked, "SERF_RPC_ADDR": "x:1"}) == ("x:1",)


@pytest.mark.parametrize(("given", "used"), [(None, "from the file"), ("given", "given")])
def test_the_default_key_is_the_environment_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, used: str
) -> None:
    keys: list[str | None] = []

    def away(_addresses: object, auth_key: str | None) -> NoReturn:
        keys.append(auth_key)
        raise Unavailable("nobody is there")

    (tmp_path / "key").write_text("from the file\n")
    monkeypatch.setenv("SERF_RPC_AUTH_FILE", str(tmp_path / "key"))
    monkeypatch.setattr("dbhandler.client.connect_first", away)
    with pytest.raises(Unavailable):
        request_database("shop", rpc_auth=given, timeout=0)
    assert keys == [used]


def test_no_agent_at_all_names_every_address() -> None:
    with pytest.raises(Unavailable, match=r"127.0.0.1:1\b.*127.0.0.1:2\b"):
        connect_first(["127.0.0.1:1", "127.0.0.1:2"], None)


def test_the_client_needs_no_driver_and_no_supervisor() -> None:
    """`pip install dbhandler` in an application's image brings neither."""
    import subprocess
    import sys

    program = "import sys, dbhandler.request_cli; print(sorted({'pymysql', 'supervisor'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
