"""What a member's data directory holds, and how it is filled, with a server that is played."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbhandler.engine import group_sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import DbHandlerError, ServerError, Unavailable
from dbhandler.group.engine import Position
from dbhandler.group.node import Holds
from dbhandler.group.replication import data
from dbhandler.group.replication.data import ER_DONOR, RESTARTS, TRIES, DataDir
from dbhandler.group.transactions import Transactions
from dbhandler.settings.config import Config
from dbhandler.trust.group import USER
from dbhandler.trust.secret import new_secret
from dbhandler.volume import tls
from dbhandler.volume.belonging import check, enter
from dbhandler.volume.data_dir import MARKER, STAMP
from tests.support.fakes import RecordingServer
from tests.support.group_nodes import HISTORY, node

EMPTY, DATA, FOREIGN, LEFT = Holds
CLONE = group_sql.clone(USER, "10.0.0.2", 3306, "the password")
DONOR = node("bbbbbbbb", host="10.0.0.2")


class Played(RecordingServer):
    """The server, and the private one that it is."""

    def __init__(self) -> None:
        super().__init__({group_sql.executed(): [(f"{HISTORY}:1-5", "")], group_sql.received(): [(f"{HISTORY}:4-7",)]})
        self.starts: list[Any] = []
        self.clones: list[Exception] = []

    def private(self, command: Sequence[str], environ: dict[str, str], ends_itself: int | None = None) -> Played:
        self.starts.append((command, environ, ends_itself))
        return self

    def agent(self, config: Config, timeout: float = 0.0) -> Played:
        return self

    def execute(self, statement: Statement) -> Any:
        if statement == CLONE and self.clones:
            self.executed.append(statement)
            raise self.clones.pop(0)
        return super().execute(statement)

    def wait_for(self, server: object) -> None: ...

    def __enter__(self) -> Played:
        return self

    def __exit__(self, *_: object) -> None: ...


class Made:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.state, archive = folder / "data", folder / "state", folder / "template.tar"
        for made in (self.path, self.state, folder / "mysql"):
            made.mkdir()
        with tarfile.open(archive, "w") as tar:
            tar.add(folder / "mysql", "mysql")
        config = Config.from_environ({
            "DBHANDLER_ENGINE": "mysql", "DBHANDLER_CLUSTER": "shop", "DBHANDLER_POOL_SECRET": new_secret(),
            "DBHANDLER_DATA_DIR": str(self.path), "DBHANDLER_STATE_DIR": str(self.state),
            "DBHANDLER_RUN_DIR": str(folder), "DBHANDLER_TEMPLATE": str(archive),
        })  # fmt: skip
        self.server, self.steps, self.waits = Played(), list[str](), list[float]()
        monkeypatch.setattr(tls, "ensure_keys", lambda _engine, _path: None)
        monkeypatch.setattr(data, "PrivateServer", self.server.private)
        monkeypatch.setattr(data, "agent_server", self.server.agent)
        self.data = DataDir(
            "shop", config, ["mysqld", "--port=3307"], {"PATH": "/bin"}, self._first_start, self.waits.append
        )

    def _first_start(self) -> None:
        assert (self.path / MARKER).exists()
        self.steps.append("first start")

    def fill(self, history: str | None = HISTORY, fresh: bool = False) -> None:
        (self.path / "mysql").mkdir()
        if history:
            enter(self.path, self.state, "shop", history, fresh)

    def take(self, *donors: Any) -> None:
        self.data.take(donors or [DONOR], "the password", lambda: self.steps.append("certified"), "a-uuid")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(tmp_path, monkeypatch)


def test_an_empty_folder(made: Made) -> None:
    assert made.data.position() == Position(EMPTY)
    assert made.server.starts == []


def test_what_was_done_and_what_was_received_counts(made: Made) -> None:
    made.fill()
    assert made.data.position() == Position(DATA, HISTORY, Transactions.up_to(7))
    assert str(made.data.transactions) == f"{HISTORY}:1-7"
    [(command, _, _)] = made.server.starts
    assert "--port=3307" in command and "--loose-group-replication-start-on-boot=OFF" in command


def test_one_that_was_in_no_group_has_received_nothing(made: Made) -> None:
    made.fill()
    made.server.replies[group_sql.received()] = []
    assert made.data.position() == Position(DATA, HISTORY, Transactions.up_to(5))


@pytest.mark.parametrize("fresh", [False, True])
def test_who_was_to_begin_and_has_not_holds_nothing(made: Made, fresh: bool) -> None:
    made.fill(fresh=fresh)
    made.server.replies |= {group_sql.executed(): [("", "")], group_sql.received(): []}
    # What an operator begins a group with is data from the first moment.
    assert made.data.position() == (Position(EMPTY) if fresh else Position(DATA, HISTORY, Transactions()))
    assert made.data.has_begun_nothing is fresh


def test_a_filling_that_was_killed_holds_nothing(made: Made) -> None:
    made.fill()
    (made.path / MARKER).touch()
    assert made.data.position() == Position(EMPTY)


def test_data_that_are_not_the_clusters(made: Made) -> None:
    made.fill(history=None)
    assert made.data.position() == Position(FOREIGN)
    enter(made.path, made.state, "shop")
    assert made.data.position() == Position(FOREIGN), "a node of Galera's"


def test_data_that_were_used_outside(made: Made) -> None:
    made.fill()
    check(made.path, made.state, None, leave="shop")
    assert made.data.position() == Position(LEFT)


def test_the_first_starts_work_is_done_before_what_is_there_counts(made: Made) -> None:
    made.data.fill(lambda: made.steps.append("certified"), lambda: made.steps.append("entered"))
    assert made.steps == ["certified", "first start", "entered"]
    assert (made.path / STAMP).exists() and not (made.path / MARKER).exists()


def test_all_data_of_another_node_are_taken(made: Made) -> None:
    made.server.clones = [Unavailable("its connections end with it")]
    made.take()
    assert made.steps == ["certified"]
    assert made.server.executed[-1] == CLONE
    assert group_sql.donors("10.0.0.2:3306") in made.server.executed
    [(_, environ, ends)] = made.server.starts
    assert ends == RESTARTS and environ["MYSQLD_PARENT_PID"].isdigit()
    assert "server-uuid=a-uuid" in (made.path / "auto.cnf").read_text()
    assert (made.path / MARKER).exists(), "until `finish` a kill leaves nothing"
    made.data.finish()
    assert not (made.path / MARKER).exists()


def test_a_node_that_gives_its_data_to_another_one_is_waited_for(made: Made) -> None:
    busy = ServerError("too many", ER_DONOR)
    made.server.clones = [busy, busy, Unavailable("it ends")]
    made.take()
    assert len(made.waits) == 2
    made.server.clones = [busy] * (TRIES + 1)
    with pytest.raises(ServerError, match="too many"):
        made.take()


def test_the_next_node_is_asked_and_the_last_ones_refusal_counts(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    made.server.clones = [ServerError("no", 3870), Unavailable("it ends")]
    made.take(replace(DONOR, name="first"), DONOR)
    assert "the data of 'first' cannot be had" in caplog.text
    made.server.clones = [ServerError("no", 3870), ServerError("neither", 3870)]
    with pytest.raises(DbHandlerError, match="neither"):
        made.take(replace(DONOR, name="first"), DONOR)
