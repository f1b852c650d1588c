"""dbhandler-create: in this process, and as Serf starts it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dbhandler import paths
from dbhandler.handlers import create
from dbhandler.spool import MAX_PAYLOAD, Spool

PROGRAM = str(Path(sys.executable).with_name("dbhandler-create"))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a container whose folders are below tmp_path."""
    (tmp_path / "state" / "spool").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    return {
        "DBHANDLER_STATE_DIR": str(tmp_path / "state"),
        "DBHANDLER_RUN_DIR": str(tmp_path / "run"),
        "DBHANDLER_LOG": str(tmp_path / "log"),
    }


@pytest.fixture
def spool(environ: Mapping[str, str]) -> Spool:
    return Spool(environ["DBHANDLER_STATE_DIR"] + "/spool")


@pytest.fixture
def fifo(environ: Mapping[str, str]) -> Iterator[int]:
    """The agent's end of the FIFO."""
    path = environ["DBHANDLER_RUN_DIR"] + "/wake"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    yield descriptor
    os.close(descriptor)


def fired(payload: bytes, environ: Mapping[str, str], tmp_path: Path) -> int:
    """Runs the handler in this process; returns its status."""
    (tmp_path / "stdin").write_bytes(payload)
    with (tmp_path / "stdin").open("rb") as stdin:
        return create.main([], environ, stdin.fileno())


def stored(spool: Spool) -> list[bytes]:
    return [spool.read(entry) for entry in spool.entries()]


def test_the_payload_and_serfs_time_are_stored(environ: dict[str, str], spool: Spool, tmp_path: Path) -> None:
    environ["SERF_USER_LTIME"] = "77"
    assert fired(b"wordpress\n", environ, tmp_path) == 0
    assert stored(spool) == [b"wordpress\n"]
    assert [(entry.event, entry.ltime) for entry in spool.entries()] == [("create_db", 77)]


@pytest.mark.parametrize("payload", [b"", b"\0\xff", b"x; CREATE USER y", b"x" * MAX_PAYLOAD])
def test_judging_a_payload_is_left_to_the_agent(
    environ: dict[str, str], spool: Spool, tmp_path: Path, payload: bytes
) -> None:
    assert fired(payload, environ, tmp_path) == 0
    assert stored(spool) == [payload]


def test_of_an_endless_payload_so_much_is_stored_that_it_is_known_to_be_too_long(
    environ: dict[str, str], spool: Spool
) -> None:
    with Path("/dev/zero").open("rb") as endless:
        assert create.main([], environ, endless.fileno()) == 0
    assert stored(spool) == [bytes(MAX_PAYLOAD + 1)]


@pytest.mark.parametrize("ltime", ["", "-1", "x", "\N{SUPERSCRIPT TWO}", "1.5"])
def test_a_strange_time_counts_as_none(environ: dict[str, str], spool: Spool, tmp_path: Path, ltime: str) -> None:
    environ["SERF_USER_LTIME"] = ltime
    assert fired(b"a", environ, tmp_path) == 0
    assert [entry.ltime for entry in spool.entries()] == [0]


def test_the_agent_is_woken(environ: dict[str, str], tmp_path: Path, fifo: int) -> None:
    fired(b"a", environ, tmp_path)
    assert os.read(fifo, 10) == b"\n"


def test_a_fifo_that_is_full_delays_nobody(environ: dict[str, str], tmp_path: Path, fifo: int) -> None:
    with pytest.raises(BlockingIOError):
        while True:
            os.write(fifo, bytes(65536))
    assert fired(b"a", environ, tmp_path) == 0


def test_a_fifo_without_a_reader_delays_nobody(environ: dict[str, str], tmp_path: Path) -> None:
    os.mkfifo(environ["DBHANDLER_RUN_DIR"] + "/wake")
    assert fired(b"a", environ, tmp_path) == 0


