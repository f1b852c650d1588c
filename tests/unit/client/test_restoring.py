"""An application has its own database restored: what is asked of whom, in which order, and what it keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dbhandler.client import restoring as module
from dbhandler.client.backups import Backups
from dbhandler.client.connection import Connection
from dbhandler.client.restoring import restore_database
from dbhandler.client.state import State, StateFile
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, Unavailable
from dbhandler.requests.box import Keys
from dbhandler.requests.restore_box import Wanted, source_id
from tests.support.pools import OURS, PlayedCluster, PlayedServer


class Played:
    """A server that has `shop`, the state file of its application, and a backup that notes what it is asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, own: str = "1") -> None:
        self.folder, self.keys = folder, Keys(folder / "key")
        self.server = PlayedServer("a", self.keys, tags={"own": own} if own else {})
        self.cluster = PlayedCluster(PlayedServer("b", Keys(folder / "other")), self.server)
        self.wanted: list[Wanted] = []
        self.pools: list[object] = []
        self.says: Callable[[], str | None] = lambda: None
        self.save()
        monkeypatch.setattr(module, "connect_first", lambda _agents, _key: self.cluster)
        monkeypatch.setattr(Backups, "restore", lambda backups, wanted: self._restore(backups, wanted))

    def _restore(self, backups: Backups, wanted: Wanted) -> str | None:
        self.wanted.append(wanted)
        self.pools.append(backups._pools)
        return self.says()

    def save(self, **more: str) -> None:
        known = {"key": self.keys.public, "pool": OURS.id}
        state = State("shop", "clerk", "hunter2-hunter2", **{**known, **more})  # type: ignore[arg-type]
        StateFile(self.folder / "shop.json").save(state)

    def restore(self, target: str = "before", at: str = "latest", **more: object) -> Connection:
        ways: dict[str, object] = {"state_file": self.folder / "shop.json", "timeout": 0.0, **more}
        return restore_database(target, at=at, **ways)  # type: ignore[arg-type]


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(tmp_path, monkeypatch)


def test_a_new_database_is_asked_for_and_filled(played: Played) -> None:
    connection = played.restore(at="2026-11-23 21:04:05")
    assert (connection.database, connection.user) == ("before", "before")
    [wanted] = played.wanted
    assert wanted == Wanted(
        source_id(played.keys.public, None), "shop", "clerk", "hunter2-hunter2", "before", "before",
        connection.password, "2026-11-23 21:04:05",
    )  # fmt: skip
    # At the server that has the present one, of however many.
    assert {node for node, query in played.cluster.asked() if query == "create_db"} == {"a"}
    assert played.pools == [(OURS.id,)]
    kept = json.loads((played.folder / "before.json").read_text())
    assert (kept["database"], kept["password"]) == ("before", connection.password)
    assert (played.folder / "before.json").stat().st_mode & 0o777 == 0o600


def test_in_a_pool_with_a_directory_it_is_made_where_the_present_one_is(played: Played) -> None:
    played.server.tags = {**played.server.tags, "dir": "1"}
    played.restore()
    [payload] = [json.loads(payload) for _, query, payload, _ in played.cluster.heard if query == "create_db"]
    assert payload["where"] == "here"
    played.server.says = {"create_db": {"status": "placed", "server": "b"}}
    with pytest.raises(Denied, match="the name is taken: 'b' has it"):
        played.restore("taken")
    assert len(played.wanted) == 1


def test_asked_again_it_is_the_same(played: Played) -> None:
    assert played.restore().password == played.restore().password
    assert played.wanted[0] == played.wanted[1]


def test_where_and_for_whom_may_be_said(played: Played) -> None:
    connection = played.restore(restore_state=played.folder / "x" / "y.json", user="reader", database="shop")
    assert connection.user == "reader" and (played.folder / "x" / "y.json").exists()
    assert played.wanted[0].target_user == "reader"


@pytest.mark.parametrize("own", ["", "0"])
def test_where_it_is_not_allowed_nothing_is_made(own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(tmp_path, monkeypatch, own)
    with pytest.raises(Denied, match=r"the server 'a' gives applications no former state.*DBHANDLER_ALLOW_RESTORE=1"):
        played.restore()
    assert not played.wanted and not played.cluster.asked()


def test_a_strangers_no_is_not_heard(played: Played) -> None:
    played.cluster.servers.append(PlayedServer("c", played.keys, pool=None))
    assert played.restore().database == "before"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"target": "shop"}, "under another name"), ({"target": "x" * 65}, "a name has 1 to 64"),
        ({"target": "../x"}, "--restore-state FILE has to say where"), ({"target": ".x"}, "--restore-state FILE"),
        ({"database": "blog"}, "the state file is for 'shop'"), ({"at": ""}, "a moment has 1 to 100"),
        ({"at": "x" * 101}, "a moment has 1 to 100"), ({"at": "a\n"}, "a moment has"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(more: dict[str, object], sentence: str, played: Played) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        played.restore(**more)  # type: ignore[arg-type]
    assert not played.wanted and not played.cluster.asked()


def test_a_state_file_of_something_else_stays(played: Played) -> None:
    StateFile(played.folder / "before.json").save(State("blog", "blog", "hunter4-hunter4"))
    with pytest.raises(InvalidRequest, match="the state file of what is restored is for 'blog'"):
        played.restore()


def test_without_a_state_nobody_is_an_owner(played: Played) -> None:
    with pytest.raises(InvalidRequest, match="nothing to restore"):
        played.restore(state_file=played.folder / "none.json")


def test_a_password_that_is_being_changed(played: Played) -> None:
    played.save(next_password="hunter3-hunter3")
    with pytest.raises(InvalidRequest, match="end that first, with --rotate"):
        played.restore()


def test_what_was_left_out_is_told(played: Played) -> None:
    told: list[str] = []
    played.says = lambda: "without a view"
    played.restore(progress=told.append)
    assert told == ["restored without a view"]


@pytest.mark.parametrize("error", [Denied("no"), Unavailable("away"), DbHandlerError("failed")])
def test_what_the_backup_says_is_the_end(error: Exception, played: Played) -> None:
    def fail() -> str | None:
        raise error

    played.says = fail
    with pytest.raises(type(error)):
        played.restore()


def test_a_server_of_no_pool_has_no_backup(played: Played, tmp_path: Path) -> None:
    played.server.pool = None
    StateFile(tmp_path / "shop.json").save(State("shop", "clerk", "hunter2-hunter2", played.keys.public))
    with pytest.raises(Unavailable, match="the server proves no pool"):
        played.restore()
    assert not played.wanted
