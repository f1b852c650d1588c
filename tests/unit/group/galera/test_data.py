"""What a data directory holds, and how it is made fit to begin, on real files."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dbhandler.errors import DbHandlerError
from dbhandler.group.engine import Position
from dbhandler.group.galera.data import DataDir, recovery
from dbhandler.group.node import Holds
from dbhandler.group.transactions import Transactions
from dbhandler.volume import tls
from dbhandler.volume.belonging import STATE_FILE, check, enter
from dbhandler.volume.data_dir import ASIDE, CLUSTER_STAMP, MARKER, STAMP

EMPTY, DATA, FOREIGN, LEFT = Holds

UUID = "4ff1e6c6-e6f9-11f1-b5d2-7aa832857484"
STATE = "# GALERA saved state\nversion: 2.1\nuuid:    {uuid}\nseqno:   {seqno}\nsafe_to_bootstrap: {safe}\n"


class Made:
    """A data directory and the one under test; `recovered` is what a recovery prints."""

    def __init__(self, folder: Path) -> None:
        self.path, archive = folder / "data", folder / "template.tar"
        self.path.mkdir()
        (folder / "mysql").mkdir()
        (folder / "mysql" / "user.MAD").write_text("accounts")
        with tarfile.open(archive, "w") as tar:
            tar.add(folder / "mysql", "mysql")
        self.recovered, self.recoveries = "", 0
        self.at_first: list[str] = []
        self.data = DataDir(self.path, "shop", "mariadb", archive, self._recover, self._first_start)

    def _first_start(self) -> None:
        self.at_first = sorted(entry.name for entry in self.path.iterdir())

    def _recover(self) -> str:
        self.recoveries += 1
        return self.recovered

    def state(self, uuid: str = UUID, seqno: int = 5, safe: int = 0) -> None:
        (self.path / "mysql").mkdir(exist_ok=True)
        (self.path / STATE_FILE).write_text(STATE.format(uuid=uuid, seqno=seqno, safe=safe))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setattr(tls, "ensure_keys", lambda _engine, path: (path / "server-key.pem").touch())
    return Made(tmp_path)


def test_an_empty_folder(made: Made) -> None:
    assert made.data.position() == Position(EMPTY)


def test_what_a_first_transfer_has_left(made: Made) -> None:
    for name in (STATE_FILE, "galera.cache", "sst_in_progress", "ibdata1", "server-key.pem"):
        (made.path / name).touch()
    assert made.data.position() == Position(EMPTY)


@pytest.mark.parametrize(("left", "make"), [(".sst", Path.mkdir), ("sst_in_progress", Path.touch)])
def test_a_transfer_that_was_cut(made: Made, left: str, make: Callable[[Path], None]) -> None:
    assert not made.data.transfer_was_cut()
    make(made.path / left)
    assert made.data.transfer_was_cut()


def test_a_database_with_the_name_of_the_transfers_file_is_no_transfer(made: Made) -> None:
    (made.path / "sst_in_progress").mkdir()
    assert not made.data.transfer_was_cut()


def test_data_of_a_server_outside_any_cluster(made: Made) -> None:
    (made.path / "ibdata1").touch()
    assert made.data.position() == Position(FOREIGN)


def test_a_position_after_an_orderly_stop(made: Made) -> None:
    made.state(seqno=7)
    assert made.data.position() == Position(DATA, UUID, Transactions.up_to(7))
    assert made.recoveries == 0


def test_the_last_one_to_stop(made: Made) -> None:
    made.state(safe=1)
    assert made.data.position() == Position(DATA, UUID, Transactions.up_to(5), last=True)


def test_a_position_after_a_crash(made: Made) -> None:
    made.state(seqno=-1)
    made.recovered = f"x\n2026 0 [Note] WSREP: Recovered position: {UUID}:42\n"
    assert made.data.position() == Position(DATA, UUID, Transactions.up_to(42))


def test_a_recovered_position_of_another_history_is_none(made: Made) -> None:
    made.state(seqno=-1)
    made.recovered = "WSREP: Recovered position: 00000000-0000-0000-0000-000000000000:-1\n"
    assert made.data.position() == Position(DATA, UUID)


def test_a_server_that_cannot_recover_is_no_position(made: Made) -> None:
    made.state(seqno=-1)
    with pytest.raises(DbHandlerError, match="does not tell its recovered position"):
        made.data.position()


@pytest.mark.parametrize("content", ["", "garbage", f"uuid: {UUID}", f"uuid: {UUID}\nseqno: x"])
def test_a_spoilt_state_file_says_that_the_data_are_worth_nothing(made: Made, content: str) -> None:
    (made.path / "mysql").mkdir()
    (made.path / STATE_FILE).write_text(content)
    assert made.data.position() == Position(EMPTY)


def test_to_begin_empty_is_to_be_filled_and_still_to_hold_nothing(made: Made) -> None:
    (made.path / "left over").touch()
    made.data.prepare_to_begin(EMPTY)
    names = {entry.name for entry in made.path.iterdir()}
    assert names == {"mysql", STATE_FILE, STAMP, "server-key.pem"}
    # A kill in the middle of the first start's work leaves a directory that is filled again.
    assert made.at_first == sorted(["mysql", STATE_FILE, MARKER, "server-key.pem"])
    assert made.data.position() == Position(EMPTY)


def test_a_filling_that_was_killed_holds_nothing(made: Made) -> None:
    made.state()
    (made.path / MARKER).touch()
    assert made.data.position() == Position(EMPTY)


def test_to_begin_with_data_galera_is_told_that_it_may(made: Made) -> None:
    made.state(safe=0)
    made.data.prepare_to_begin(DATA)
    assert made.at_first == []
    assert (made.path / STATE_FILE).read_text() == STATE.format(uuid=UUID, seqno=5, safe=1)


def test_to_begin_a_new_history_the_old_one_is_set_aside(made: Made) -> None:
    made.state()
    made.data.prepare_to_begin(DATA, new_history=True)
    assert not (made.path / STATE_FILE).exists()
    assert UUID in (made.path / "grastate.before").read_text()


def test_foreign_data_are_begun_with_as_they_are(made: Made) -> None:
    (made.path / "ibdata1").write_text("data")
    made.data.prepare_to_begin(FOREIGN)
    assert (made.path / "ibdata1").read_text() == "data"


def test_data_that_left_the_cluster_have_no_position_in_it(made: Made, tmp_path: Path) -> None:
    made.state()
    enter(made.path, tmp_path, "shop")
    assert made.data.position().holds == DATA
    check(made.path, tmp_path, None, leave="shop")
    assert made.data.position() == Position(LEFT)


def test_data_that_left_another_cluster_are_foreign(made: Made, tmp_path: Path) -> None:
    made.state()
    enter(made.path, tmp_path, "other")
    check(made.path, tmp_path, None, leave="other")
    assert made.data.position() == Position(FOREIGN)


def test_an_empty_folder_that_left_is_empty(made: Made, tmp_path: Path) -> None:
    enter(made.path, tmp_path, "shop")
    check(made.path, tmp_path, None, leave="shop")
    assert made.data.position() == Position(EMPTY)


def test_data_that_left_are_set_aside_before_the_clusters_come(made: Made, tmp_path: Path) -> None:
    made.state()
    check(made.path, tmp_path, None, None)
    enter(made.path, tmp_path, "shop")
    check(made.path, tmp_path, None, leave="shop")
    made.data.prepare_to_join(LEFT)
    assert {entry.name for entry in made.path.iterdir()} == {CLUSTER_STAMP, STAMP, ASIDE, "server-key.pem"}
    [folder] = (made.path / ASIDE).iterdir()
    assert {entry.name for entry in folder.iterdir()} == {"mysql", "grastate.left"}
    enter(made.path, tmp_path, "shop")
    assert made.data.position() == Position(EMPTY)


def test_to_begin_with_data_that_left_is_a_new_history(made: Made) -> None:
    made.state()
    made.data.prepare_to_begin(FOREIGN)
    assert not (made.path / STATE_FILE).exists()


def test_a_recovery_is_the_servers_own_and_its_words_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--wsrep-recover" in recovery(["echo", "--datadir=/x"], "/lib.so")()
    # It did not tell a position, so the container's log gets all that it said.
    assert "--wsrep-provider=/lib.so" in capsys.readouterr().out


def test_a_server_that_is_not_there(made: Made) -> None:
    with pytest.raises(DbHandlerError, match="the server cannot be run to recover its position: FileNotFoundError"):
        recovery(["no-such-server"], "/lib.so")()
