"""A server of the backup's own, which no network reaches: a base is loaded into it and the log replayed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dbhandler.backup.tool import DUMPING, EVERYTHING, Refused, Unloadable, environ, fed, loader, printed
from dbhandler.engine.private_server import TETHER, PrivateServer
from dbhandler.engine.server import Server
from dbhandler.engine.sql import Statement, create_socket_account
from dbhandler.os_user import socket_user
from dbhandler.settings.config import ENGINES
from dbhandler.volume import template

TEMPLATE = Path("/usr/share/dbhandler/template.tar.zst")
QUERY_TIMEOUT = 24 * 3600.0
"""Seconds. A checksum of a large table takes as long as it takes."""
_LOG_TOOLS = {"mariadb": "mariadb-binlog", "mysql": "mysqlbinlog"}
_DUMP_TOOLS = {"mariadb": ("mariadb-dump",), "mysql": ("mysqldump", "--set-gtid-purged=OFF")}
_FAST = (
    # It is thrown away after a crash: nothing has to survive one.
    "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF",
    "--loose-innodb-flush-method=nosync", "--loose-innodb-log-file-size=256M",
    "--loose-innodb-redo-log-capacity=512M", "--innodb-buffer-pool-size=256M",
    "--max-connections=20", "--table-open-cache=1000",
    "--event-scheduler=OFF", "--max-allowed-packet=1G", "--skip-name-resolve", "--loose-performance-schema=OFF",
    "--loose-mysqlx=OFF", "--character-set-server=utf8mb4",
)  # fmt: skip


class Replica:
    """The private server of one engine, on the data directory below `folder`."""

    def __init__(self, engine: str, folder: Path) -> None:
        self.engine, self._socket = engine, folder / "private.sock"
        self.missing: list[str] = []
        """What could not be brought, as the tools say it: views of tables that are not there, damaged tables."""
        self.server = Server(str(self._socket), socket_user(), timeout=QUERY_TIMEOUT, engine=engine)

    def load(self, dump: IO[bytes]) -> None:
        """Loads a base: all databases, accounts, too. Raises Unloadable where the server refuses it."""
        ours = create_socket_account(socket_user(), self.engine)
        # The base's accounts are in force with the first of these, and ours need not be among them.
        ending = ["FLUSH PRIVILEGES", *(self.text(statement) for statement in ours)]
        try:
            with fed(self._client(), self.missing) as stdin:
                shutil.copyfileobj(dump, stdin, 1 << 20)
                stdin.write("".join(f"\n{line};" for line in ending).encode())
        except Refused as error:
            raise Unloadable(str(error)) from error

    def replay(self, files: Sequence[Path], after: str) -> None:
        """Replays binary logs, without what is in the position `after` already. Raises DbHandlerError."""
        if not files:
            return
        options = {
            "mariadb": [f"--start-position={after}"] if after else [],
            "mysql": ["--skip-gtids", *([f"--exclude-gtids={after}"] if after else [])],
        }[self.engine]
        command = [_LOG_TOOLS[self.engine], "--no-defaults", *options, *map(str, files)]
        with fed(self._client(), self.missing) as stdin:
            stdin.writelines(printed(command, []))

    def dump(self, database: str) -> Iterator[bytes]:
        """One database's tables, views, routines, triggers and events, as lines of SQL that do not name the database.
        Raises DbHandlerError."""
        return self._dumped(["--", database])

    def dump_all(self) -> Iterator[bytes]:
        """All databases and accounts, as lines of SQL. Raises DbHandlerError."""
        return self._dumped(EVERYTHING)

    def text(self, statement: Statement) -> str:
        """A statement as the text of it alone. Its values hold no quotes: names of accounts, hashes, base64."""
        return statement.text % tuple(f"'{value}'" if isinstance(value, str) else value for value in statement.values)

    def _dumped(self, what: Sequence[str]) -> Iterator[bytes]:
        tool, *options = _DUMP_TOOLS[self.engine]
        return printed([tool, "--no-defaults", *self._reached(), *options, *DUMPING, *what], self.missing)

    def _client(self) -> list[str]:
        return [*loader(self.engine, "--no-defaults"), *self._reached()]

    def _reached(self) -> list[str]:
        return [f"--socket={self._socket}", f"--user={socket_user()}"]


@contextmanager
def replica(engine: str, folder: Path, options: Sequence[str] = ()) -> Iterator[Replica]:
    """An empty private server below `folder`, which is removed with it. options are the server's. Raises
    DbHandlerError."""
    with tempfile.TemporaryDirectory(prefix="replica-", dir=folder) as scratch:
        data_dir = Path(scratch, "data")
        data_dir.mkdir(mode=0o700)
        template.fill(data_dir, TEMPLATE)
        copy = Replica(engine, Path(scratch))
        command = [
            *TETHER,
            ENGINES[engine],
            "--no-defaults",
            f"--datadir={data_dir}",
            f"--socket={scratch}/private.sock",
        ]
        command += [f"--pid-file={scratch}/private.pid", f"--log-error={scratch}/private.err", f"--tmpdir={scratch}"]
        with PrivateServer(command, environ(), [*_FAST, *options]) as private, copy.server:
            private.wait_for(copy.server)
            yield copy
