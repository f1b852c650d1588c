"""The trail as it is written: killed anywhere, by several at once, without room; what there is, is whole."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from dbhandler.audit import head as heads
from dbhandler.audit import trail as module
from dbhandler.audit.chain import Chain
from dbhandler.audit.head import Head
from dbhandler.audit.output import ContainerLog, File
from dbhandler.audit.record import Entry, unaudited
from dbhandler.audit.trail import Trail, trail_of
from dbhandler.settings.config import Config
from tests.support.fakes import Clock


class Site:
    """A server's state folder and its trail, which outlive processes."""

    def __init__(self, folder: Path) -> None:
        self.state, self.file = folder / "state", folder / "audit" / "trail"
        self.state.mkdir(parents=True)
        self.head = self.state / "audit-head"

    def trail(self) -> Trail:
        """As a process of its own would write it."""
        return Trail(File(self.file), self.state, "db", Clock())

    def tell(self, *operations: str) -> None:
        for operation in operations:
            self.trail()(Entry(operation, "done"))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def told(self) -> list[str]:
        return [line["operation"] for line in self.lines()]

    def complaints(self, *files: Path) -> list[str]:
        """What is wrong with the trail."""
        chain = Chain()
        text = "".join(path.read_text() for path in (*files, self.file))
        for number, line in enumerate(text.splitlines(), 1):
            chain.add(f"line {number}", line)
        head = heads.load(self.head)
        assert head
        return chain.complaints() + chain.end_complaints(head, head)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_each_line_has_the_hash_of_the_one_before(site: Site) -> None:
    site.tell("a", "b", "c")
    lines = site.lines()
    assert [line["number"] for line in lines] == [1, 2, 3]
    assert [line["previous"] for line in lines[1:]] == [line["hash"] for line in lines[:-1]]
    assert {line["node"] for line in lines} == {"db"}
    assert site.complaints() == []


def test_a_stranger_cannot_know_what_the_first_line_follows_on(tmp_path: Path) -> None:
    sites = [Site(tmp_path / name) for name in ("a", "b")]
    for site in sites:
        site.tell("x")
    first, second = (site.lines()[0]["previous"] for site in sites)
    assert first != second


# --- killed ---


def killed_at(site: Site, moment: int) -> bool:
    """A process that writes an entry, and is killed at so many lines of our code; False when it had ended by then."""
    if (child := os.fork()) == 0:
        left = moment

        def count(frame: FrameType, event: str, _: object) -> object:
            nonlocal left
            if event == "line" and "/dbhandler/" in frame.f_code.co_filename:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return count

        sys.settrace(count)  # type: ignore[arg-type]
        site.tell("cut")
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def test_killed_anywhere_the_next_line_leaves_a_whole_trail(tmp_path: Path) -> None:
    moment, with_cut = 0, 0
    while True:
        site = Site(tmp_path / str(moment))
        site.tell("a")
        if not killed_at(site, moment):
            break
        site.tell("b")
        assert site.told() in (["a", "b"], ["a", "cut", "b"]), moment
        assert site.complaints() == [], moment
        moment, with_cut = moment + 1, with_cut + ("cut" in site.told())
    # Before the head is stored, and after.
    assert moment > 100 and moment - with_cut > 20 < with_cut


def test_killed_anywhere_the_next_start_finishes_the_line(tmp_path: Path) -> None:
    moment = 0
    while True:
        site = Site(tmp_path / str(moment))
        site.tell("a")
        if not killed_at(site, moment):
            break
        site.trail().mend()
        head = heads.load(site.head)
        assert head and head.written
        assert head.number == len(site.lines())
        assert site.complaints() == []
        assert {path.name for path in site.state.iterdir()} == {"audit-head", "audit.lock"}
        moment += 1


@pytest.mark.parametrize("written", [0, 1, 40, -2, -1])
def test_a_line_that_was_cut_in_the_middle_is_finished(site: Site, written: int) -> None:
    site.tell("a", "b", "torn")
    content = site.file.read_bytes()
    start = content[:-1].rindex(b"\n") + 1
    torn = content[start:]
    # As a kill leaves it.
    site.file.write_bytes(content[:start] + torn[: written if written >= 0 else len(torn) + written + 1])
    head = heads.load(site.head)
    assert head
    heads.store(site.head, Head(head.line, written=False))
    site.tell("c")
    assert site.told() == ["a", "b", "torn", "c"]
    assert site.complaints() == []


