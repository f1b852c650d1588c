"""The lines of a dump, of programs that end well, badly, or not at all."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from dbhandler.errors import ServerError
from dbhandler.provisioning.dump_lines import STALLED, dump_lines
from tests.support.fakes import Clock


def script(text: str) -> list[str]:
    return ["sh", "-c", text]


def test_the_lines_come_as_they_are() -> None:
    with dump_lines(script("printf 'a\\n\\nb;\\nc'"), "shop") as lines:
        assert list(lines) == [b"a\n", b"\n", b"b;\n", b"c"]


@pytest.mark.parametrize(
    "text", ["echo a; echo 'no\n such\033 table' >&2; exit 2", "echo 'no such table' >&2; kill -9 $$"]
)
def test_a_program_that_fails_is_told_at_the_end_with_its_complaint(text: str) -> None:
    taken = list[bytes]()
    with (
        pytest.raises(ServerError, match="'shop\\\\n' was not copied: 'no such") as caught,
        dump_lines(script(text), "shop\n") as lines,
    ):
        taken += lines
    assert "\n" not in str(caught.value) and "\033" not in str(caught.value)


def test_long_complaints_are_cut_and_hold_nobody_up() -> None:
    with (
        pytest.raises(ServerError) as caught,
        dump_lines(script("yes error | head -c 30000 >&2; exit 1"), "shop") as lines,
    ):
        list(lines)
    assert len(str(caught.value)) < 400


def test_whoever_stops_in_the_middle_ends_the_program(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), dump_lines(script(f"echo $$ > {tmp_path}/pid; exec yes"), "shop") as lines:
        next(lines)
        raise ZeroDivisionError
    pid = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()


def test_a_dump_that_stands_still_is_ended_and_says_why() -> None:
    clock = Clock()
    began = time.monotonic()
    stall = threading.Timer(1.6, lambda: clock.advance(STALLED + 1))
    with (
        pytest.raises(ServerError, match="stood still for 60 s: somebody holds a lock"),
        dump_lines(script("echo a; exec sleep 60"), "shop", clock) as lines,
    ):
        assert next(lines) == b"a\n"
        # Whoever takes it may take his time.
        clock.advance(10 * STALLED)
        time.sleep(1.2)
        stall.start()
        assert list(lines) == []
    assert time.monotonic() - began < 20


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError), dump_lines(["/nonexistent"], "shop"):
        pass


def test_it_reads_nothing_from_whoever_started_it() -> None:
    with dump_lines([sys.executable, "-c", "import sys; print(len(sys.stdin.read()))"], "shop") as lines:
        assert list(lines) == [b"0\n"]
