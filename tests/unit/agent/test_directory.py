"""An agent's part in the pool's directory: nothing without one, and who this server is for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from dbhandler.agent import directory
from dbhandler.agent.directory import Own, directory_tag, placing
from dbhandler.directory import directory_sql, keeping
from dbhandler.directory.places import Places
from dbhandler.directory.standing import Standing
from dbhandler.engine import sql
from dbhandler.errors import Denied, Unavailable
from dbhandler.provisioning.own_table import exists
from dbhandler.provisioning.provision import ANYWHERE
from dbhandler.requests.box import fingerprint
from dbhandler.requests.vocabulary import ServerState
from dbhandler.requests.where import Where
from dbhandler.serf.members import Member
from dbhandler.settings.config import Config
from dbhandler.trust import words
from dbhandler.trust.directory import USER
from tests.support.directories import Tables, standing
from tests.support.fakes import RecordingServer

POOL = {"DBHANDLER_POOL_SECRET": words.encode(bytes(32)), "DBHANDLER_DIRECTORY": "db1"}
NODE, LIMIT = {"DBHANDLER_CLUSTER": "trio"}, {"DBHANDLER_MAX_BYTES": "5"}
KEY = "k" * 44


@dataclass
class Watch:
    """What is seen of the server."""

    state: ServerState = ServerState.READY
    version: str | None = "11.8.3"


def own(environ: Mapping[str, str] = POOL, name: str | None = "db1", watch: Watch | None = None, was: str = "") -> Own:
    """A server whose member has this name (None: Serf has not told it yet)."""
    config = Config.from_environ({"DBHANDLER_ENGINE": "mariadb", **environ})
    member = Member(name, "10.0.0.1", 7946, "alive", {"role": "db"}) if name else None
    membership = SimpleNamespace(own=member, members=[member] if member else [])
    return Own(config, KEY, watch or Watch(), lambda: membership, lambda: was)  # type: ignore[arg-type, return-value]


def test_without_a_directory_there_is_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(_config: Config) -> None:
        raise AssertionError("a connection for nothing")

    monkeypatch.setattr(directory, "agent_server", opened)
    for environ in ({}, {"DBHANDLER_POOL_SECRET": POOL["DBHANDLER_POOL_SECRET"]}):
        alone = own(environ)
        found = placing(alone, RecordingServer())  # type: ignore[arg-type]
        assert (found.places, found.threads, found.reached()) == (ANYWHERE, {}, None)
        assert directory_tag(alone.config) == {}
        assert not alone.has_directory()


def test_applications_are_told_that_any_server_can_be_asked() -> None:
    assert directory_tag(own().config) == {"dir": "1"}


@pytest.mark.parametrize(
    ("name", "environ", "is_here"),
    [
        ("db1", POOL, True),
        ("db2", POOL, False),
        (None, POOL, False),
        ("DB1", POOL, False),
        ("n1", {**POOL, **NODE, "DBHANDLER_DIRECTORY": "trio"}, True),
        (None, {**POOL, **NODE, "DBHANDLER_DIRECTORY": "trio"}, True),
        ("n1", {**POOL, **NODE}, False),
        # A cluster is named, not one of its nodes; where its owner names one, that one has it for all.
        ("db1", {**POOL, **NODE}, True),
    ],
)
def test_it_is_here_by_the_name_of_the_node_or_of_its_cluster(
    name: str | None, environ: dict[str, str], is_here: bool
) -> None:
    assert own(environ, name).has_directory() == is_here


def test_how_it_stands_before_anything_is_measured() -> None:
    settings = {"DBHANDLER_LABELS": "ssd,eu", "DBHANDLER_MAX_DATABASES": "7"}
    assert own(POOL | settings).standing() == Standing(
        KEY, "db1", "mariadb", "11.8.3", frozenset({"ssd", "eu"}), most=7
    )
    assert own(POOL | NODE, "n1").standing().server == "trio"


def test_what_is_not_known_yet_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "container")
    nameless = own(name=None, watch=Watch(version=None)).standing()
    assert nameless == Standing(KEY, "container", "mariadb")
    assert own(POOL | {"SERF_NODE": "given"}, None).standing().node == "given"


@pytest.mark.parametrize("state", ServerState)
def test_it_tells_nothing_before_it_serves(state: ServerState) -> None:
    assert own(watch=Watch(state)).serves() == (state == ServerState.READY)


class Once(threading.Event):
    """Ends what waits for it after the first time."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


