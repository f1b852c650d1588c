"""What is done for each source and when, with a repository, servers and a clock that are played."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dbhandler.backup import filling
from dbhandler.backup import keeper as module
from dbhandler.backup.followed import AGAIN, Followed
from dbhandler.backup.keeper import LISTED, LOOKED, PROVEN_FOR, THINNED, Keeper
from dbhandler.backup.logs import Logs
from dbhandler.backup.proof import Proof
from dbhandler.backup.record import Record
from dbhandler.backup.restoring import Backup
from dbhandler.backup.snapshot import Snapshot
from dbhandler.backup.source import Source, remember, remembered
from dbhandler.backup.stream import Stream
from dbhandler.backup.tool import Unloadable
from dbhandler.backup.whole import Wish
from dbhandler.distant.node import Node
from dbhandler.distant.position import Position
from dbhandler.errors import ConfigError, DbHandlerError, Unavailable
from dbhandler.settings.backup import BackupSettings, backup_settings
from dbhandler.trust.secret import new_secret
from tests.support.binlog import FORMAT, XID, gtid
from tests.support.fakes import Clock
from tests.support.repository import PlayedRepository, dump_at

NODES = (Node("a", "10.0.0.1", 3306),)
SOURCE = Source("key-1", "db-1", "mariadb", NODES)
OTHER = Source("key-2", "db-2", "mariadb", (Node("b", "10.0.0.2", 3306),))


class Reached:
    """The way to servers that are all there."""

    def option_file(self, node: Node, engine: str) -> Path:
        return Path(f"/run/{node.name}.cnf")


class Prover:
    """In place of prove: finds these differences, or fails, next; then none."""

    def __init__(self) -> None:
        self.next: list[Sequence[str] | Exception] = []
        self.proven: list[str] = []

    def __call__(self, backup: Backup, base: object, access: object) -> Proof:
        self.proven.append(backup.source.name)
        found = self.next.pop(0) if self.next else []
        if isinstance(found, Exception):
            raise found
        return Proof(3, found)


class Played:
    """A keeper with all around it."""

    def __init__(self, folder: Path, clock: Clock, prover: Prover, **environ: str) -> None:
        self.clock, self.prover, self.folder = clock, prover, folder
        self.repository = PlayedRepository(*[dump_at("0-5-1")] * 20)
        self.keeper = Keeper(
            settings(folder, **environ), Reached(), Reached(), self.repository, threading.Event(), {"gone"}, clock,  # type: ignore[arg-type]
        )  # fmt: skip

    def followed(self, source: Source = SOURCE) -> Followed:
        return self.keeper._followed[source.id]

    def record(self, source: Source = SOURCE) -> dict[str, object]:
        return Record(self.folder / "sources" / source.id).read()

    def work(self, later: float = LOOKED) -> None:
        """What is done next, so much later."""
        self.clock.advance(later)
        self.keeper._work()

    def flow(self, source: Source = SOURCE, number: int = 1, after: int = 0) -> None:
        """A transaction comes from the source."""
        logs = self.followed(source).backup.logs
        logs.begin(Position.parse(f"0-5-{after}" if after else "", "mariadb"), "a", self.clock())
        for event in (FORMAT, gtid(number, int(self.clock())), XID):
            logs.append(event, self.clock())
        self.followed(source).stream.complaint = None


def settings(folder: Path, **environ: str) -> BackupSettings:
    return backup_settings({"DBHANDLER_POOL_SECRET": new_secret(), "DBHANDLER_BACKUP_DIR": str(folder), **environ})


@pytest.fixture
def prover(monkeypatch: pytest.MonkeyPatch) -> Prover:
    made = Prover()
    monkeypatch.setattr(module, "prove", made)
    # Nothing flows but what a test lets flow.
    monkeypatch.setattr(Stream, "run", lambda _stream, _stop: None)
    return made


@pytest.fixture
def played(tmp_path: Path, clock: Clock, prover: Prover) -> Played:
    clock.advance(1e6)
    return Played(tmp_path, clock, prover)


@pytest.fixture
def flowing(played: Played) -> Played:
    """One source, of which something has come."""
    played.keeper.look([SOURCE])
    played.flow()
    return played


def test_a_wrong_retention_stops_the_start(tmp_path: Path, clock: Clock, prover: Prover) -> None:
    with pytest.raises(ConfigError, match="DBHANDLER_BACKUP_KEEP"):
        Played(tmp_path, clock, prover, DBHANDLER_BACKUP_KEEP="--keep-none")


def test_what_is_new_is_followed_and_remembered(played: Played) -> None:
    played.keeper.look([SOURCE, Source("cluster-x", "x", "mariadb")])
    assert remembered(played.folder / "sources" / "key-1").name == "db-1"
    # Of a cluster without a node nothing is known yet.
    assert list(played.keeper._followed) == ["key-1"]


def test_it_is_found_where_it_is_now(played: Played) -> None:
    played.keeper.look([SOURCE])
    moved = Source("key-1", "db-9", "mariadb", (Node("a", "10.0.0.9", 3306),))
    played.keeper.look([moved])
    followed = played.followed()
    assert followed.stream.nodes == moved.nodes
    assert followed.source == followed.backup.source == followed.backup.bases.source == moved
    played.keeper.look([])
    assert (followed.stream.nodes, followed.source.nodes, followed.source.name) == ((), (), "db-9")
    assert len(played.keeper._followed) == 1


def test_of_nothing_that_has_come_there_is_no_base(played: Played) -> None:
    played.keeper.look([SOURCE])
    played.work()
    assert played.repository.count("save_output") == 0
    assert played.record()["stream"] == "it has not begun"


def test_the_first_base_is_taken_shipped_and_proven(flowing: Played, caplog: pytest.LogCaptureFixture) -> None:
    flowing.work()
    done = flowing.repository.done
    assert done.index("open") < done.index("save_output") < done.index("save_folder") < done.index("keep")
    assert flowing.prover.proven == ["db-1"]
    noted = flowing.record()
    assert (noted["base"], noted["stream"], noted["wrong"], noted["left_out"]) == (None, None, [], [])
    assert noted["proven"] == noted["shipped"] == flowing.clock()
    assert "the backup of 'db-1' is proven: 3 tables" in caplog.messages


def test_what_is_not_in_it_is_told(flowing: Played, caplog: pytest.LogCaptureFixture) -> None:
    flowing.repository.left_out = ["view x"]
    flowing.work()
    assert flowing.record()["left_out"] == ["view x"]
    assert "not in the backup of 'db-1': view x" in caplog.messages


def test_the_next_base_is_due_a_day_later(flowing: Played) -> None:
    flowing.work()
    flowing.work(86000.0)
    flowing.work(86400.0)
    taken = [snapshot for snapshot in flowing.repository.kept if snapshot.tags["kind"] == "base"]
    # The first two may lie on one day, or on two: at what time it turns is the source's own.
    assert len(taken) in (2, 3)


@pytest.mark.parametrize("every", ["1h", "1d", "1w"])
def test_one_base_in_each_period(every: str, tmp_path: Path, clock: Clock, prover: Prover) -> None:
    clock.advance(1e6)
    played = Played(tmp_path, clock, prover, DBHANDLER_BACKUP_EVERY=every)
    played.keeper.look([SOURCE])
    played.flow()
    period = played.keeper._settings.every
    for _ in range(40):
        played.work(period / 10)
    # Four periods, in five of the clock's own.
    assert played.repository.count("save_output") in (4, 5)


def test_a_gap_needs_a_new_base(flowing: Played) -> None:
    flowing.work()
    flowing.repository.dumps[0] = dump_at("0-5-8")
    flowing.flow(number=9, after=8)
    flowing.work()
    flowing.work()
    assert flowing.repository.count("save_output") == 2


def test_a_source_that_is_away_is_left_alone(flowing: Played) -> None:
    flowing.keeper.look([])
    flowing.work()
    assert flowing.repository.count("save_output") == 0
    # But what came of it goes on to be shipped.
    assert flowing.repository.count("save_folder") == 1


def test_between_two_looks_nothing_is_asked(flowing: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, snapshots = list[str](), flowing.repository.snapshots

    def counted(**tags: str) -> list[Snapshot]:
        asked.append(tags["kind"])
        return snapshots(**tags)

    monkeypatch.setattr(flowing.repository, "snapshots", counted)
    flowing.work()
    before = len(asked)
    # Whether a base is due is known without the repository.
    for _ in range(9):
        flowing.work(LISTED / 10)
    assert len(asked) == before
    flowing.work(LISTED / 10)
    assert len(asked) == before + 1


def test_a_base_that_failed_is_tried_again_ever_more_seldom(flowing: Played, caplog: pytest.LogCaptureFixture) -> None:
    pauses, last = [], flowing.clock()
    for _ in range(9):
        flowing.repository.fails["save_output"] = DbHandlerError("no disk")
        count = flowing.repository.count("save_output")
        while flowing.repository.count("save_output") == count:
            flowing.work(10.0)
        pauses.append(flowing.clock() - last)
        last = flowing.clock()
    assert pauses == [10.0, AGAIN, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0]
    assert flowing.record()["base"] == "no disk"
    assert caplog.messages.count("no proven base of 'db-1': no disk") == 9
    flowing.work(3600.0)
    # What is locked by the dead is in nobody's way.
    assert flowing.repository.count("unlock") == 10 and flowing.repository.former == {"gone"}
    assert (flowing.record()["base"], flowing.followed().pause) == (None, AGAIN)


def test_one_that_fails_keeps_nobody_else_from_it(flowing: Played) -> None:
    flowing.keeper.look([SOURCE, OTHER])
    flowing.flow(OTHER)
    flowing.repository.fails["save_output"] = DbHandlerError("no disk")
    flowing.work()
    assert (flowing.record()["base"], flowing.record(OTHER)["base"]) == ("no disk", None)


def test_nor_does_one_whose_log_is_damaged(flowing: Played) -> None:
    flowing.keeper.look([SOURCE, OTHER])
    flowing.flow(OTHER)
    logs = flowing.followed().backup.logs
    logs.settle()
    logs.files()[0].note.write_text("{")
    flowing.followed().backup.logs = Logs(flowing.folder / "sources" / "key-1" / "logs", "mariadb")
    flowing.work()
    assert "damaged" in str(flowing.record()["base"]) and flowing.record(OTHER)["base"] is None


def test_a_log_that_is_only_about_to_begin_is_no_defect(flowing: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Logs, "spans", lambda _logs: [])
    flowing.work()
    assert flowing.repository.count("save_output") == 1


def test_what_is_proven_is_proven_again_after_a_day(flowing: Played) -> None:
    flowing.work()
    flowing.work()
    assert flowing.prover.proven == ["db-1"]
    flowing.work(PROVEN_FOR)
    assert flowing.prover.proven == ["db-1", "db-1"]


def test_what_differs_is_told_and_stays(flowing: Played, caplog: pytest.LogCaptureFixture) -> None:
    wrong = [f"rows of 's'.'t{number}'" for number in range(30)]
    flowing.prover.next = [wrong]
    flowing.work()
    noted = flowing.record()
    assert (
        noted["wrong"] == wrong[:20]
        and noted["base"] == f"what it restores is not as the server: {'; '.join(wrong[:20])}"
    )
    assert len(flowing.repository.snapshots(kind="base")) == 1
    # It is compared again, and nothing is forgotten before it is right.
    assert flowing.repository.count("keep") == 0
    flowing.work(AGAIN)
    assert (flowing.record()["base"], flowing.record()["wrong"], flowing.repository.count("keep")) == (None, [], 1)


def test_what_was_not_right_is_no_proof_whose_time_counts(flowing: Played) -> None:
    flowing.prover.next = [[], ["rows of 's'.'t'"]]
    flowing.work()
    earlier = flowing.record()["proven"]
    flowing.work(PROVEN_FOR)
    assert (flowing.record()["proven"], flowing.record()["wrong"]) == (earlier, ["rows of 's'.'t'"])


def test_which_bases_there_are_is_noted_for_whoever_asks_without_the_repository(flowing: Played) -> None:
    flowing.work()
    assert flowing.record()["bases"] == [[flowing.clock(), "0-5-1"]]
    assert flowing.keeper.followed(SOURCE.id) is flowing.followed() and flowing.keeper.followed("key-9") is None


def test_a_base_that_no_server_takes_is_forgotten(flowing: Played) -> None:
    flowing.prover.next = [Unloadable("mariadb failed: ERROR 1064")]
    flowing.work()
    assert flowing.record()["base"] == "mariadb failed: ERROR 1064"
    assert flowing.repository.snapshots(kind="base") == []
    flowing.work(AGAIN)
    assert len(flowing.repository.snapshots(kind="base")) == 1 and flowing.record()["base"] is None


def test_one_that_could_not_be_proven_now_stays(flowing: Played) -> None:
    flowing.prover.next = [Unavailable("the stream has not reached it")]
    flowing.work()
    flowing.work(AGAIN)
    assert (len(flowing.repository.snapshots(kind="base")), flowing.record()["base"]) == (1, None)


def test_what_came_is_shipped_every_so_many_seconds(flowing: Played) -> None:
    flowing.work()
    shipped = flowing.repository.count("save_folder")
    for _ in range(6):
        flowing.work(10.0)
    assert flowing.repository.count("save_folder") == shipped + 2
    assert flowing.record()["shipped"] == flowing.clock()


def test_a_clock_that_is_put_back_stops_no_shipping(flowing: Played) -> None:
    flowing.work()
    shipped = flowing.repository.count("save_folder")
    flowing.work(-86400.0)
    assert flowing.repository.count("save_folder") == shipped + 1


def test_of_what_is_shipped_the_last_two_are_kept(flowing: Played) -> None:
    flowing.work()
    for _ in range(5):
        flowing.work(30.0)
    assert len(flowing.repository.snapshots(kind="logs")) == 6
    flowing.work(THINNED)
    assert len(flowing.repository.snapshots(kind="logs")) == 2


def test_what_is_too_old_goes_with_what_only_it_needs(flowing: Played) -> None:
    flowing.work()
    flowing.flow(number=2, after=1)
    flowing.repository.dumps[0] = dump_at("0-5-2")
    flowing.repository.too_old = flowing.repository.snapshots(kind="base")
    assert len(flowing.followed().backup.logs.files()) == 2
    flowing.work(2 * 86400.0)
    [base] = flowing.repository.snapshots(kind="base")
    assert flowing.repository.count("prune") == 1
    assert [file.number for file in flowing.followed().backup.logs.files()] == [2]
    notes = [path.name for path in (flowing.folder / "sources" / "key-1" / "bases").glob("*.json")]
    assert notes == [f"{base.id}.json"]


def test_where_nothing_goes_nothing_is_pruned(flowing: Played) -> None:
    flowing.work()
    assert (flowing.repository.count("keep"), flowing.repository.count("prune")) == (1, 0)


def test_what_somebody_has_had_forgotten_is_no_longer_followed(flowing: Played) -> None:
    flowing.keeper.look([])
    flowing.work()
    folder = flowing.folder / "sources" / "key-1"
    folder.rename(flowing.folder / "gone")
    flowing.work(60.0)
    assert flowing.keeper._followed == {} and not folder.exists()


class Rounds(threading.Event):
    """Is set after so many waits, and never waits; does something before one of them."""

    def __init__(self, waits: int, before: Callable[[int], None] = lambda _left: None) -> None:
        super().__init__()
        self._left, self._before = waits, before

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        self._before(self._left)
        if self._left < 0:
            self.set()
        return self.is_set()


def test_a_repository_that_is_away_is_told_once_and_seen_by_others(
    flowing: Played, caplog: pytest.LogCaptureFixture
) -> None:
    def away(left: int) -> None:
        if left >= 2:
            flowing.repository.fails["open"] = Unavailable("the repository /x: restic cat has failed")

    # A wait before each try, and one after each that has failed.
    flowing.keeper._stop = Rounds(4, away)
    flowing.keeper.work()
    assert caplog.messages.count("the repository: the repository /x: restic cat has failed") == 1
    assert flowing.record()["repository"] == "the repository /x: restic cat has failed"
    flowing.keeper._stop = Rounds(1)
    flowing.keeper.work()
    assert flowing.record()["repository"] is None


def test_what_is_ended_is_no_failure(flowing: Played, caplog: pytest.LogCaptureFixture) -> None:
    flowing.repository.fails["save_output"] = Unavailable("it was ended")
    flowing.keeper._stop.set()
    flowing.keeper._work()
    assert "base" not in flowing.record() and not any("no proven base" in message for message in caplog.messages)


def test_its_end_ends_what_is_done_in_the_repository(flowing: Played) -> None:
    flowing.keeper.close()
    assert flowing.repository.count("end") == 1 and not flowing.followed().thread.is_alive()


WISH = Wish(Node("c", "10.0.0.3", 3306), "db-3", "latest")


def waiting(played: Played, monkeypatch: pytest.MonkeyPatch, *outcomes: list[str] | Exception) -> list[Wish]:
    """A server waits for the backup of one that is gone; returns what is done for it."""
    remember(played.folder / "sources" / "key-3", Source("key-3", "db-3", "mariadb"))
    done, left = list[Wish](), list(outcomes)

    def fulfil(wish: Wish, backup: Backup, access: object) -> list[str]:
        done.append(wish)
        outcome = left.pop(0) if left else []
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(filling, "fulfil", fulfil)
    return done


def test_a_server_that_waits_is_filled(
    played: Played, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done = waiting(played, monkeypatch, ["view x"])
    played.keeper.look([], [WISH])
    played.work()
    played.work(5.0)
    assert done == [WISH]
    assert "'c', which is to be 'db-3' at 'latest' goes without: view x" in caplog.messages
    played.work(5.0)
    assert done == [WISH, WISH]


def test_what_cannot_be_filled_is_told_once(
    played: Played, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done = waiting(played, monkeypatch, DbHandlerError("no"), DbHandlerError("no"))
    played.keeper.look([], [WISH])
    played.work()
    played.work()
    assert len(done) == 2
    assert caplog.messages.count("not filled is 'c', which is to be 'db-3' at 'latest': no") == 1


def test_nobody_becomes_one_that_lives(
    played: Played, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done = waiting(played, monkeypatch)
    played.keeper.look([Source("key-3", "db-3", "mariadb", NODES)], [WISH])
    played.work()
    assert done == [] and any("'db-3' lives: stop it first" in message for message in caplog.messages)


def test_while_nothing_flows_no_base_is_taken(flowing: Played) -> None:
    flowing.followed().stream.complaint = "it is away"
    flowing.work()
    assert flowing.repository.count("save_output") == 0
    flowing.followed().stream.complaint = None
    flowing.work(1.0)
    assert flowing.repository.count("save_output") == 1


@pytest.mark.parametrize("how", ["it stands still", "it has gone on from a former state"])
def test_what_was_interrupted_meanwhile_is_not_proven(
    how: str, flowing: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(backup: Backup, _base: object, _access: object) -> Proof:
        if how == "it stands still":
            flowing.followed().stream.complaint = how
        else:
            flowing.clock.advance(1.0)
            backup.logs.begin(Position.parse("0-5-1", "mariadb"), "a", flowing.clock(), anew=True)
            backup.logs.append(FORMAT, flowing.clock())
        return Proof(3, [])

    monkeypatch.setattr(module, "prove", interrupted)
    flowing.work()
    assert flowing.record().get("proven") is None
    assert flowing.record()["base"] == "what came from the server was interrupted meanwhile"


def test_a_base_of_a_former_history_is_none_of_this_one(flowing: Played) -> None:
    """A server that was filled anew may number its transactions as before."""
    flowing.work()
    logs = flowing.followed().backup.logs
    flowing.clock.advance(1.0)
    logs.begin(Position.parse("0-5-1", "mariadb"), "a", flowing.clock(), anew=True)
    logs.append(FORMAT, flowing.clock())
    flowing.work()
    assert flowing.repository.count("save_output") == 2
