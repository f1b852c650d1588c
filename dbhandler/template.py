"""An empty data directory, initialised once when the image is built and copied, crash-safe, into each empty volume."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dbhandler.data_dir import MARKER, NOT_OURS_TO_MIND, STAMP
from dbhandler.errors import DbHandlerError
from dbhandler.spool import sync_folder

TIMEOUT = 600.0
"""Seconds that a tool may take: a slow disk is no error, a hanging one is."""

ZONES = "/usr/share/zoneinfo"

_REMADE = ("auto.cnf", "*.pem", "binlog.*", "*.err", "*.pid", "#innodb_redo/*_tmp")
"""What must be another one on every server, or is worthless on it: mysqld makes it anew."""

_PLAIN_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.-]{0,31}")

_MYSQL_ACCOUNTS = """\
INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';
ALTER USER root@localhost IDENTIFIED WITH auth_socket;
CREATE USER IF NOT EXISTS '{user}'@localhost IDENTIFIED WITH auth_socket;
GRANT ALL PRIVILEGES ON *.* TO '{user}'@localhost WITH GRANT OPTION;
"""

# mariadb-install-db leaves the name of the machine that built the image in this table.
_MARIADB_CLEANING = "DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';\n"


def fill(data_dir: Path, archive: Path) -> None:
    """Fills a data directory from the template `archive`, in place of what an unfinished first start has left.

    Until `finish` a kill at any moment leaves a directory that is filled anew from the start. Raises DbHandlerError
    when the template cannot be unpacked.
    """
    try:
        _empty(data_dir)
        _unpack(data_dir, archive)
    except OSError as error:
        raise DbHandlerError(f"{data_dir} cannot be filled: {error}") from error


def finish(data_dir: Path) -> None:
    """Says, durably, that the first start's work on a data directory is done."""
    try:
        _sync_all(data_dir)
        (data_dir / MARKER).rename(data_dir / STAMP)
        sync_folder(str(data_dir))
    except OSError as error:
        raise DbHandlerError(f"{data_dir} cannot be filled: {error}") from error


def bake(engine: str, archive: Path, socket_user: str) -> None:
    """Initialises a data directory with the engine's own tool and packs it into `archive`, a sparse tar, compressed
    as its name says. The time zones are in it where the engine's tool for them is installed.

    In it are the accounts root and `socket_user` at localhost, who prove themselves by their operating system user at
    the socket, and no other that could log in. Raises DbHandlerError when the tool fails.
    """
    if not _PLAIN_NAME.fullmatch(socket_user):
        raise DbHandlerError(f"no user name for a socket account: {socket_user!r}")
    with tempfile.TemporaryDirectory(prefix="dbhandler-bake-") as scratch:
        data_dir = Path(scratch, "data")
        data_dir.mkdir(mode=0o700)
        if os.geteuid() == 0:
            Path(scratch).chmod(0o755)
            shutil.chown(data_dir, socket_user)
        {"mariadb": _init_mariadb, "mysql": _init_mysql}[engine](data_dir, socket_user)
        for pattern in _REMADE:
            for file in data_dir.glob(pattern):
                file.unlink()
        _pack(data_dir, archive)


def _unpack(data_dir: Path, archive: Path) -> None:
    marker = data_dir / MARKER
    marker.touch()
    sync_folder(str(data_dir))
    if data_dir.stat().st_uid == os.geteuid():
        data_dir.chmod(0o700)
    _run(["tar", "-C", str(data_dir), "--no-same-owner", "-xf", str(archive)])


def _sync_all(data_dir: Path) -> None:
    # Not sync(1) on the file system: that waits for all that the whole host has not written yet, such as an image
    # just pulled, and before Linux 5.8 it did not report write errors.
    for path in _files(data_dir):
        with path.open("rb") as file:
            # Starts the writing without waiting, so that the fsyncs below wait once and not once per file.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    for path in _files(data_dir):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for folder, _, _ in _walk(data_dir):
        sync_folder(folder)


def _files(data_dir: Path) -> Iterator[Path]:
    return (Path(folder, name) for folder, _, names in _walk(data_dir) for name in names)


def _walk(data_dir: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    for folder, folders, names in os.walk(data_dir):
        if "lost+found" in folders:
            folders.remove("lost+found")
        yield folder, folders, names


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name in NOT_OURS_TO_MIND:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _init_mariadb(data_dir: Path, user: str) -> None:
    cleaning = data_dir.parent / "cleaning.sql"
    cleaning.write_text(_MARIADB_CLEANING + _time_zones("mariadb-tzinfo-to-sql", "--skip-write-binlog"))
    _run([
        "mariadb-install-db", "--no-defaults", f"--datadir={data_dir}", f"--user={user}", "--skip-test-db",
        "--auth-root-authentication-method=socket", f"--auth-root-socket-user={user}", "--skip-name-resolve",
        f"--extra-file={cleaning}",
    ])  # fmt: skip


def _init_mysql(data_dir: Path, user: str) -> None:
    accounts = data_dir.parent / "accounts.sql"
    accounts.write_text(f"{_MYSQL_ACCOUNTS.format(user=user)}USE mysql;\n{_time_zones('mysql_tzinfo_to_sql')}")
    _run([
        "mysqld", "--no-defaults", "--initialize-insecure", f"--init-file={accounts}", f"--datadir={data_dir}",
        f"--user={user}", "--auto-generate-certs=OFF", "--caching-sha2-password-auto-generate-rsa-keys=OFF",
        "--sha256-password-auto-generate-rsa-keys=OFF",
    ])  # fmt: skip


def _time_zones(tool: str, *options: str) -> str:
    return _run([tool, *options, ZONES]) if shutil.which(tool) else ""


def _pack(data_dir: Path, archive: Path) -> None:
    # The servers write their files out full of zeroes, and tar leaves out only what is a hole in the file.
    sparse = data_dir.with_name("sparse")
    _run(["cp", "-a", "--sparse=always", str(data_dir), str(sparse)])
    unfinished = archive.with_name("new." + archive.name)
    # By name, without the folder itself: only its owner could set the modes and times of that one again.
    names = sorted(entry.name for entry in sparse.iterdir())
    _run(["tar", "-C", str(sparse), "--sparse", "--auto-compress", "-cf", str(unfinished), "--", *names])
    unfinished.replace(archive)


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise DbHandlerError(f"{command[0]} has not finished within {TIMEOUT:.0f} s") from error
    except OSError as error:
        raise DbHandlerError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise DbHandlerError(f"{command[0]} failed with status {done.returncode}: {last[0]}")
    return done.stdout


if __name__ == "__main__":
    bake(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
