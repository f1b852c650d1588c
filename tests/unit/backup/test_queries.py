"""What members ask the backup, at its real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbhandler.backup import queries as module
from dbhandler.backup.queries import Queries
from dbhandler.client.verified import proved, question
from dbhandler.errors import Denied
from dbhandler.handlers.query import ask
from dbhandler.requests import door
from dbhandler.requests.signer import Signer
from tests.support.docker import eventually
from tests.support.pools import OURS, THEIRS

NAME = "backup_status"
OK = b'{"status": "ok"}\n'


def fails(_payload: bytes) -> bytes:
    raise KeyError("a defect")


def denies(_payload: bytes) -> bytes:
    raise Denied("it is not allowed")


@pytest.fixture
def queries() -> Queries:
    known = {NAME: lambda _payload: OK, "echo": bytes.upper, "fails": fails, "denies": denies}
    return Queries(known, Signer(OURS).signed)


@pytest.fixture
def path(tmp_path: Path, queries: Queries, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The socket of queries that are answered meanwhile."""
    monkeypatch.setattr(module, "TURN", 0.02)
    stop, place = threading.Event(), str(tmp_path / "s")
    thread = threading.Thread(target=queries.run, args=(place, stop))
    thread.start()
    # It exists from the bind on, and takes nobody before it is listened to.
    eventually("somebody at the socket", lambda: ask(place, NAME, b"") == OK)
    yield place
    stop.set()
    thread.join(10.0)
    assert not thread.is_alive()


def status(line: bytes) -> str:
    return str(json.loads(line)["status"])


def test_they_are_answered_at_the_socket_as_serfs_handler_asks(path: str) -> None:
    assert ask(path, NAME, b"") == OK
    assert ask(path, "echo", b"a\nb") == b"A\nB"
    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_who_wants_a_proof_gets_it(queries: Queries) -> None:
    asked = question(NAME, {}, OURS.ids)
    line = queries.answer(NAME, asked.payload)
    assert proved(line, asked, None, OURS.ids)["status"] == "ok"
    for pools, about in ((THEIRS.ids, asked), (OURS.ids, question(NAME, {}, OURS.ids))):
        with pytest.raises(ValueError, match="its signature is wrong"):
            proved(line, about, None, pools)


@pytest.mark.parametrize(
    ("name", "expected"), [("create_db", "invalid"), ("", "invalid"), ("fails", "failed"), ("denies", "denied")]
)
@pytest.mark.parametrize("payload", [b"", b"\xff\x00", b"{", b'{"nonce": 7}'])
def test_whatever_is_asked_is_answered(queries: Queries, name: str, payload: bytes, expected: str) -> None:
    assert status(queries.answer(name, payload)) == expected


def test_a_defect_is_a_sentence_of_the_log(queries: Queries, caplog: pytest.LogCaptureFixture) -> None:
    queries.answer("fails", b"")
    assert caplog.messages == ["query 'fails' failed (KeyError)"]


def test_who_goes_away_keeps_nobody_waiting(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(door, "HANDOVER_TIMEOUT", 0.05)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(path)
        assert ask(path, NAME, b"") == OK


def test_without_a_socket_there_are_no_answers_and_no_more(
    queries: Queries, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queries.run(str(tmp_path / "missing" / "s"), threading.Event())
    [message] = caplog.messages
    assert message.startswith("no answers to queries: ")
