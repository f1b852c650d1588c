"""An empty server waits for the pool's backup, and is who it was afterwards."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from dbhandler.boot import from_backup
from dbhandler.engine.sql import Statement
from dbhandler.errors import DbHandlerError, ServerError
from dbhandler.requests.box import Keys
from dbhandler.settings.config import Config
from dbhandler.trust import words
from dbhandler.trust.safe import Safe
from dbhandler.volume.data_dir import STAMP, UNKEYED

SECRET = bytes(range(32))


class Waiting:
    """A server, and what its table of kept values answers at each look."""

    def __init__(self, *looks: object) -> None:
        self.looks, self.said = list(looks), list[str]()

    def execute(self, statement: Statement) -> list[tuple[object, ...]]:
        self.said.append(statement.text)
        if not statement.text.startswith("SELECT name, value"):
            return []
        look: Any = self.looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return list(look.items())


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(from_backup, "PAUSE", 0.0)
    folders = {f"DBHANDLER_{name}_DIR": str(tmp_path) for name in ("DATA", "STATE", "RUN")}
    secret = {"DBHANDLER_POOL_SECRET": words.encode(SECRET), "DBHANDLER_RESTORE": "db1@latest"}
    return Config.from_environ({"DBHANDLER_ENGINE": "mariadb", **folders, **secret})


def test_it_is_who_it_was_once_all_is_there(config: Config, tmp_path: Path) -> None:
    former = Keys(tmp_path / "former")
    closed = Safe((SECRET,)).close(former.private)
    gone = ServerError("no such table", 1146)
    server = Waiting(gone, {"key": "its own"}, {"key": closed, "restored": "1"})
    assert config.awaits_backup
    from_backup.wait(config, server)  # type: ignore[arg-type]
    assert Keys(tmp_path / "key").public == former.public
    assert (tmp_path / STAMP).read_text() == UNKEYED and not config.awaits_backup
    assert any("GRANT ALL" in text for text in server.said)
    assert [text for text in server.said if text.startswith(("DROP", "DELETE"))] == server.said[-2:]


def test_the_key_of_another_pool_is_refused(config: Config, tmp_path: Path) -> None:
    closed = Safe((bytes(32),)).close(base64.b64decode("A" * 44))
    with pytest.raises(DbHandlerError, match="does not open with this pool's secret"):
        from_backup.wait(config, Waiting({"key": closed, "restored": "1"}))  # type: ignore[arg-type]
    assert config.awaits_backup and not (tmp_path / STAMP).exists()
