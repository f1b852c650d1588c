"""Where lines go: what is there already is not written again, what was cut is finished, nothing is torn."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.audit import output
from dbhandler.audit.output import ContainerLog, File, _missing

LINE = '{"audit": 1, "hash": "ab"}'
DATA = f"{LINE}\n".encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "trail"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", DATA),
        (b"other\n", b"other\n" + DATA),
        (b"other", b"other\n" + DATA),
        (DATA, DATA),
        (b"other\n" + DATA, b"other\n" + DATA),
        # Somebody else's line that ends as ours does.
        (b"x" + DATA, b"x" + DATA + DATA),
        (DATA[:-1], DATA),
        (b"other\n" + DATA[:5], b"other\n" + DATA),
        (b"other\nx" + DATA[:5], b"other\nx" + DATA[:5] + b"\n" + DATA),
    ],
)
def test_a_line_is_finished(path: Path, before: bytes, after: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(before)
    File(path).complete(LINE)
    File(path).complete(LINE)
    assert path.read_bytes() == after


@given(st.binary(max_size=50), st.binary(min_size=1, max_size=30).filter(lambda line: b"\n" not in line))
def test_however_a_file_ends_the_line_is_its_last_one_and_nothing_before_it_is_lost(end: bytes, line: bytes) -> None:
    line += b"\n"
    whole = end + _missing(line, end)
    assert whole.startswith(end) and whole.endswith(line)
    assert whole[: -len(line)][-1:] in (b"", b"\n")
    assert _missing(line, whole) == b""


def test_a_folder_and_a_file_are_made_for_their_owner_only(path: Path) -> None:
    File(path).complete(LINE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_was_renamed_is_left_alone(path: Path) -> None:
    file = File(path)
    file.complete(LINE)
    path.rename(path.with_suffix(".1"))
    file.complete(LINE.replace("ab", "cd"))
    assert path.with_suffix(".1").read_bytes() == DATA
    assert path.read_text() == LINE.replace("ab", "cd") + "\n"


def test_the_newest_whole_line(path: Path) -> None:
    file = File(path)
    assert file.last() is None
    file.complete(LINE)
    assert file.last() == LINE
    with path.open("ab") as more:
        more.write(b"\xff\ntorn")
    assert file.last() == "\N{REPLACEMENT CHARACTER}"


def test_what_cannot_be_written_is_named(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(OSError, match="trail"):
        File(path).complete(LINE)


def test_a_disk_that_is_full_in_the_middle_of_a_line(path: Path) -> None:
    File(path).complete("x" * 100)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (110, 110))"
    write = f"from dbhandler.audit.output import File; from pathlib import Path; File(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", f"{limit}; {write}.complete({LINE!r})"], capture_output=True)
    assert b"File too large: " in done.stderr and str(path).encode() in done.stderr
    assert path.read_bytes().endswith(b"x\n" + DATA[:9])
    File(path).complete(LINE)
    assert path.read_bytes() == b"x" * 100 + b"\n" + DATA


# --- the container's log ---


@pytest.fixture
def supervisor() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose standard output is a pipe that the test reads."""
    with subprocess.Popen(["sleep", "600"], stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def log(supervisor: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ContainerLog:
    monkeypatch.setattr(output, "PATIENCE", 0.05)
    (tmp_path / "supervisord.pid").write_text(f"{supervisor.pid}\n")
    return ContainerLog(tmp_path / "supervisord.pid")


def printed(supervisor: subprocess.Popen[bytes], size: int = 65536) -> bytes:
    assert supervisor.stdout
    return os.read(supervisor.stdout.fileno(), size)


def test_the_containers_log_is_what_supervisord_prints(log: ContainerLog, supervisor: subprocess.Popen[bytes]) -> None:
    log.complete(LINE)
    log.complete(LINE)
    assert printed(supervisor) == 2 * DATA
    assert log.last() is None


def test_a_log_that_nobody_reads_costs_a_moment_and_tears_no_line(
    log: ContainerLog, supervisor: subprocess.Popen[bytes]
) -> None:
    written = 0
    with pytest.raises(OSError, match="nobody reads it") as caught:
        while written < 1_000_000:
            log.complete(LINE)
            written += 1
    assert caught.value.errno == errno.EAGAIN and str(caught.value.filename).endswith("/fd/1")
    assert printed(supervisor, 1_000_000) == DATA * written
    log.complete(LINE)
    assert printed(supervisor) == DATA


def test_without_a_supervisor_it_is_the_first_process(tmp_path: Path) -> None:
    assert ContainerLog(tmp_path / "none")._supervisor() == 1
    (tmp_path / "pid").write_text("x")
    assert ContainerLog(tmp_path / "pid")._supervisor() == 1


def test_a_log_that_is_gone_is_an_error(supervisor: subprocess.Popen[bytes], log: ContainerLog) -> None:
    supervisor.kill()
    supervisor.wait()
    with pytest.raises(OSError, match="/fd/1"):
        log.complete(LINE)
