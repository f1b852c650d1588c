"""A program that runs as a child: its signals, its end, and what it sees of its parent. With real processes."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest

WRAPPER = """
import ctypes, os, sys, threading
from dbhandler.client.running import run
before = sys.argv[1]
def beside(stop):
    print("beside", flush=True)
    stop.wait()
    print("stopped", flush=True)
exec(before)
sys.exit(run(sys.argv[2:], {"PATH": os.environ["PATH"], "ONLY": "this"}, beside))
"""

TRAPPING = r"""
import os, signal, sys, time
def told(number, _):
    os.write(1, f"got {signal.Signals(number).name}\n".encode())
    if number == signal.SIGTERM:
        sys.exit(7)
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), told)
os.write(1, b"ready\n")
# No longer than the test, whatever becomes of that; and no long sleep: a signal right before one waits for its end.
for _ in range(600):
    time.sleep(0.1)
"""


def wrapped(command: Sequence[str], before: str = "") -> list[str]:
    return [sys.executable, "-c", WRAPPER, before, *command]


def done(command: Sequence[str], before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        wrapped(command, before), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )


@contextmanager
def running(command: Sequence[str], before: str = "") -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        wrapped(command, before), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    """What it prints up to a line, without the line that says that something goes on beside it."""
    assert process.stdout
    found: list[str] = []
    for line in process.stdout:
        if line != "beside\n":
            found.append(line.rstrip("\n"))
        if line == f"{last}\n":
            return found
    raise AssertionError(f"it ended before {last}: {found}")


@pytest.mark.parametrize("status", [0, 1, 64, 255])
def test_the_exit_status_is_the_program_s(status: int) -> None:
    ended = done(["sh", "-c", f"exit {status}"])
    assert (ended.returncode, ended.stderr) == (status, "")
    assert ended.stdout.endswith("stopped\n")


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV"])
def test_a_program_that_a_signal_ended_is_told_as_a_shell_does(name: str) -> None:
    assert done(["sh", "-c", f"kill -{name} $$"]).returncode == 128 + getattr(signal, f"SIG{name}")


def test_a_program_that_does_not_exist_is_one_sentence() -> None:
    ended = done(["/no/such/program"])
    assert "InvalidRequest: cannot run '/no/such/program': No such file or directory" in ended.stderr
    assert "beside" not in ended.stdout


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"])
def test_signals_are_handed_on(name: str) -> None:
    with running([sys.executable, "-c", TRAPPING, name, "SIGTERM"]) as process:
        lines_until(process, "ready")
        process.send_signal(getattr(signal, name))
        assert lines_until(process, f"got {name}") == [f"got {name}"]
        process.terminate()
        lines_until(process, "got SIGTERM")
        assert process.wait(30) == 7


def test_a_signal_that_the_program_does_not_take_ends_it() -> None:
    with running(["sleep", "60"]) as process:
        assert process.stdout and process.stdout.readline() == "beside\n"
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM


def test_many_signals_at_once_are_no_more_than_many_signals() -> None:
    with running([sys.executable, "-c", TRAPPING, "SIGUSR1", "SIGUSR2", "SIGTERM"]) as process:
        lines_until(process, "ready")
        for _ in range(200):
            process.send_signal(signal.SIGUSR1)
            process.send_signal(signal.SIGUSR2)
        process.terminate()
        lines_until(process, "got SIGTERM")
        assert process.wait(30) == 7


def test_what_the_terminal_sends_to_both_comes_once() -> None:
    """The terminal is that of a session of its own, in front of which both are; the program leaves it, so that it would
    get what its parent hands on, and nothing else."""
    parent, child = pty.openpty()
    leaves = "import os\nos.setsid()\n" + TRAPPING
    leader = (
        "import os, fcntl, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", leader, *wrapped([sys.executable, "-c", leaves, "SIGINT", "SIGTERM"])]
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child) as process:
        os.close(child)
        try:
            _heard(parent, b"ready")
            os.write(parent, b"\x03")
            time.sleep(0.5)
            process.terminate()
            assert b"got SIGINT" not in _heard(parent, b"got SIGTERM")
            assert process.wait(30) == 7
        finally:
            process.kill()
            os.close(parent)


def _heard(descriptor: int, last: bytes) -> bytes:
    heard = b""
    while last not in heard:
        heard += os.read(descriptor, 1000)
    return heard


def test_the_program_has_its_signals_as_any_other_has() -> None:
    look = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]
    bare = subprocess.run(look, capture_output=True, text=True, check=True).stdout
    assert signal_masks(done(look).stdout) == signal_masks(bare)


def signal_masks(status: str) -> dict[str, int]:
    """Without the C library's own two, which no program uses: glibc ignores them in whatever it spawns."""
    # What this program's other thread says may stand before a line of the program's.
    found = re.findall(r"(Sig\w+):\s*([0-9a-f]+)", status)
    return {name: int(mask, 16) & ~(3 << 31) for name, mask in found}