class Holder(Tables):
    """A server that holds the directory, and a database."""

    def __init__(self) -> None:
        super().__init__()
        self.replies = {
            sql.databases(): [("shop",)],
            keeping._BYTES: [(5,)],
            keeping._CONNECTIONS: [("Threads_connected", "1")],
            directory_sql.is_there(): [(1,)],
            exists("dbhandler_moves"): [],
            sql.account_exists(USER): [(1,)],
            directory_sql.rights(USER): [(4, 0)],
        }

    def accepts(self, user: str, password: str) -> bool:
        return True

    def close(self) -> None:
        pass


@pytest.fixture
def holder(monkeypatch: pytest.MonkeyPatch) -> Holder:
    holder = Holder()
    monkeypatch.setattr(directory, "agent_server", lambda _config: holder)
    return holder


def test_where_it_is_here_it_is_made_and_told_over_this_servers_connections(holder: Holder) -> None:
    loops_own = Tables()
    made = placing(own(), loops_own)  # type: ignore[arg-type]
    assert list(made.threads) == ["directory", "moves here", "moves away"]
    made.threads["directory"](Once())
    assert holder.executed.index(directory_sql.is_there()) < holder.executed.index(directory_sql.fill(["shop"], KEY))
    assert holder.of(KEY) == ["shop"] and loops_own.executed == []
    # A connection is one thread's.
    before = len(holder.executed)
    assert isinstance(made.places, Places)
    made.places.settle("wiki", Where(here=True))
    assert loops_own.of(KEY) == ["wiki"] and len(holder.executed) == before


def test_where_it_is_elsewhere_nothing_of_it_is_made(holder: Holder, caplog: pytest.LogCaptureFixture) -> None:
    made = placing(own(name="db2"), RecordingServer())  # type: ignore[arg-type]
    made.threads["directory"](Once())
    assert holder.executed == [sql.databases(), exists("dbhandler_moves"), keeping._BYTES, keeping._CONNECTIONS]
    # The only member is this one, which proves nothing.
    assert "the directory of the pool, on 'db1', is away: no server of that name is ready" in caplog.text
    with pytest.raises(Unavailable, match="the directory of the pool, on 'db1', is away"):
        made.places.settle("wiki", Where())


def test_what_was_known_by_former_keys_is_this_servers(holder: Holder) -> None:
    holder.give("old", "blog")
    holder.give("other", "wiki")
    holder.tell(standing("old"), standing("other"))
    made = placing(own(was=f"0123456789ab.{fingerprint('old')}"), RecordingServer())  # type: ignore[arg-type]
    made.threads["directory"](Once())
    assert (holder.of("old"), holder.of("other")) == ([], ["wiki"])
    assert {"blog", "shop"} == set(holder.of(KEY))


def test_a_limit_of_bytes_is_the_owners(holder: Holder) -> None:
    placing(own(POOL | LIMIT), RecordingServer()).threads["directory"](Once())  # type: ignore[arg-type]
    [(values, _)] = holder.told.values()
    assert values[-1] == "holds 5 bytes and allows 5 (DBHANDLER_MAX_BYTES)"


def test_the_asking_thread_knows_how_this_server_stands_now(holder: Holder) -> None:
    loops_own = Tables()
    made = placing(own(POOL | LIMIT), loops_own)  # type: ignore[arg-type]
    made.threads["directory"](Once())
    # It is full, and nobody else is there.
    with pytest.raises(Denied, match="no server of the pool has room: 'db1' holds 5 bytes"):
        made.places.settle("wiki", Where())
    assert loops_own.claimed == {}


def test_a_clusters_nodes_are_one_server(holder: Holder) -> None:
    cluster = own(POOL | NODE | {"DBHANDLER_DIRECTORY": "trio"}, "n1")
    placing(cluster, RecordingServer()).threads["directory"](Once())  # type: ignore[arg-type]
    assert holder.of("trio") == ["shop"]
    assert replace(cluster, key="another").standing() == cluster.standing()