def test_a_line_that_was_written_and_not_noted_stands_once(site: Site) -> None:
    site.tell("a")
    head = heads.load(site.head)
    assert head
    heads.store(site.head, Head(head.line, written=False))
    site.tell("b")
    assert site.told() == ["a", "b"]


def test_a_removed_line_is_not_taken_for_one_that_a_kill_has_cut(site: Site) -> None:
    site.tell("a", "b", "c")
    site.file.write_text("".join(site.file.read_text().splitlines(keepends=True)[:-1]))
    site.trail().mend()
    site.tell("d")
    assert site.told() == ["a", "b", "d"]
    assert site.complaints() == ["number 3 is missing, removed between line 2 and line 3"]


def test_processes_that_are_killed_again_and_again_leave_a_whole_trail(site: Site) -> None:
    for number in range(15):
        child = writer(site, f"{number}-", 100_000)
        before = site.file.stat().st_size if site.file.exists() else 0
        while not site.file.exists() or site.file.stat().st_size < before + 1000 + 97 * number:
            assert child.poll() is None
        child.kill()
        child.wait()
    site.tell("end")
    assert site.complaints() == []
    assert all(any(name.startswith(f"{number}-") for name in site.told()) for number in range(15))


# --- several at once ---

WRITER = """\
import sys
from pathlib import Path
from dbhandler.audit.output import File
from dbhandler.audit.record import Entry
from dbhandler.audit import trail as module
from dbhandler.audit.trail import Trail
state, file, name, count = sys.argv[1:]
module.PATIENCE = 60.0
trail = Trail(File(Path(file)), Path(state), "db")
for number in range(int(count)):
    trail(Entry(f"{name}{number}", "done"))
"""