def test_the_program_has_nothing_open_but_what_it_shall_have() -> None:
    listing = [sys.executable, "-c", "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:4])"]
    bare = subprocess.run(listing, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    assert bare in done(listing, before="keep = [open('/etc/passwd') for _ in range(8)]").stdout


def test_the_program_has_the_environment_that_was_meant_for_it() -> None:
    assert "ONLY=this" in done(["env"]).stdout and "HOME=" not in done(["env"]).stdout


def test_orphans_are_reaped() -> None:
    """As the first process of a container, to which whoever has lost its parent comes."""
    subreaper = "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)"
    script = """
        sh -c 'sh -c "exec sleep 0.1" & echo orphan $!'
        sleep 0.5
        cat /proc/$PPID/task/$PPID/children | wc -w
        exit 3
    """
    ended = done(["sh", "-c", script], before=subreaper)
    # Only the program itself is left.
    assert ended.returncode == 3 and "\n1\n" in ended.stdout, ended.stdout


def test_an_orphan_that_lives_on_keeps_nothing_up() -> None:
    began = time.monotonic()
    ended = done(["sh", "-c", "sleep 30 >/dev/null 2>&1 & exit 3"], before="ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)")
    assert ended.returncode == 3 and time.monotonic() - began < 20


def test_a_parent_that_had_its_children_ignored_sees_them_all_the_same() -> None:
    assert (
        done(["sh", "-c", "exit 5"], before="import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)").returncode
        == 5
    )


def test_others_cannot_read_what_stands_in_its_memory() -> None:
    """Its environment holds the cluster's key."""
    before = """
def beside(stop):
    print("dumpable", ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)
"""
    assert "dumpable 0\n" in done(["true"], before).stdout
    inside = "import ctypes; print('dumpable', ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    assert "dumpable 1\n" in done([sys.executable, "-c", inside]).stdout


def test_what_hangs_beside_it_does_not_keep_it_up() -> None:
    before = """
def beside(stop):
    threading.Event().wait()
"""
    began = time.monotonic()
    assert done(["sh", "-c", "exit 4"], before).returncode == 4
    assert time.monotonic() - began < 20


def test_what_fails_beside_it_does_not_end_it() -> None:
    before = """
def beside(stop):
    raise ValueError
"""
    assert done(["sh", "-c", "sleep 0.3; exit 4"], before).returncode == 4


def test_when_the_wrapper_is_killed_the_program_lives_on() -> None:
    """Its lease ends, nothing else."""
    with running(["sh", "-c", "echo $$; exec sleep 60"]) as process:
        assert process.stdout
        # Both print at once, and one of them its line's end apart.
        printed = "".join(process.stdout.readline() for _ in range(2))
        [child] = map(int, re.findall(r"\d+", printed))
        process.kill()
        process.wait(30)
        os.kill(child, 0)
