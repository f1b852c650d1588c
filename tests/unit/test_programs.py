"""Every program that is installed says what it is for, and which version it is."""

from __future__ import annotations

import configparser
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dbhandler import __version__

SETUP = configparser.ConfigParser()
SETUP.read(Path(__file__).parents[2] / "setup.cfg")
PROGRAMS = dict(
    line.split(" = ") for line in SETUP["options.entry_points"]["console_scripts"].splitlines() if " = " in line
)


def run(program: str, *arguments: str) -> int:
    """The program as its script calls it: without arguments of its own."""
    module, _, function = PROGRAMS[program].partition(":")
    sys.argv[:] = [program, *arguments]
    main: Callable[[], int] = getattr(importlib.import_module(module), function)
    try:
        return main()
    except SystemExit as exit:
        return int(exit.code or 0)


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("execve", "execvpe"):
        monkeypatch.setattr(os, name, lambda *_: pytest.fail("it starts something"))


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(program: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(program, option) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: {program}") and not err
    assert len(out.splitlines()) > 2 and max(map(len, out.splitlines())) <= 120


@pytest.mark.parametrize("program", PROGRAMS)
def test_version(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(program, "--version") == 0
    assert capsys.readouterr() == (f"{program} {__version__}\n", "")


@pytest.mark.parametrize("program", ["dbhandler-agent", "dbhandler-create", "dbhandler-query",
                                     "dbhandler-proxy-health", "dbhandler-serf"])  # fmt: skip
def test_what_takes_no_arguments_refuses_them(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(program, "--helb") == os.EX_USAGE
    out, err = capsys.readouterr()
    assert not out and err.startswith(f"usage: {program}")