def test_a_spool_that_cannot_be_written_is_told_in_the_nodes_log_too(
    environ: dict[str, str], spool: Spool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(spool.folder).rmdir()
    (tmp_path / "log").touch()
    assert fired(b"a", environ, tmp_path) == os.EX_IOERR
    complaint = capsys.readouterr().err
    assert (tmp_path / "log").read_text() == complaint
    sentence = f"create_db not stored, is lost: spool {spool.folder}: No such file or directory"
    # The same form as all other lines of the log.
    assert re.fullmatch(rf"\d{{4}}-[-0-9: ]+\+00:00 \[ERROR\] \[dbhandler\]: {re.escape(sentence)}\n", complaint)


def test_a_log_that_cannot_be_opened_changes_nothing(environ: dict[str, str], spool: Spool, tmp_path: Path) -> None:
    Path(spool.folder).rmdir()
    assert fired(b"a", environ, tmp_path) == os.EX_IOERR
    assert not (tmp_path / "log").exists()


def test_help_is_given_when_asked_for(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert create.main(["--help"], environ) == 0
    assert capsys.readouterr().out.startswith("usage: dbhandler-create < PAYLOAD")


def test_arguments_are_wrong_usage_and_store_nothing(
    environ: dict[str, str], spool: Spool, capsys: pytest.CaptureFixture[str]
) -> None:
    # The tutorial's script read standard input, too: a name as an argument would be forgotten without a word.
    assert create.main(["wordpress"], environ) == os.EX_USAGE
    assert capsys.readouterr().err.startswith("usage:")
    assert stored(spool) == []


def test_the_program_stores_what_is_piped_into_it(environ: dict[str, str], spool: Spool) -> None:
    done = subprocess.run([PROGRAM], input=b"wordpress\n", env=environ, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert stored(spool) == [b"wordpress\n"]


def test_the_program_fails_without_a_traceback(environ: dict[str, str], spool: Spool) -> None:
    Path(spool.folder).rmdir()
    done = subprocess.run([PROGRAM], input=b"a", env=environ, capture_output=True, timeout=30)
    assert done.returncode == 74
    assert done.stderr.count(b"\n") == 1


def test_the_program_imports_nothing_slow(environ: dict[str, str]) -> None:
    # It runs once per event inside Serf's event loop, which does nothing else meanwhile.
    code = "import sys; from dbhandler.handlers import create; create.main([]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], input=b"a", env=environ, capture_output=True, timeout=30)
    assert "dbhandler.spool" in done.stdout.decode().split()
    slow = {"pathlib", "logging", "json", "re", "socket", "contextlib", "dataclasses", "pymysql", "msgpack"}
    bare = subprocess.run([sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, timeout=30)
    assert not (set(done.stdout.decode().split()) - set(bare.stdout.decode().split())) & slow


def test_without_room_on_disk_the_event_is_kept_in_memory_but_not_acknowledged(
    environ: dict[str, str], spool: Spool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(spool.folder).rmdir()
    memory = Path(paths.memory_spool_dir(environ))
    memory.mkdir()
    try:
        assert fired(b"a", environ, tmp_path) == os.EX_IOERR
        [entry] = Spool(str(memory)).entries()
        assert Spool(str(memory)).read(entry) == b"a"
    finally:
        shutil.rmtree(memory)
    assert "kept in memory only" in capsys.readouterr().err


def test_a_full_spool_refuses_and_complains_once(
    environ: dict[str, str], spool: Spool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ["DBHANDLER_SPOOL_MAX"] = "2"
    assert [fired(b"a", environ, tmp_path) for _ in range(5)] == [0, 0, *[os.EX_TEMPFAIL] * 3]
    assert len(spool.entries()) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "2 events wait already (DBHANDLER_SPOOL_MAX)" in line


def test_a_complaint_in_json(
    environ: dict[str, str], spool: Spool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(spool.folder)
    environ["DBHANDLER_LOG_FORMAT"] = "json"
    assert fired(b"shop", environ, tmp_path) == os.EX_IOERR
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["component"]) == ("error", "dbhandler") and "not stored" in line["message"]
