"""Filling a data directory from the template; baking one is tried with a real server elsewhere."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from dbhandler.errors import DbHandlerError
from dbhandler.volume import bake, template, tools
from dbhandler.volume.data_dir import MARKER, STAMP

MEBIBYTE = 1024 * 1024


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A template with a table, a mostly empty file and a name like those of MySQL's redo log."""
    source = tmp_path / "source"
    (source / "mysql").mkdir(parents=True)
    (source / "mysql" / "user.MAD").write_bytes(b"accounts")
    (source / "#ib_redo1").write_bytes(b"log")
    (source / "ibdata1").write_bytes(b"head" + bytes(4 * MEBIBYTE))
    bake._pack(source, tmp_path / "template.tar")
    return tmp_path / "template.tar"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FILES = {"mysql/user.MAD": b"accounts", "#ib_redo1": b"log", "ibdata1": b"head" + bytes(4 * MEBIBYTE)}
FILLED = FILES | {MARKER: b""}


def test_an_empty_directory_is_filled_and_private(data_dir: Path, archive: Path) -> None:
    template.fill(data_dir, archive)
    assert content(data_dir) == FILLED
    assert data_dir.stat().st_mode & 0o777 == 0o700


def test_zeroes_are_neither_in_the_archive_nor_on_the_disk(data_dir: Path, archive: Path) -> None:
    template.fill(data_dir, archive)
    assert archive.stat().st_size < MEBIBYTE
    assert (data_dir / "ibdata1").stat().st_blocks * 512 < MEBIBYTE


def test_a_file_system_of_its_own_counts_as_empty(data_dir: Path, archive: Path) -> None:
    (data_dir / "lost+found").mkdir()
    (data_dir / "lost+found").chmod(0)
    template.fill(data_dir, archive)
    assert content(data_dir) == FILLED


def test_what_a_kill_left_half_done_is_begun_again(data_dir: Path, archive: Path) -> None:
    (data_dir / MARKER).touch()
    (data_dir / "mysql" / "deep").mkdir(parents=True)
    (data_dir / "mysql" / "deep" / "half").write_bytes(b"half")
    (data_dir / "ibdata1").write_bytes(b"he")
    (data_dir / "dangling").symlink_to("nowhere")
    template.fill(data_dir, archive)
    assert content(data_dir) == FILLED


@pytest.mark.parametrize("killed_in", ["_empty", "run"])
def test_the_next_call_fills_from_the_start_wherever_the_last_one_died(
    data_dir: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    class Killed(BaseException):
        pass

    done = getattr(template, killed_in)

    def die(*arguments: object) -> None:
        done(*arguments)
        raise Killed

    (data_dir / MARKER).touch()
    (data_dir / "stale").touch()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(template, killed_in, die)
        template.fill(data_dir, archive)
    assert (data_dir / MARKER).exists()
    (data_dir / "ibdata1").write_bytes(b"torn")
    template.fill(data_dir, archive)
    assert content(data_dir) == FILLED


def test_everything_is_durable_before_the_marker_becomes_the_stamp(
    data_dir: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((str(path.relative_to(data_dir)), (data_dir / MARKER).exists()))

    monkeypatch.setattr(os, "fsync", note)
    template.fill(data_dir, archive, (data_dir / "made meanwhile").touch)
    template.finish(data_dir)
    # Later starts ask for it, too.
    template.finish(data_dir)
    assert synced[0] == (".", True)
    assert {name for name, marked in synced if marked} >= {".", "mysql", "made meanwhile", *FILES}
    assert [name for name, marked in synced if not marked] == ["."]
    assert content(data_dir) == FILES | {STAMP: b"{}\n", "made meanwhile": b""}


def test_what_a_running_server_removes_meanwhile_is_no_error(
    data_dir: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template.fill(data_dir, archive)
    there = list(template._files(data_dir))
    monkeypatch.setattr(template, "_files", lambda _: [*there, data_dir / "#sql-temporary"])
    template.finish(data_dir)
    assert (data_dir / STAMP).exists()


def test_what_cannot_be_made_meanwhile_is_no_filled_directory(data_dir: Path, archive: Path) -> None:
    def fail() -> None:
        raise DbHandlerError("no keys")

    with pytest.raises(DbHandlerError, match="no keys"):
        template.fill(data_dir, archive, fail)
    assert (data_dir / MARKER).exists()


def test_a_broken_template_is_an_error_and_the_next_start_tries_again(data_dir: Path, archive: Path) -> None:
    whole = archive.read_bytes()
    # Half of what is in it: how much padding follows differs between versions of tar and file systems.
    archive.write_bytes(whole[: len(whole.rstrip(b"\0")) // 2 + 7])
    with pytest.raises(DbHandlerError, match="tar failed"):
        template.fill(data_dir, archive)
    archive.write_bytes(whole)
    template.fill(data_dir, archive)
    assert content(data_dir) == FILLED


def test_a_missing_directory_is_an_error_that_names_it(tmp_path: Path, archive: Path) -> None:
    with pytest.raises(DbHandlerError, match="nowhere"):
        template.fill(tmp_path / "nowhere", archive)


def test_what_the_system_refuses_meanwhile_is_not_the_tools_failure() -> None:
    def fail() -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded", "/v/server-key.pem")

    with pytest.raises(OSError, match="server-key"):
        tools.run(["sleep", "5"], fail)


def test_a_tool_that_hangs_or_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "TIMEOUT", 0.05)
    with pytest.raises(DbHandlerError, match="sleep has not finished"):
        tools.run(["sleep", "5"])
    with pytest.raises(DbHandlerError, match="no-such-tool cannot be run"):
        tools.run(["no-such-tool"])


def test_a_user_name_that_would_end_its_quotes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a tool was run"))
    with pytest.raises(DbHandlerError, match="no user name"):
        bake.bake("mysql", tmp_path / "x.tar", "a'@'%")