def writer(site: Site, name: str, count: int) -> subprocess.Popen[bytes]:
    """A process that writes so many entries."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(site.state), str(site.file), name, str(count)])


def test_processes_and_threads_write_one_chain_while_the_file_is_rotated(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine one may wait for all others.
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    processes = [writer(site, f"{name}-", 40) for name in "abcd"]
    trail, rotated = site.trail(), list[Path]()

    def tell() -> None:
        for _ in range(20):
            trail(Entry("thread", "done"))

    threads = [threading.Thread(target=tell) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(process.poll() is None for process in processes):
        if site.file.exists() and site.file.stat().st_size > 20_000:
            rotated.append(site.file.rename(site.file.with_name(f"trail.{len(rotated)}")))
        time.sleep(0.002)
    for thread in threads:
        thread.join()
    site.tell("end")
    assert [process.returncode for process in processes] == [0] * 4
    assert len(rotated) > 1
    assert site.complaints(*rotated) == []
    head = heads.load(site.head)
    assert head and head.number == 4 * 40 + 3 * 20 + 1
    lines = [line for path in (*rotated, site.file) for line in path.read_text().splitlines()]
    assert len(lines) == head.number


def test_whoever_holds_the_lock_for_ever_costs_a_moment_and_a_number(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    trail = site.trail()
    with module.locked(site.state / "audit.lock"):
        trail(Entry("a", "done"))
        trail(Entry("b", "done"))
    trail(Entry("c", "done"))
    assert [(line["operation"], line["lost"]) for line in site.lines()] == [("c", 2)]
    assert "is held by another process" in caplog.messages[0]
    assert caplog.messages[1:] == ["the audit trail is written again"]


# --- without room ---


class Broken:
    """An output that fails while it is told to, at once or in the middle of the line."""

    def __init__(self, path: Path) -> None:
        self.path, self.file, self.after = path, File(path), None

    after: int | None

    def complete(self, line: str) -> None:
        if self.after is not None:
            with self.path.open("ab") as torn:
                torn.write(f"{line}\n".encode()[: self.after])
            self.after = 0
            raise OSError(errno.ENOSPC, "No space left on device", "/audit/trail")
        self.file.complete(line)

    def last(self) -> str | None:
        return self.file.last()


@pytest.fixture
def broken(site: Site) -> Iterator[Broken]:
    site.tell("before")
    yield Broken(site.file)


@pytest.mark.parametrize("after", [0, 1, 100])
def test_without_room_all_goes_on_and_what_is_missing_is_told(
    site: Site, broken: Broken, after: int, caplog: pytest.LogCaptureFixture
) -> None:
    trail = Trail(broken, site.state, "db", Clock())
    broken.after = after
    for operation in "abcd":
        trail(Entry(operation, "done"))
    broken.after = None
    trail(Entry("e", "done"))
    trail(Entry("f", "done"))
    # The first one waits at the head; the others had no place.
    assert [(line["operation"], line.get("lost")) for line in site.lines()] == [
        ("before", None), ("a", None), ("e", 3), ("f", None),
    ]  # fmt: skip
    assert site.complaints() == []
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.ERROR, "the audit trail cannot be written, requests go on: /audit/trail: No space left on device"),
        (logging.WARNING, "the audit trail is written again"),
    ]


def test_the_number_outlives_the_process(site: Site, broken: Broken) -> None:
    trail = Trail(broken, site.state, "db", Clock())
    broken.after = 7
    for operation in "abc":
        trail(Entry(operation, "done"))
    site.tell("d")
    assert [(line["operation"], line.get("lost")) for line in site.lines()][1:] == [("a", None), ("d", 2)]
    assert site.complaints() == []


def test_without_room_for_the_head_only_the_number_is_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site.tell("a")
    trail = site.trail()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/state")

    with monkeypatch.context() as patched:
        patched.setattr(heads, "store", full)
        trail(Entry("b", "done"))
        trail(Entry("c", "done"))
    trail(Entry("d", "done"))
    assert [(line["operation"], line.get("lost")) for line in site.lines()] == [("a", None), ("d", 2)]
    assert site.complaints() == []
    assert len(caplog.messages) == 2


def test_a_state_folder_that_is_gone_ends_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    trail = site.trail()
    site.state.rmdir()
    trail(Entry("a", "done"))
    trail.mend()
    assert len(caplog.messages) == 1 and "audit.lock" in caplog.text


# --- the head ---


def test_with_another_state_volume_the_chain_goes_on_where_the_file_ends(site: Site) -> None:
    site.tell("a", "b")
    site.head.unlink()
    site.tell("c")
    assert [line["number"] for line in site.lines()] == [1, 2, 3]
    assert site.complaints() == []


def test_what_is_no_line_of_a_trail_is_not_gone_on_from(site: Site) -> None:
    site.tell("a")
    site.file.write_text(site.file.read_text().replace("done", "none"))
    site.head.unlink()
    site.tell("b")
    assert [line["number"] for line in site.lines()] == [1, 1]
    assert len(site.complaints()) == 2


def test_a_damaged_head_is_set_aside(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.tell("a")
    site.head.write_text("x")
    site.tell("b")
    assert site.complaints() == []
    assert site.head.with_name("audit-head.damaged").read_text() == "x"
    assert "was damaged" in caplog.text


# --- what the settings say ---


def config(folder: Path, **environ: str) -> Config:
    return Config.from_environ({
        "DBHANDLER_ENGINE": "mariadb", "DBHANDLER_STATE_DIR": str(folder), "DBHANDLER_RUN_DIR": str(folder), **environ,
    })  # fmt: skip


def test_nobody_who_wants_no_trail_has_one(tmp_path: Path) -> None:
    assert trail_of(config(tmp_path)) is unaudited
    unaudited(Entry("a", "done"))
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_the_settings_is_written(site: Site) -> None:
    trail_of(config(site.state, DBHANDLER_AUDIT=str(site.file), SERF_NODE="me"))(Entry("a", "done"))
    assert [line["node"] for line in site.lines()] == ["me"]


def test_or_the_containers_log(tmp_path: Path) -> None:
    made = trail_of(config(tmp_path, DBHANDLER_AUDIT="stdout"))
    assert isinstance(made, Trail) and isinstance(made._output, ContainerLog)
