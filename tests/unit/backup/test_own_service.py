"""The parts that restore for applications, together."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from dbhandler.backup.own_service import OwnService
from dbhandler.backup.source import Source
from dbhandler.distant.access import Access
from dbhandler.distant.node import Node
from dbhandler.errors import Unavailable
from dbhandler.requests.restore_box import Wanted, seal_wanted
from dbhandler.settings.backup import backup_settings
from dbhandler.trust import words
from tests.support.pools import OURS

WANTED = Wanted("key-0123", "shop", "clerk", "hunter2-hunter2", "before", "before", "hunter3-hunter3", "latest")


class Repository:
    """Notes what is done with it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def open(self, make: bool) -> None:
        self.done.append(f"open {make}")

    def end(self) -> None:
        self.done.append("end")


def made(folder: Path) -> OwnService:
    secret = words.encode(OURS.secrets[0])
    settings = backup_settings({"DBHANDLER_POOL_SECRET": secret, "DBHANDLER_BACKUP_DIR": str(folder)})
    access = Access(OURS.secrets, folder / "run", "reader", lambda _: "x")
    return OwnService(settings, access, Repository())  # type: ignore[arg-type]


@pytest.fixture
def service(tmp_path: Path) -> OwnService:
    return made(tmp_path)


def asked(service: OwnService, reply: str) -> dict[str, object]:
    sealed = seal_wanted(service.keys.public, WANTED, reply, service._jobs._boxes._clock() + 1)
    return dict(json.loads(service.answer(json.dumps({"sealed": sealed}).encode())))


def test_its_key_stays_on_the_volume(service: OwnService, tmp_path: Path) -> None:
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    assert made(tmp_path).keys.public == service.keys.public


def test_what_is_asked_is_looked_at_in_a_thread(service: OwnService) -> None:
    assert asked(service, "1")["status"] == "working"
    assert service._jobs.prove_one()
    assert asked(service, "2") == {
        "status": "unavailable",
        "reason": "the server of this database is not backed up here, or does not serve now",
    }
    assert set(service.threads) == {"own-prove", "own-restore"}
    stop = threading.Event()
    stop.set()
    for run in service.threads.values():
        run(stop)


def test_what_serves_now_is_known(service: OwnService, tmp_path: Path) -> None:
    (tmp_path / "sources" / "key-0123").mkdir(parents=True)
    service.look([Source("key-0123", "db1", "mariadb", (Node("db1", "10.0.0.1", 1),))])
    asked(service, "1"), service._jobs.prove_one()
    assert asked(service, "2")["status"] == "denied"


def test_the_repository_is_opened_for_each_and_ended(service: OwnService, tmp_path: Path) -> None:
    backup = service._backup_in(tmp_path / "sources" / "x", Source("x", "db1", "mariadb"))
    assert backup.source.name == "db1"
    service.close()
    assert service._repository.done == ["open False", "end"]  # type: ignore[attr-defined]
    with pytest.raises(Unavailable):
        service._restore.check("id", WANTED)
