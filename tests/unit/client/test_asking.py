from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from dbhandler.client.asking import request_database
from dbhandler.client.dropped import Dropped
from dbhandler.client.servers import distinct_servers
from dbhandler.client.state import State, StateFile
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, TryLater, Unavailable
from dbhandler.requests.box import Credentials, Keys
from dbhandler.serf.access import connect_first
from tests.support.applications import Answer, FakeSerf, client, find, made, server
from tests.support.fakes import Clock


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Keys]:
    return {name: Keys(tmp_path / f"key-{name}") for name in ("a", "b", "c")}


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
    saved = state.load()
    assert saved and saved.changed
    assert replace(saved, changed=None) == State("shop", "shop", connection.password, key=keys["a"].public)


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

    waiting.asker._sleep = sleep
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


def test_a_name_that_no_server_takes_is_told_at_once(keys: dict[str, Keys], clock: Clock) -> None:
    serf = FakeSerf(
        [server("a", keys), server("b", keys)], lambda *_: {"status": "invalid", "reason": "a name has to match x"}
    )
    with pytest.raises(InvalidRequest, match="says invalid: a name has to match x"):
        client(serf, StateFile(None), clock).create("bad name", None, {})
    assert len(serf.asked) == 1


def saying(answers: Mapping[str, str]) -> Callable[[str, str, Mapping[str, str]], Answer]:
    """What each server answers, whatever it is asked."""
    return lambda _name, node, _request: {"status": answers[node]}


def test_a_name_that_one_server_refuses_goes_to_another(keys: dict[str, Keys]) -> None:
    members = [server(name, keys) for name in "abc"]
    for answers, found in (
        ({"a": "invalid", "b": "absent", "c": "invalid"}, "b"),
        ({"a": "invalid", "b": "absent", "c": "exists"}, "c"),
    ):
        assert find(FakeSerf(members, saying(answers)), "shop").name == found
    # Who has not answered may have it.
    serf = FakeSerf(members, lambda _, node, __: {"status": "invalid"} if node != "c" else None)
    with pytest.raises(TryLater, match="'c'"):
        find(serf, "shop")


@pytest.mark.parametrize("tags", [{}, {"engine": "mariadb"}, {"engine": "x"}, {"engine": "mysql"}])
def test_the_engine_is_the_server_s(keys: dict[str, Keys], clock: Clock, tags: dict[str, str]) -> None:
    plain = server("a", keys)
    serf = FakeSerf([replace(plain, tags={**plain.tags, **tags})], made)
    connection = client(serf, StateFile(None), clock).create("shop", None, {})
    assert connection.engine == ("mysql" if tags == {"engine": "mysql"} else "mariadb")


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


@pytest.mark.parametrize(
    ("dump", "told"),
    [("shop-1.sql.gz", "shop-1.sql.gz"), (None, None), ("../x.sql.gz", None), ("a\x1b[2J.sql.gz", None)],
)
def test_a_drop_forgets_the_state_and_tells_of_a_dump_that_can_be_one(
    keys: dict[str, Keys], tmp_path: Path, clock: Clock, dump: object, told: str | None
) -> None:
    state = StateFile(tmp_path / "state")
    serf = FakeSerf(
        [server("a", keys)],
        lambda name, node, request: (
            {"status": "dropped", "dump": dump} if name == "drop_db" else made(name, node, request)
        ),
    )
    client(serf, state, clock).create("shop", None, {})
    assert client(serf, state, clock).drop() == Dropped("shop", "a", told)
    assert state.load() is None
    with pytest.raises(InvalidRequest, match="nothing to rotate, drop or accept"):
        client(serf, state, clock).drop()


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
    monkeypatch.setattr("dbhandler.client.asking.connect_first", away)
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

    program = "import sys, dbhandler.client.cli; print(sorted({'pymysql', 'supervisor'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
