"""What is backed up, by what the members say of themselves."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from dbhandler.backup.source import Source, chosen, remember, remembered, sources
from dbhandler.distant.node import Node
from dbhandler.errors import DbHandlerError
from dbhandler.requests.box import fingerprint
from dbhandler.serf.members import Member

KEYS = {name: base64.b64encode(name.encode() * 32).decode() for name in "abcd"}


def member(name: str, status: str = "alive", **tags: str) -> Member:
    full = {"role": "db", "mysql": "ready", "engine": "mariadb", "key": KEYS[name], "port": "3306"} | tags
    return Member(name, f"10.0.0.{ord(name)}", 7946, status, {key: value for key, value in full.items() if value})


def node(name: str, mode: str = "synced", status: str = "alive", **tags: str) -> Member:
    galera = f"{mode} data 4ff1e6c6-e6f9-11f1-b5d2-7aa832857484:0 {name}0/0 - -"
    return member(name, status, **({"cluster": "shop", "galera": galera} | tags))


def test_each_server_that_serves_is_one() -> None:
    found = sources([member("a", port="3307"), member("b", engine="mysql", port="")])
    assert found == [
        Source(f"key-{fingerprint(KEYS['a'])}", "a", "mariadb", (Node("a", "10.0.0.97", 3307),)),
        Source(f"key-{fingerprint(KEYS['b'])}", "b", "mysql", (Node("b", "10.0.0.98", 3306),)),
    ]


@pytest.mark.parametrize(
    "other",
    [
        member("b", mysql="down"), member("b", mysql=""), member("b", key=""), member("b", role="serf-agent"),
        member("b", role="backup"), member("b", status="failed"), member("b", status="left"),
    ],
)  # fmt: skip
def test_what_is_none(other: Member) -> None:
    assert [source.name for source in sources([other, member("a")])] == ["a"]


def test_the_nodes_of_a_cluster_are_one() -> None:
    found = sources([node("c"), node("a", "donor"), node("b", "joining"), member("d")])
    assert [(source.id, source.name, source.engine) for source in found[1:]] == [("cluster-shop", "shop", "mariadb")]
    assert [one.name for one in found[1].nodes] == ["a", "c"]
    assert found[0].name == "d"


def test_a_cluster_of_which_no_node_serves_is_there_without_one() -> None:
    [source] = sources([node("a", "nonprimary"), node("b", "joining")])
    assert (source.id, source.nodes) == ("cluster-shop", ())


@pytest.mark.parametrize(("own", "allowed"), [("1", True), ("0", False), ("", False), ("yes", False)])
def test_what_the_owner_allows_is_known(own: str, allowed: bool) -> None:
    [source] = sources([member("a", own=own)])
    assert [node.lets_restore for node in source.nodes] == [allowed]


SOURCE = Source("key-0123", "db-1", "mysql", (Node("db-1", "10.0.0.1", 3306),))


def test_what_is_remembered_has_no_nodes(tmp_path: Path) -> None:
    remember(tmp_path / "x", SOURCE)
    assert remembered(tmp_path / "x") == Source("key-0123", "db-1", "mysql")
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "x" / "source.json").stat().st_mode & 0o777 == 0o600


def test_it_is_written_when_it_is_another_or_damaged(tmp_path: Path) -> None:
    remember(tmp_path, SOURCE)
    noted = tmp_path / "source.json"
    before = noted.stat().st_ino
    remember(tmp_path, SOURCE)
    assert noted.stat().st_ino == before
    remember(tmp_path, Source("key-0123", "db-2", "mysql"))
    assert remembered(tmp_path).name == "db-2"
    noted.write_text("{")
    remember(tmp_path, SOURCE)
    assert remembered(tmp_path).name == "db-1"


@pytest.mark.parametrize(
    "content",
    [None, "", "[]", "{}", '{"id": "x"}', json.dumps({"id": "../x", "name": "x", "engine": "mysql"}),
     json.dumps({"id": "", "name": "x", "engine": "mysql"})],
)  # fmt: skip
def test_a_folder_that_is_none(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "source.json").write_text(content)
    with pytest.raises(DbHandlerError, match="is no folder of a server's backups"):
        remembered(tmp_path)


KNOWN = [Source("key-1", "db-1", "mysql"), Source("key-2", "db-1", "mysql"), Source("cluster-shop", "shop", "mariadb")]


@pytest.mark.parametrize(
    ("name", "id"), [("shop", "cluster-shop"), ("cluster-shop", "cluster-shop"), ("key-2", "key-2")]
)
def test_one_is_chosen_by_its_name_or_id(name: str, id: str) -> None:
    assert chosen(iter(KNOWN), name).id == id


@pytest.mark.parametrize(
    ("known", "name", "sentence"),
    [
        (KNOWN, "db-1", "several servers are called 'db-1': key-1, key-2"),
        (KNOWN[1:], "x\n", r"there is no backup of a server 'x\n': known are 'db-1', 'shop'"),
        ([], "db-1", "there is no backup of a server 'db-1': known are none"),
    ],
)
def test_what_cannot_be_chosen_says_what_can(known: list[Source], name: str, sentence: str) -> None:
    with pytest.raises(DbHandlerError) as caught:
        chosen(known, name)
    assert str(caught.value) == sentence
