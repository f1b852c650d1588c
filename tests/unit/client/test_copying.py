"""A copy for an owner: what is asked of which server, in which order, and where the new account stands."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.client import asking, copy_database
from dbhandler.client import cli as request_cli
from dbhandler.client.connection import Connection
from dbhandler.client.state import State, StateFile
from dbhandler.errors import Denied, InvalidRequest, TryLater
from dbhandler.requests.box import Credentials, Keys
from tests.support.applications import Answer, FakeSerf, server

PASSWORD = "the owner's password"
WHERE = {"host": "10.0.0.97", "port": 3306}


class World:
    """An owner whose database is on the server `a`, beside which there is another one; `states` is what the server
    answers to the wish for a copy, one after another."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys = {name: Keys(folder / f"key-{name}") for name in "ab"}
        self.opened: list[tuple[str, Credentials]] = []
        self.answers: list[Answer] = [{"status": "copied"}]
        self.file = folder / "shop.json"
        StateFile(self.file).save(State("shop", "owner", PASSWORD, key=self.keys["a"].public))
        self.serf = FakeSerf([server(name, self.keys) for name in "ab"], self._answered)
        monkeypatch.setattr(asking, "connect_first", lambda _agents, _key: self.serf)

    def _answered(self, query: str, node: str, request: Mapping[str, str]) -> Answer | None:
        if query == "find_db":
            return {"status": "absent"}
        assert node == "a"
        operation = None if query == "create_db" else query
        self.opened.append((query, self.keys["a"].open(request["sealed"], request["database"], operation)))
        if query == "create_db":
            return {"status": "created", "ttl": self.opened[-1][1].ttl, **WHERE}
        return {**WHERE, **(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])}

    def copies(self, name: str = "shop_pr17", **more: object) -> Connection:
        ways: dict[str, object] = {"timeout": 0.0, **more}
        return copy_database(name, owner_state_file=self.file, **ways)  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_database_is_asked_for_where_the_original_is_and_then_filled(world: World, tmp_path: Path) -> None:
    connection = world.copies(ttl=86400)
    (first, made), (second, filled) = world.opened
    assert (first, made.database, made.user, made.ttl) == ("create_db", "shop_pr17", "shop_pr17", 86400)
    assert (second, filled.password, filled.source, filled.source_user, filled.source_password) == (
        "copy_db", made.password, "shop", "owner", PASSWORD,
    )  # fmt: skip
    kept = StateFile(tmp_path / "shop_pr17.json").known()
    assert (kept.user, kept.password) == (connection.user, connection.password) == ("shop_pr17", made.password)
    assert PASSWORD not in (tmp_path / "shop_pr17.json").read_text()


def test_it_goes_on_where_it_was(world: World, tmp_path: Path) -> None:
    world.answers = [{"status": "unavailable", "reason": "the database 'shop' is being copied: ask again"}]
    with pytest.raises(TryLater, match="is being copied"):
        world.copies()
    world.answers = [{"status": "copied"}]
    connection = world.copies()
    assert len({box.password for query, box in world.opened}) == 1
    assert StateFile(tmp_path / "shop_pr17.json").known().password == connection.password


def test_it_waits_for_the_copy(world: World) -> None:
    world.answers = [{"status": "unavailable", "reason": "being copied"}, {"status": "copied"}]
    told: list[str] = []
    world.copies(timeout=30.0, progress=told.append)
    assert [query for query, _ in world.opened] == ["create_db", "copy_db", "copy_db"]
    assert "being copied" in told[0]


@pytest.mark.parametrize(
    ("name", "more", "sentence"),
    [
        ("shop", {}, "needs a name of its own"),
        ("a/b", {}, "--state FILE has to say where the account is kept"),
        ("x" * 65, {}, "a name has 1 to 64 characters"),
    ],
)
def test_what_cannot_be_a_copy_is_asked_of_nobody(
    world: World, tmp_path: Path, name: str, more: dict[str, object], sentence: str
) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InvalidRequest, match=sentence):
        world.copies(name, **more)
    assert not world.opened and sorted(tmp_path.iterdir()) == before


def test_a_refusal_is_told(world: World) -> None:
    world.answers = [{"status": "denied", "reason": "2 copies (DBHANDLER_MAX_COPIES)"}]
    with pytest.raises(Denied, match="DBHANDLER_MAX_COPIES"):
        world.copies()


def test_in_a_pool_with_a_directory_it_is_made_here_or_not_at_all(world: World, tmp_path: Path) -> None:
    world.serf.cluster = [replace(node, tags={**node.tags, "dir": "1"}) for node in world.serf.cluster]
    asked: list[Mapping[str, str]] = []

    def reply(query: str, node: str, request: Mapping[str, str]) -> Answer | None:
        asked.append(request)
        # Where another server has the name, that one is of no use.
        return (
            {"status": "placed", "server": "b"}
            if request["database"] == "taken"
            else world._answered(query, node, request)
        )

    world.serf._reply = reply
    world.copies()
    assert asked[0]["where"] == "here"
    with pytest.raises(Denied, match=r"^the name is taken: 'b' has it$"):
        world.copies("taken", timeout=30.0)
    assert len(asked) == 3 and asked[2]["database"] == "taken"


def test_a_server_without_a_directory_is_told_nothing_of_where(world: World) -> None:
    asked: list[Mapping[str, str]] = []

    def reply(query: str, node: str, request: Mapping[str, str]) -> Answer | None:
        asked.append(request)
        return world._answered(query, node, request)

    world.serf._reply = reply
    world.copies()
    assert [set(request) for request in asked] == [{"database", "sealed"}] * 2


def test_on_the_command_line(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    own = ("--owner-state", str(world.file), "--format", "json", "--timeout", "0")
    assert request_cli.main(["shop_pr17", "--copy-of", "shop", "--ttl", "1d", *own], {}, out) == 0
    assert json.loads(out.getvalue())["user"] == "shop_pr17"
    assert (tmp_path / "shop_pr17.json").exists()
    assert request_cli.main(["other", "--copy-of", "blog", *own], {}, out) == 64
    assert "the state file is for 'shop'" in capsys.readouterr().err
    assert request_cli.main(["other", "--copy-of", "shop"], {}, out) == 64
    assert "need --owner-state FILE" in capsys.readouterr().err
