"""container/steps.py: commands as steps, with a clock, a log and a table."""

from __future__ import annotations

import importlib.util
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parents[2] / "container" / "steps.py"


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program as a module, with its logs in a scratch folder."""
    spec = importlib.util.spec_from_file_location("steps", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "steps", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "LOGS", tmp_path)
    monkeypatch.delenv(module.INSIDE, raising=False)
    return module


def test_each_step_is_one_line_with_its_time_and_the_rest_is_in_the_log(
    steps: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert steps.main(["demo", "a base", "echo much; echo need: one thing >&2", "then", "an image", "echo more"]) == 0
    shown = capfd.readouterr().out
    assert re.findall(r"^(.*): done after \d+ s$", shown, re.MULTILINE) == ["a base", "an image"]
    assert "need: one thing\n" in shown and "much" not in shown and "more" not in shown
    lines = (tmp_path / "demo.log").read_text().splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines] == ["[1] much", "[1] need: one thing", "[2] more"]


def test_a_failure_shows_the_end_of_what_was_said_and_where_the_rest_is(
    steps: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    command = "seq 1000 1100; exit 7"
    assert steps.main(["demo", "a base", command, "then", "an image", "echo never > never"]) == 7
    shown = capfd.readouterr()
    assert "a base: FAILED" in shown.out and "an image" not in shown.out
    assert "demo.log" in shown.err and "  1100\n" in shown.err and "1000" not in shown.err


def test_what_runs_side_by_side_ends_with_the_first_that_fails(
    steps: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    assert steps.main(["demo", "slow", "exec sleep 60", "bad", "exit 3"]) == 3
    assert time.monotonic() - began < 30
    shown = capfd.readouterr()
    assert "slow: given up" in shown.out and "failed: bad" in shown.err


def test_steps_of_a_group_run_at_once(steps: ModuleType, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # Each end of it waits for the other one.
    assert steps.main(["demo", "one", f"echo x > {fifo}", "two", f"cat {fifo}"]) == 0


def test_open_steps_show_all_and_a_table(steps: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    assert steps.main(["--open", "test", "lint", "echo clean", "then", "units", "echo 3 passed; exit 1"]) == 1
    shown = capfd.readouterr().out
    assert "clean\n" in shown and "3 passed\n" in shown
    assert re.search(r"^  lint +\d+\n  units \(FAILED\) +\d+\n  all +\d+\n", shown, re.MULTILINE)


def test_what_needs_nothing_of_a_failed_step_runs_all_the_same(
    steps: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["one", "exit 3", "also", "two", "echo 2 passed", "then", "three", "echo never"]
    assert steps.main(["--open", "test", "zero", "true", "then", "also", *words]) == 3
    shown = capfd.readouterr().out
    assert "2 passed\n" in shown and "never" not in shown
    assert re.search(r"^  one \(FAILED\) +\d+\n  two +\d+\n  all +\d+\n", shown, re.MULTILINE)


def test_inside_of_a_step_everything_goes_to_the_outer_log(steps: ModuleType, tmp_path: Path) -> None:
    inner = f"{sys.executable} {PROGRAM} inner 'a part' 'echo deep'"
    assert steps.main(["outer", "all of it", inner]) == 0
    assert "[1] deep\n" in (tmp_path / "outer.log").read_text()


def test_on_a_terminal_a_line_is_written_anew() -> None:
    leader, follower = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name != "DBHANDLER_STEP"}
    command = (sys.executable, PROGRAM, "test-of-steps", "a base", "echo unpacking; sleep 0.7")
    process = subprocess.run(command, stdout=follower, env=environ, timeout=60)
    os.close(follower)
    shown = os.read(leader, 65536).decode()
    os.close(leader)
    assert process.returncode == 0
    assert "\x1b[1A\r\x1b[K" in shown and "unpacking" in shown and shown.splitlines()[-1].endswith("✓ a base  1 s")


@pytest.mark.parametrize("words", [[], ["demo"], ["demo", "a text"], ["demo", "then"]])
def test_a_wrong_usage_is_told(steps: ModuleType, words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert steps.main(words) == 64
    assert "usage" in capfd.readouterr().err
