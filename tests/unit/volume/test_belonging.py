"""Which cluster two volumes belong to, and what becomes of data that leave theirs; on real files."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dbhandler.errors import DbHandlerError
from dbhandler.inventory import InState
from dbhandler.volume.belonging import (
    STATE_FILE,
    UNNAMED,
    Belonging,
    check,
    enter,
    read,
    set_aside,
)
from dbhandler.volume.data_dir import ASIDE, CLUSTER_STAMP


class Volumes:
    """The two volumes of a server, with Galera's state file in the one of the data."""

    def __init__(self, folder: Path) -> None:
        self.data, self.state = folder / "data", folder / "state"
        for made in (self.data, self.state):
            made.mkdir()
        (self.data / STATE_FILE).write_text("seqno: 5")

    def check(self, cluster: str | None = None, leave: str | None = None) -> None:
        check(self.data, self.state, cluster, leave)


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    return Volumes(tmp_path)


@pytest.fixture
def entered(volumes: Volumes) -> Volumes:
    enter(volumes.data, volumes.state, "shop")
    return volumes


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("cluster", [None, "other"])
@pytest.mark.parametrize("leave", [None, "other"])
def test_volumes_of_a_cluster_are_refused_outside_of_it(entered: Volumes, cluster: str | None, leave: str) -> None:
    before = contents(entered.data), contents(entered.state)
    with pytest.raises(DbHandlerError, match=r"belong to the cluster 'shop'.*DBHANDLER_LEAVE_CLUSTER=shop"):
        entered.check(cluster, leave)
    assert (contents(entered.data), contents(entered.state)) == before
    entered.check("shop", leave)


@pytest.mark.parametrize("kept", ["data", "state"])
def test_one_of_the_two_volumes_is_enough(entered: Volumes, kept: str) -> None:
    (entered.state / InState.CLUSTER_NAME if kept == "data" else entered.data / CLUSTER_STAMP).unlink()
    with pytest.raises(DbHandlerError, match="'shop'"):
        entered.check()


def test_the_state_of_a_former_versions_node_does_not_say_its_clusters_name(volumes: Volumes) -> None:
    (volumes.state / InState.CLUSTER_VIEW).touch()
    volumes.check("shop")
    with pytest.raises(DbHandlerError, match="DBHANDLER_LEAVE_CLUSTER=NAME"):
        volumes.check()
    volumes.check(leave="shop")
    assert not (volumes.state / InState.CLUSTER_VIEW).exists()
    assert read(volumes.data).left == UNNAMED


def test_the_operator_lets_them_leave_and_their_place_in_the_clusters_history_is_none_any_more(
    entered: Volumes, caplog: pytest.LogCaptureFixture
) -> None:
    entered.check(leave="shop")
    assert read(entered.data) == Belonging(left="shop")
    assert not (entered.data / STATE_FILE).exists()
    assert contents(entered.state) == {}
    assert "have left the cluster 'shop'" in caplog.text
    # From then on it is any server; also with the same settings.
    entered.check(leave="shop")
    entered.check()
    assert read(entered.data).left == "shop"


def test_a_leave_that_was_killed_goes_on(entered: Volumes) -> None:
    (entered.data / CLUSTER_STAMP).write_text('{"left": "shop"}')
    with pytest.raises(DbHandlerError, match="'shop'"):
        entered.check()
    entered.check(leave="shop")
    assert contents(entered.state) == {}


def test_data_of_a_hand_made_galera_start_as_before_and_are_not_believed_in_a_cluster_of_ours(volumes: Volumes) -> None:
    volumes.check()
    assert (volumes.data / STATE_FILE).exists()
    assert read(volumes.data) == Belonging(left=UNNAMED)


def test_volumes_of_a_plain_server_get_no_note(volumes: Volumes) -> None:
    (volumes.data / STATE_FILE).unlink()
    volumes.check()
    volumes.check(leave="shop")
    assert contents(volumes.data) == contents(volumes.state) == {}


@pytest.mark.parametrize("spoilt", ["", "[]", "null", "7", "x"])
def test_a_spoilt_note_is_none_that_was_never_there(volumes: Volumes, spoilt: str) -> None:
    (volumes.data / CLUSTER_STAMP).write_text(spoilt)
    with pytest.raises(DbHandlerError, match="does not say to which cluster"):
        volumes.check()


def test_to_set_data_aside_goes_on_where_a_kill_has_cut_it(
    entered: Volumes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    entered.check(leave="shop")
    for name in ("ibdata1", "mysql", "shop"):
        (entered.data / name).write_text(name)
    rename, left = Path.rename, [2]

    def killed(path: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", killed)
        set_aside(entered.data)
    aside = read(entered.data).aside
    assert aside is not None
    set_aside(entered.data)
    assert set(contents(entered.data / ASIDE / aside)) == {"ibdata1", "mysql", "shop", "grastate.left"}
    assert set(contents(entered.data)) == {CLUSTER_STAMP}
    assert f"is kept in {entered.data / ASIDE / aside}" in caplog.text
