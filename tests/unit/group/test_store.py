"""The small files of a node, and the server's notifications that fill one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.errors import DbHandlerError
from dbhandler.group.galera.notify import main as notify
from dbhandler.group.galera.notify import view_of
from dbhandler.group.node import Ballot, Holds, Mode, Node, encode
from dbhandler.group.store import LOSS_ORDER, GroupStore, Published, View
from dbhandler.inventory import InRun, InState

WAITING = Mode.WAITING
EMPTY = Holds.EMPTY


@pytest.fixture
def store(tmp_path: Path) -> GroupStore:
    return GroupStore(tmp_path, tmp_path)


def test_an_identity_is_made_once(store: GroupStore, tmp_path: Path) -> None:
    made = store.identity()
    assert len(made) == 8
    assert store.identity() == made == GroupStore(tmp_path, tmp_path).identity()


def test_of_two_processes_that_make_an_identity_one_does(
    store: GroupStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(_: int) -> str:
        (tmp_path / InState.CLUSTER_ID).write_text("aaaaaaaa\n")
        return "bbbbbbbb"

    monkeypatch.setattr("secrets.token_hex", meanwhile)
    assert store.identity() == "aaaaaaaa"


def test_a_spoilt_identity_is_no_new_one(store: GroupStore, tmp_path: Path) -> None:
    (tmp_path / InState.CLUSTER_ID).write_text("x")
    with pytest.raises(DbHandlerError, match="holds no identity"):
        store.identity()


def test_a_view(store: GroupStore, tmp_path: Path) -> None:
    assert store.view() == View()
    view = View("u", {"aaaaaaaa": "db1"}, strangers=1)
    store.save_view(view)
    assert store.view() == view
    assert view.ids == {"aaaaaaaa"}
    (tmp_path / InState.CLUSTER_VIEW).write_text("[]")
    assert store.view() == View()


def test_a_vote_is_kept_and_taken_back(store: GroupStore, tmp_path: Path) -> None:
    assert store.vote() is None
    store.save_vote(Ballot("aa", "1"))
    assert store.vote() == Ballot("aa", "1")
    store.save_vote(None)
    assert store.vote() is None
    # A vote that cannot be read is not one that was never given.
    for spoilt in ("", "aa", "no/identity 1\n", "\0\0\n"):
        (tmp_path / InState.CLUSTER_VOTE).write_text(spoilt)
        with pytest.raises(DbHandlerError, match="holds no vote"):
            store.vote()


def test_what_is_published(store: GroupStore, tmp_path: Path) -> None:
    assert store.published() is None
    node = Node("aa", WAITING, EMPTY)
    store.publish(node, "because", "10.0.0.1")
    assert store.published() == Published(encode(node), "because", "10.0.0.1")
    store.unpublish()
    store.unpublish()
    assert store.published() is None
    (tmp_path / InRun.CLUSTER_NODE).write_text("{}")
    assert store.published() is None


def test_an_order(store: GroupStore) -> None:
    assert store.order() is None
    store.give_order(LOSS_ORDER)
    assert store.order() == LOSS_ORDER
    store.give_order(None)
    assert store.order() is None


MEMBERS = "b8f6adbc-e6f7-11f1-9999-461773df9d9e/db.one.0a0a0a0a/10.0.0.1:0,bc9bd60d-e6f7/db2.0b0b0b0b/10.0.0.2:0"
NOTIFICATION = ["--status", "synced", "--uuid", "u", "--primary", "yes", "--index", "0", "--members", MEMBERS]


def test_a_primary_component_is_noted(store: GroupStore, tmp_path: Path) -> None:
    environ = {"DBHANDLER_STATE_DIR": str(tmp_path), "DBHANDLER_RUN_DIR": str(tmp_path)}
    assert notify(NOTIFICATION, environ) == 0
    assert store.view() == View("u", {"0a0a0a0a": "db.one", "0b0b0b0b": "db2"})
    # What a node sees alone, or when it leaves, is not where its data have been last.
    assert notify([word.replace("yes", "no") for word in NOTIFICATION], environ) == 0
    assert notify(["--status", "disconnected"], environ) == 0
    assert len(store.view().ids) == 2


STRANGERS = ["a stranger", "", "x,y/z", "name.ABCDEF01", "name.0123", "é.aaaaaaaa", "\x1b[2J.aaaaaaaa"]


@pytest.mark.parametrize("name", [*STRANGERS, "\udcff.0c0c0c0c", "x" * 33 + ".aaaaaaaa"])
def test_a_strangers_name_is_counted_and_left_out(
    store: GroupStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    environ = {"DBHANDLER_STATE_DIR": str(tmp_path), "DBHANDLER_RUN_DIR": str(tmp_path)}
    member = f",0bf28868-e851-11f1-8e41-970cc885f0de/{name}/10.0.0.3:0"
    assert notify([*NOTIFICATION[:-1], MEMBERS + member], environ) == 0
    assert store.view() == View("u", {"0a0a0a0a": "db.one", "0b0b0b0b": "db2"}, strangers=1)
    assert "1 members of the group are no nodes of dbhandler" in capsys.readouterr().err


def test_a_view_that_a_former_version_took_from_strangers_is_cleaned(store: GroupStore, tmp_path: Path) -> None:
    (tmp_path / InState.CLUSTER_VIEW).write_text('{"uuid": "u", "names": {"0a0a0a0a": "db1", "a stranger": ""}}')
    assert store.view() == View("u", {"0a0a0a0a": "db1"})


def test_a_component_without_members_is_none() -> None:
    assert view_of({"--primary": "yes", "--members": ""}) is None


def test_a_view_that_cannot_be_noted_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"DBHANDLER_STATE_DIR": str(tmp_path / "gone"), "DBHANDLER_RUN_DIR": str(tmp_path)}
    assert notify(NOTIFICATION, environ) == 74
    assert "the view of the cluster cannot be noted" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "status"), [([], 64), (["--status"], 64), (["--help"], 0)])
def test_usage(arguments: list[str], status: int) -> None:
    assert notify(arguments, {}) == status
