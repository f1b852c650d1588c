#!/usr/bin/env python3
"""Runs commands as steps: one line with a clock for each; what they print goes into a log.

usage: steps.py [--open] NAME TEXT COMMAND [TEXT COMMAND ...] [then|also TEXT COMMAND ...] ...

Steps between two such words run side by side. What stands after "then" needs what stands before, and is left out when
that has failed; what stands after "also" does not. A COMMAND is a line of sh. The log is build/log/NAME.log; when a
step fails, the end of what it printed is shown, and the others of its group are ended. Lines that begin as those of
`TOLD` are shown at once: what is about to be installed. With --open everything is shown as it comes, and a table at the
end says how long each step took. Inside of another's step all is shown as well: the outer one has the log.

Exit status: 0, that of the first step that failed, 64 for a wrong usage, 130 when interrupted.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

LOGS = Path(__file__).resolve().parents[1] / "build" / "log"
TOLD = ("need: ", "base-image: ")
INSIDE = "DBHANDLER_STEP"
"""The variable that tells a step's command of it: kept, where its output is; beside, where others write as well."""
KEPT, BESIDE, ALONE = "kept", "beside", ""
TICK, STILL = 0.2, 30.0
"""Seconds: between two looks; after which a log without a terminal is told that a step still runs."""
END_LINES = 25
"""How much of a failed step's output is shown."""


class Step:
    """A command, what it printed last, and how long it took. command is a line of sh."""

    def __init__(self, text: str, command: str) -> None:
        self.text, self.command = text, command
        self.lines: deque[str] = deque(maxlen=END_LINES)
        self.process: subprocess.Popen[str] | None = None
        self._began, self._ended, self._is_given_up = 0.0, 0.0, False

    def start(self, inside: str, is_read: bool) -> None:
        """Starts the command, telling it where it is; its output is to be read, or shown as it comes."""
        self._began = time.monotonic()
        self.process = subprocess.Popen(
            ("sh", "-c", self.command), text=True, errors="replace", stdin=subprocess.DEVNULL,
            env=os.environ | {INSIDE: inside}, stdout=subprocess.PIPE if is_read else None,
            stderr=subprocess.STDOUT if is_read else None,
        )  # fmt: skip

    def status(self) -> int | None:
        """The exit status; None while it runs."""
        status = self.process.poll() if self.process else None
        if status is not None and not self._ended:
            self._ended = time.monotonic()
        # As a shell says it.
        return status if status is None or status >= 0 else 128 - status

    def seconds(self) -> float:
        """For how long it has run, or ran."""
        return (self._ended or time.monotonic()) - self._began

    def outcome(self) -> str:
        """In a word, what became of it."""
        if self._is_given_up:
            return "given up"
        return "FAILED" if self.status() else "done"

    def end(self) -> None:
        """Ends the command, if it runs."""
        if self.process and self.process.poll() is None:
            self._is_given_up = True
            self.process.terminate()
            self.process.wait()


Group = list[Step]
"""What runs side by side."""


class Log:
    """The log file, and the lines in it that are to be shown at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._told = path, deque[str]()
        self._file, self._began, self._lock = path.open("w"), time.monotonic(), threading.Lock()

    def follow(self, number: int, step: Step) -> threading.Thread:
        """Writes down what a step prints, with the second and the step's number; returns the thread that does it."""
        thread = threading.Thread(target=self._read, args=(number, step), daemon=True)
        thread.start()
        return thread

    def news(self) -> list[str]:
        """The lines to be shown at once that came since the last call."""
        return [self._told.popleft() for _ in range(len(self._told))]

    def _read(self, number: int, step: Step) -> None:
        for line in (step.process and step.process.stdout) or ():
            step.lines.append(line.rstrip())
            if line.startswith(TOLD):
                self._told.append(line.rstrip())
            with self._lock:
                self._file.write(f"{time.monotonic() - self._began:6.1f} [{number}] {line.rstrip()}\n")
                self._file.flush()


class Plain:
    """Where output is no terminal: a line when a step begins, one when it ends, and one now and then."""

    def __init__(self, output: TextIO) -> None:
        self._output, self._told = output, dict[str, float]()

    def show(self, steps: Sequence[Step], told: Sequence[str]) -> None:
        """Says what is new."""
        for line in told:
            self._say(line)
        for step in steps:
            status, seconds = step.status(), step.seconds()
            if step.text not in self._told:
                self._say(f"{step.text} ...")
                self._told[step.text] = 0.0
            if status is not None and self._told[step.text] >= 0:
                self._say(f"{step.text}: {step.outcome()} after {seconds:.0f} s")
                self._told[step.text] = -1.0
            elif status is None and seconds - self._told[step.text] > STILL:
                self._say(f"{step.text}: {seconds:.0f} s so far")
                self._told[step.text] = seconds

    def _say(self, line: str) -> None:
        print(line, file=self._output, flush=True)


