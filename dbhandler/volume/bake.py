"""Baking the template: a data directory that is initialised once, when the image is built.

Called in the build of an image: python3 -m dbhandler.volume.bake ENGINE ARCHIVE USER
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from dbhandler.errors import DbHandlerError
from dbhandler.volume.tools import run

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


def _init_mariadb(data_dir: Path, user: str) -> None:
    cleaning = data_dir.parent / "cleaning.sql"
    cleaning.write_text(_MARIADB_CLEANING + _time_zones("mariadb-tzinfo-to-sql", "--skip-write-binlog"))
    run([
        "mariadb-install-db", "--no-defaults", f"--datadir={data_dir}", f"--user={user}", "--skip-test-db",
        "--auth-root-authentication-method=socket", f"--auth-root-socket-user={user}", "--skip-name-resolve",
        f"--extra-file={cleaning}",
    ])  # fmt: skip


def _init_mysql(data_dir: Path, user: str) -> None:
    accounts = data_dir.parent / "accounts.sql"
    accounts.write_text(f"{_MYSQL_ACCOUNTS.format(user=user)}USE mysql;\n{_time_zones('mysql_tzinfo_to_sql')}")
    run([
        "mysqld", "--no-defaults", "--initialize-insecure", f"--init-file={accounts}", f"--datadir={data_dir}",
        f"--user={user}", "--auto-generate-certs=OFF", "--caching-sha2-password-auto-generate-rsa-keys=OFF",
        "--sha256-password-auto-generate-rsa-keys=OFF",
    ])  # fmt: skip


def _time_zones(tool: str, *options: str) -> str:
    return run([tool, *options, ZONES]) if shutil.which(tool) else ""


def _pack(data_dir: Path, archive: Path) -> None:
    # The servers write their files out full of zeroes, and tar leaves out only what is a hole in the file.
    sparse = data_dir.with_name("sparse")
    run(["cp", "-a", "--sparse=always", str(data_dir), str(sparse)])
    unfinished = archive.with_name("new." + archive.name)
    # By name, without the folder itself: only its owner could set the modes and times of that one again.
    names = sorted(entry.name for entry in sparse.iterdir())
    run(["tar", "-C", str(sparse), "--sparse", "--auto-compress", "-cf", str(unfinished), "--", *names])
    unfinished.replace(archive)


if __name__ == "__main__":
    bake(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
