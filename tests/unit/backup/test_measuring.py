"""The metrics of the backup's container: served as its settings say."""

from __future__ import annotations

import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dbhandler.backup import measuring
from dbhandler.backup.measuring import Measuring
from dbhandler.backup.source import Source, remember
from dbhandler.backup.standing import Standings
from dbhandler.settings.backup import backup_settings
from dbhandler.trust import words
from dbhandler.trust.authority import Authority
from tests.support.docker import eventually
from tests.support.pools import OURS
from tests.unit.metrics.test_serving import free_port

POOL = {"DBHANDLER_POOL_SECRET": words.encode(OURS.secrets[0])}


def made(folder: Path, metrics: str) -> Measuring:
    environ = {**POOL, "DBHANDLER_METRICS": metrics, "DBHANDLER_RUN_DIR": str(folder / "run")}
    remember(folder / "sources" / "key-1", Source("key-1", "db", "mariadb"))
    return Measuring(backup_settings(environ), environ, Standings(folder / "sources", lambda _id: None))


@contextmanager
def running(measures: Measuring) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=measures.run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join(10.0)
    assert not thread.is_alive()


def scraped(url: str, context: ssl.SSLContext | None = None) -> str:
    try:
        with urllib.request.urlopen(url, timeout=20, context=context) as response:
            return str(response.read().decode())
    except OSError:
        return ""


SAMPLE = 'dbhandler_backup_streaming{server="db",source="key-1"} 0.0'


def test_they_are_served(tmp_path: Path) -> None:
    port = free_port()
    with running(made(tmp_path, f"127.0.0.1:{port}")):
        eventually("them", lambda: SAMPLE in scraped(f"http://127.0.0.1:{port}/metrics"))


def test_over_tls_with_a_certificate_of_the_pool(tmp_path: Path) -> None:
    port = free_port()
    root = Authority(OURS.secrets[0]).root()
    from cryptography.hazmat.primitives.serialization import Encoding

    context = ssl.create_default_context(cadata=root.public_bytes(Encoding.DER))
    with running(made(tmp_path, f"https://127.0.0.1:{port}")):
        eventually("them", lambda: SAMPLE in scraped(f"https://127.0.0.1:{port}/metrics", context))
        assert scraped(f"http://127.0.0.1:{port}/metrics") == ""


def test_off_by_default(tmp_path: Path) -> None:
    made(tmp_path, "").run(threading.Event())
    assert not (tmp_path / "run").exists()


def test_a_certificate_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_engine: str, _folder: Path) -> None:
        raise OSError(28, "No space left on device", "/run/x")

    monkeypatch.setattr(measuring, "ensure_keys", full)
    stop = threading.Event()
    stop.set()
    made(tmp_path, f"https://127.0.0.1:{free_port()}").run(stop)
    assert "the metrics have no certificate: /run/x: No space left on device" in caplog.messages