class Terminal:
    """Where it is one: a line for each step, written anew at every look."""

    MARKS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

    def __init__(self, output: TextIO) -> None:
        self._output, self._drawn, self._marks = output, list[Step](), itertools.cycle(self.MARKS)

    def show(self, steps: Sequence[Step], told: Sequence[str]) -> None:
        """Draws the steps over those that were drawn before, if they are the same."""
        back = len(self._drawn) if self._drawn == list(steps) else 0
        columns, mark = shutil.get_terminal_size().columns, next(self._marks)
        lines = [*told, *(self._line(step, mark)[: columns - 1] for step in steps)]
        self._output.write((f"\x1b[{back}A" if back else "") + "".join(f"\r\x1b[K{line}\n" for line in lines))
        self._output.flush()
        self._drawn = list(steps)

    @staticmethod
    def _line(step: Step, mark: str) -> str:
        status = step.status()
        if status is not None:
            return f"{'✗' if status else '✓'} {step.text}  {step.seconds():.0f} s"
        last = next((line for line in reversed(step.lines.copy()) if line.strip()), "")
        return f"{mark} {step.text}  {step.seconds():.0f} s  {last.strip()}"


def split(words: Sequence[str], word: str) -> list[list[str]]:
    """What stands between two such words."""
    return [list(part) for is_word, part in itertools.groupby(words, word.__eq__) if not is_word]


def stages(words: Sequence[str]) -> list[list[Group]]:
    """Groups of what is to be run side by side; each stage of them needs those before. Raises ValueError."""
    found = [split(stage, "also") for stage in split(words, "then")]
    if not found or any(len(group) % 2 for stage in found for group in stage):
        raise ValueError("each step is a text and a command")
    return [[[Step(*pair) for pair in zip(group[::2], group[1::2], strict=True)] for group in stage] for stage in found]


def run_stages(plan: Sequence[Sequence[Group]], run: Callable[[Group], Step | None]) -> int:
    """Runs each group, until a stage in which something failed has ended; returns the exit status."""
    for stage in plan:
        failed = [step for group in stage if (step := run(group))]
        if failed:
            return failed[0].status() or 1
    return 0


def run_kept(name: str, plan: Sequence[Sequence[Group]]) -> int:
    """Runs the groups with their output in a log; returns the exit status."""
    log = Log(LOGS / f"{name}.log")
    screen = Terminal(sys.stdout) if sys.stdout.isatty() and not os.environ.get(INSIDE) else Plain(sys.stdout)
    print(f"(details: {os.path.relpath(log.path)})", flush=True)
    number = itertools.count(1)

    def run(steps: Group) -> Step | None:
        readers = list[threading.Thread]()
        for step in steps:
            step.start(KEPT, is_read=True)
            readers.append(log.follow(next(number), step))
        failed = _follow(steps, lambda: screen.show(steps, log.news()))
        # What a step leaves running may hold its output open for longer.
        for reader in readers:
            reader.join(timeout=2)
        screen.show(steps, log.news())
        if failed:
            print(f"\nfailed: {failed.text}; the last lines of {os.path.relpath(log.path)}:", file=sys.stderr)
            print("".join(f"  {line}\n" for line in failed.lines), end="", file=sys.stderr, flush=True)
        return failed

    return run_stages(plan, run)


def run_open(plan: Sequence[Sequence[Group]], table: bool) -> int:
    """Runs the groups with their output shown; returns the exit status. table: say at the end what took how long."""
    began, ran = time.monotonic(), list[Step]()

    def run(steps: Group) -> Step | None:
        print(f"== {' | '.join(step.text for step in steps)}", flush=True)
        inside = os.environ.get(INSIDE) or (BESIDE if len(steps) > 1 else ALONE)
        for step in steps:
            step.start(inside, is_read=False)
            ran.append(step)
        return _follow(steps, lambda: None)

    status = run_stages(plan, run)
    if table:
        rows = [(step.text + (f" ({step.outcome()})" if step.status() else ""), step.seconds()) for step in ran]
        rows.append(("all", time.monotonic() - began))
        width = max(len(text) for text, _ in rows)
        print("\nwhat took how long, in seconds; parts of one group run side by side")
        print("".join(f"  {text:{width}} {seconds:6.0f}\n" for text, seconds in rows), end="", flush=True)
    return status


def _follow(steps: Sequence[Step], look: Callable[[], object]) -> Step | None:
    """Waits until all have ended, looking now and then; returns the one that failed. A failure ends the others."""
    failed = None
    try:
        while any(step.status() is None for step in steps):
            failed = failed or next((step for step in steps if step.status()), None)
            if failed:
                break
            look()
            time.sleep(TICK)
        return failed or next((step for step in steps if step.status()), None)
    finally:
        for step in steps:
            step.end()


def main(argv: Sequence[str]) -> int:
    """Runs the steps that argv names; returns the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    is_open = argv[:1] == ["--open"]
    name, *words = argv[1:] if is_open else argv or [""]
    try:
        plan = stages(words)
    except ValueError as error:
        print(f"steps.py: {error}\n\n{__doc__}", file=sys.stderr)
        return 64
    try:
        if is_open or os.environ.get(INSIDE) == KEPT:
            return run_open(plan, table=is_open)
        return run_kept(name, plan)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
