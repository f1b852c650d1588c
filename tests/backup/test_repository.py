"""The repository with a real restic, in a folder, by SFTP and in an object store that moto plays."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dbhandler.backup.repository import Repository
from dbhandler.backup.restic_failure import CommandFailed, Incomplete, NoRepository, WrongPassword
from dbhandler.backup.snapshot import Snapshot
from dbhandler.errors import DbHandlerError, Unavailable

PASSWORD, FORMER = "present-password", "former-password"
BASE = {"kind": "base", "source": "key-1"}
READY = "ready"
"""A bucket that is there: where there is none, that is known only by waiting."""
KEYS = {"AWS_ACCESS_KEY_ID": "any-key", "AWS_SECRET_ACCESS_KEY": "any-secret"}


Make = Callable[..., Repository]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(*passwords: str, location: str = str(tmp_path / "repository"), **environ: str) -> Repository:
        cache = tmp_path / f"cache-{len(list(tmp_path.glob('cache-*')))}"
        return Repository(location, passwords or (PASSWORD,), cache, os.environ | environ)

    return made


@pytest.fixture
def repository(make: Make) -> Repository:
    opened = make()
    opened.open()
    return opened


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The URL of an object store that moto plays, with one bucket."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and not _answers(port):
            time.sleep(0.2)
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/{READY}", method="PUT")).close()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def save(repository: Repository, text: str = "hello", day: int = 1, **tags: str) -> Snapshot:
    moment = datetime(2026, 1, 1, 3, tzinfo=UTC) + timedelta(days=day)
    return repository.save_output(("printf", "%s", text), "dump.sql", BASE | tags, time=moment)


def read(repository: Repository, snapshot: Snapshot, name: str = "dump.sql") -> bytes:
    with repository.dump(snapshot, name) as stream:
        return stream.read()


def packs(folder: Path) -> list[Path]:
    return [path for path in (folder / "data").rglob("*") if path.is_file()]


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_is_saved_is_listed_and_read_again(repository: Repository) -> None:
    second, first = save(repository, "two", day=2), save(repository, "one", day=1, position="0-1-2")
    assert repository.snapshots() == [first, second]
    assert [one.tags for one in repository.snapshots()] == [BASE | {"position": "0-1-2"}, BASE]
    assert first.time == datetime(2026, 1, 2, 3, tzinfo=UTC) and first.size == 3 and first.paths == ("/dump.sql",)
    assert [read(repository, one) for one in (first, second)] == [b"one", b"two"]


def test_snapshots_are_chosen_by_all_tags_together(repository: Repository) -> None:
    chosen = save(repository, source="key-2")
    save(repository, source="key-1")
    assert repository.snapshots(kind="base", source="key-2") == [chosen]
    assert repository.snapshots(kind="logs") == []


def test_without_a_time_a_snapshot_is_of_now(repository: Repository) -> None:
    made = repository.save_output(("echo",), "empty", BASE)
    assert abs((datetime.now(UTC) - made.time).total_seconds()) < 60
    assert repository.snapshots() == [made]


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (("sh", "-c", "echo half; echo 'no such table' >&2; sleep 0.5; exit 1"), "no such table"),
        (("sh", "-c", "echo half; kill -9 $$"), "killed"),
        (("no-such-program",), "no-such-program"),
    ],
)
def test_a_command_that_fails_leaves_no_snapshot(
    repository: Repository, command: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(CommandFailed, match=complaint):
        repository.save_output(command, "dump.sql", BASE)
    assert repository.snapshots() == []


def test_a_command_that_prints_nothing_leaves_no_snapshot(repository: Repository) -> None:
    with pytest.raises(Incomplete, match="not all could be read"):
        repository.save_output(("true",), "dump.sql", BASE)
    assert repository.snapshots() == []


def test_a_command_has_its_variables_and_none_of_the_repositorys(make: Make) -> None:
    repository = make(AWS_SECRET_ACCESS_KEY="of-the-store")
    repository.open()
    made = repository.save_output(("env",), "environment", BASE, environ={"MYSQL_PWD": "own"})
    told = read(repository, made, "environment").decode()
    assert "MYSQL_PWD=own" in told and "PATH=" in told
    assert PASSWORD not in told and "of-the-store" not in told and "RESTIC" not in told


def test_no_complaint_quotes_a_secret(make: Make) -> None:
    repository = make()
    repository.open()
    command = ("sh", "-c", 'echo "denied for $MYSQL_PWD" >&2; sleep 0.5; exit 1')
    with pytest.raises(CommandFailed, match=r"denied for \*\*\*") as raised:
        repository.save_output(command, "dump.sql", BASE, environ={"MYSQL_PWD": "very-secret"})
    assert "very-secret" not in str(raised.value)


def test_a_command_that_stands_still_is_ended(repository: Repository) -> None:
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="not done after 3 s"):
        repository.save_output(("sleep", "987.5"), "dump.sql", BASE, patience=3)
    assert time.monotonic() - begun < 25
    assert subprocess.run(("pgrep", "-f", "sleep 987[.]5"), capture_output=True).returncode == 1
    repository.prune()


def test_the_same_content_again_takes_hardly_any_room(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(3_000_000))
    repository.save_output(("cat", str(tmp_path / "big")), "dump.sql", BASE)
    before = size(tmp_path / "repository")
    repository.save_output(("cat", str(tmp_path / "big")), "dump.sql", BASE)
    assert size(tmp_path / "repository") - before < 10_000


def test_whoever_steals_the_repository_reads_nothing(repository: Repository, tmp_path: Path) -> None:
    save(repository, "a very telling sentence " * 1000)
    stolen = b"".join(path.read_bytes() for path in (tmp_path / "repository").rglob("*") if path.is_file())
    assert stolen and not re.search(b"telling|dump.sql|key-1|" + PASSWORD.encode(), stolen)


def test_a_folder_is_saved_and_fetched_by_names_from_inside(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "logs" / "sub").mkdir(parents=True)
    (tmp_path / "logs" / "sub" / "binlog.1").write_text("events")
    made = repository.save_folder(tmp_path / "logs", {"kind": "logs"})
    repository.fetch(made, tmp_path / "target")
    assert (tmp_path / "target" / "sub" / "binlog.1").read_text() == "events"
    assert read(repository, made, "sub/binlog.1") == b"events"
    assert repository.snapshots() == [made]


def test_a_folder_that_is_not_there_is_not_saved(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(DbHandlerError, match="there is no folder"):
        repository.save_folder(tmp_path / "nothing", {"kind": "logs"})


@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv")
def test_a_folder_that_cannot_be_read_whole_leaves_no_snapshot(repository: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "readable").write_text("1")
    # Root reads everything, but not what takes itself away: an entry of /proc of a thread that is over.
    try:
        (folder / "unreadable").touch()
        subprocess.run(("mount", "--bind", "/proc/self/mem", str(folder / "unreadable")), check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("cannot mount here")
    try:
        with pytest.raises(Incomplete, match="not all could be read"):
            repository.save_folder(folder, {"kind": "logs"})
    finally:
        subprocess.run(("umount", str(folder / "unreadable")), check=True, timeout=10)
    assert repository.snapshots() == []


def test_whoever_leaves_a_dump_early_is_not_bothered(repository: Repository) -> None:
    made = repository.save_output(("seq", "1", "3000000"), "dump.sql", BASE)
    begun = time.monotonic()
    with repository.dump(made, "dump.sql") as stream:
        assert stream.readline() == b"1\n"
    assert time.monotonic() - begun < 15
    repository.prune()


def test_a_dump_is_read_by_another_program(repository: Repository) -> None:
    made = repository.save_output(("seq", "1", "100000"), "dump.sql", BASE)
    with repository.dump(made, "dump.sql") as stream:
        counted = subprocess.run(("wc", "-l"), stdin=stream, capture_output=True, check=True, timeout=60).stdout
    assert int(counted) == 100_000


def test_a_dump_that_fails_is_told_at_the_end_even_when_its_reader_has_closed_it(repository: Repository) -> None:
    made = save(repository)
    with pytest.raises(DbHandlerError, match="not found") as raised, repository.dump(made, "another") as stream:
        stream.read()
        stream.close()
    assert not isinstance(raised.value, Unavailable)


def test_a_reader_that_fails_for_a_truncated_dump_learns_why(repository: Repository) -> None:
    made = save(repository)
    with pytest.raises(DbHandlerError, match="not found"), repository.dump(made, "another") as stream:
        raise ValueError(stream.read())


def test_a_readers_own_failure_stays_its_own(repository: Repository) -> None:
    made = save(repository)
    with pytest.raises(ValueError, match="own"), repository.dump(made, "dump.sql") as stream:
        raise ValueError("own", stream.read(1))


def test_a_dump_that_takes_too_long_ends_for_its_reader(repository: Repository) -> None:
    made = repository.save_output(("seq", "1", "3000000"), "dump.sql", BASE)
    with (
        pytest.raises(Unavailable, match="not done after 1 s"),
        repository.dump(made, "dump.sql", patience=1) as stream,
    ):
        time.sleep(2)
        stream.read()


def test_what_no_option_keeps_is_removed_and_told(repository: Repository, tmp_path: Path) -> None:
    old, new = (save(repository, os.urandom(50_000).hex(), day) for day in (1, 9))
    other = save(repository, "other", day=1, source="key-2")
    assert repository.keep(("--keep-last=1",), **BASE) == [old]
    assert repository.snapshots() == [other, new]
    before = size(tmp_path / "repository")
    repository.prune()
    assert before - size(tmp_path / "repository") > 45_000
    assert repository.keep(("--keep-last=1",), **BASE) == []
    assert repository.keep(("--keep-last=1",), kind="nothing") == []


def test_nothing_is_removed_by_no_option(repository: Repository) -> None:
    made = save(repository)
    with pytest.raises(DbHandlerError, match="no policy"):
        repository.keep((), **BASE)
    assert repository.snapshots() == [made]


def test_snapshots_are_forgotten_and_those_that_are_gone_are_fine(repository: Repository) -> None:
    first, second = save(repository, "1"), save(repository, "2", day=2)
    repository.forget([first])
    repository.forget([first])
    repository.forget([])
    assert repository.snapshots() == [second]


@pytest.mark.parametrize("part", [None, "100%", "1/1"])
def test_a_check_finds_a_damaged_pack(repository: Repository, tmp_path: Path, part: str | None) -> None:
    made = save(repository, os.urandom(50_000).hex())
    repository.check(part)
    for pack in packs(tmp_path / "repository"):
        content = bytearray(pack.read_bytes())
        content[100] ^= 1
        pack.chmod(0o600)
        pack.write_bytes(content)
    with pytest.raises(DbHandlerError) as raised:
        repository.check(part)
    assert not isinstance(raised.value, Unavailable), raised.value
    with pytest.raises(DbHandlerError) as raised:
        read(repository, made)
    assert not isinstance(raised.value, Unavailable), raised.value


def test_a_check_finds_a_pack_that_is_gone(repository: Repository, tmp_path: Path) -> None:
    save(repository, os.urandom(50_000).hex())
    packs(tmp_path / "repository")[0].unlink()
    with pytest.raises(DbHandlerError) as raised:
        repository.check()
    assert not isinstance(raised.value, Unavailable), raised.value


@pytest.mark.parametrize("part", ["0/2", "x", "1/2 --no-lock", ""])
def test_a_part_that_is_none_is_refused(repository: Repository, part: str) -> None:
    with pytest.raises(DbHandlerError, match="a part of a repository"):
        repository.check(part)


def test_a_wrong_password_is_told_as_what_it_is(repository: Repository, make: Make) -> None:
    with pytest.raises(WrongPassword, match="made with another password"):
        make("another").open()


def test_after_a_change_of_the_secret_both_passwords_open(make: Make, tmp_path: Path) -> None:
    make(FORMER).open()
    changed = make(PASSWORD, FORMER)
    changed.open()
    made = save(changed)
    for password in (PASSWORD, FORMER):
        again = make(password)
        again.open()
        assert again.snapshots() == [made]
    assert len(list((tmp_path / "repository" / "keys").iterdir())) == 2
    changed.open()
    assert len(list((tmp_path / "repository" / "keys").iterdir())) == 2
    assert not [path for folder in tmp_path.glob("cache-*") for path in folder.glob("password*")]


def test_two_that_begin_at_once_make_one_repository(make: Make, tmp_path: Path) -> None:
    failures: list[Exception] = []
    repositories = [make(), make()]

    def begin(repository: Repository) -> None:
        try:
            repository.open()
            save(repository)
        except DbHandlerError as error:
            failures.append(error)

    threads = [threading.Thread(target=begin, args=(one,)) for one in repositories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    assert [len(one.snapshots()) for one in repositories] == [2, 2]
    assert len(list((tmp_path / "repository" / "keys").iterdir())) == 1


def test_a_repository_that_goes_away_is_told(repository: Repository, tmp_path: Path) -> None:
    made = save(repository)
    shutil.rmtree(tmp_path / "repository")
    for use in (repository.snapshots, repository.prune, lambda: save(repository), lambda: read(repository, made)):
        with pytest.raises(NoRepository, match="there is no repository"):
            use()
    assert not (tmp_path / "repository").exists()


def test_a_lock_of_somebody_elses_is_a_reason_to_try_later(repository: Repository, tmp_path: Path) -> None:
    made = save(repository)
    holder = subprocess.Popen(
        ("restic", "backup", "--stdin-filename=x", "--stdin-from-command", "--", "sleep", "300"),
        env=os.environ | {"RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(tmp_path / "repository")},
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 30
        while not list((tmp_path / "repository" / "locks").iterdir()) and time.monotonic() < until:
            time.sleep(0.1)
        repository.unlock()
        with pytest.raises(Unavailable, match="is locked"):
            repository.prune(patience=90)
        assert repository.snapshots() == [made]
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()
    repository.unlock()
    repository.prune()


def killed_while_it_saves(repository: Repository, location: str, host: str = "", **environ: str) -> None:
    """Leaves the lock of a restic that was killed, on a host of this name. Its number, 1, is somebody else's by now."""
    backup = "exec restic backup --stdin-filename=x --stdin-from-command -- sleep 300"
    holder = subprocess.Popen(
        ("unshare", "-r", "--uts", "--pid", "--fork", "sh", "-c", f"{host and f'hostname {host};'} {backup}"),
        env=os.environ | {"RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": location} | environ,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 60
        while not repository._locks(30.0):
            assert time.monotonic() < until, "it has not locked"
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()


@pytest.mark.parametrize("host", ["", "gone"])
@pytest.mark.parametrize("place", ["a folder", "an object store"])
def test_the_lock_of_a_killed_one_goes_at_once(make: Make, store: str, tmp_path: Path, place: str, host: str) -> None:
    location = str(tmp_path / "repository") if place == "a folder" else f"s3:{store}/{READY}/pool{host}"
    repository = make(location=location, **KEYS)
    repository.open()
    killed_while_it_saves(repository, location, host, **KEYS)
    repository.unlock(patience=30)
    assert len(repository._locks(30.0)) == (1 if host else 0)
    repository.unlock({"gone"})
    repository.prune(patience=30)


def save_for_long(repository: Repository) -> None:
    with suppress(DbHandlerError):
        repository.save_output(("sleep", "300"), "x", BASE)


def test_the_lock_of_one_that_lives_stays(make: Make, tmp_path: Path) -> None:
    """Also where somebody else's goes, and where it has the same host."""
    location = str(tmp_path / "repository")
    repository = make(location=location)
    repository.open()
    killed_while_it_saves(repository, location, "gone")
    living = threading.Thread(target=save_for_long, args=(repository,))
    living.start()
    while len(repository._locks(30.0)) < 2:
        time.sleep(0.1)
    repository.unlock({"gone"})
    assert len(repository._locks(30.0)) == 1
    repository.end()
    living.join()


@contextmanager
def locked_for_itself(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A restic that nobody else may work beside, and that stands still."""
    environ = os.environ | {"RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(folder)}
    holder = subprocess.Popen(("restic", "prune"), env=environ, stdout=subprocess.DEVNULL)
    try:
        # Until it is written whole it has another name.
        while not [one for one in (folder / "locks").iterdir() if len(one.name) == 64]:
            assert holder.poll() is None, "it was too fast"
            time.sleep(0.002)
        holder.send_signal(signal.SIGSTOP)
        yield holder
    finally:
        holder.send_signal(signal.SIGCONT)
        holder.wait()


def test_what_waits_for_a_lock_is_as_it_was(repository: Repository, tmp_path: Path) -> None:
    made = save(repository)
    with locked_for_itself(tmp_path / "repository") as holder:
        threading.Timer(4.0, holder.send_signal, (signal.SIGCONT,)).start()
        began = time.monotonic()
        assert read(repository, made) == b"hello"
        assert time.monotonic() > began + 3.0


def test_a_full_disk_is_a_reason_to_try_later(make: Make, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(("mount", "-t", "tmpfs", "-o", "size=2m", "none", str(small)), capture_output=True).returncode:
        pytest.skip("cannot mount here")
    try:
        repository = make(location=str(small / "repository"))
        repository.open()
        made = save(repository)
        with pytest.raises(Unavailable, match="no space left"):
            repository.save_output(("head", "-c", "8000000", "/dev/urandom"), "dump.sql", BASE, patience=40)
        assert repository.snapshots() == [made]
    finally:
        subprocess.run(("umount", str(small)), check=True)


def test_a_place_that_does_not_answer_is_given_up(make: Make) -> None:
    repository = make(location="rest:http://user:geheim@127.0.0.1:1/x")
    with pytest.raises(Unavailable, match="connection refused") as raised:
        repository.open(patience=4)
    assert "geheim" not in str(raised.value) and "user:***@127.0.0.1" in str(raised.value)


def test_nobody_reads_the_password_off_the_command_line(repository: Repository) -> None:
    made = repository.save_output(("sh", "-c", "ps -eww -o args"), "processes", BASE)
    listed = read(repository, made, "processes").decode()
    assert "restic" in listed and PASSWORD not in listed


def test_an_object_store_holds_a_repository(make: Make, store: str) -> None:
    repository = make(location=f"s3:{store}/bucket/pool", **KEYS)
    repository.open()
    old, new = save(repository, "old"), save(repository, "new", day=2)
    assert read(repository, new) == b"new"
    assert repository.keep(("--keep-last=1",), **BASE) == [old]
    repository.prune()
    repository.check()
    make(location=f"s3:{store}/bucket/pool", **KEYS).open()


def test_a_server_of_ssh_holds_a_repository(make: Make, tmp_path: Path) -> None:
    program = next((path for path in ("/usr/lib/openssh/sftp-server",) if Path(path).exists()), None)
    if program is None:
        pytest.skip("no sftp-server")
    # What restic starts is called ssh; this one stands for the way to the server, whose side is the real one.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text(f"#!/bin/sh\nexec {program}\n")
    (tmp_path / "bin" / "ssh").chmod(0o755)
    repository = make(location=f"sftp:backup@host:{tmp_path}/far", PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    repository.open()
    made = save(repository)
    assert read(repository, made) == b"hello" and (tmp_path / "far" / "config").exists()
    repository.prune()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
