"""A pool of real containers that is backed up: an agent, a server, and the backup's container."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dbhandler.trust.secret import new_secret
from tests.support.containers import Container, Database, Site
from tests.support.docker import docker, eventually

_ROWS = """
import json, os, sys
from dbhandler.backup.cli import folder_of
from dbhandler.backup.moment import moment_of
from dbhandler.backup.restoring import Backup
from dbhandler.backup.run import open_repository
from dbhandler.backup.source import remembered
from dbhandler.engine.sql import Statement
from dbhandler.settings.backup import backup_settings
from dbhandler.settings.environment import prepared

environ, (server, at, query) = prepared(os.environ), sys.argv[1:]
settings = backup_settings(environ)
repository, folder = open_repository(settings, environ), folder_of(settings, server)
repository.open()
backup = Backup(remembered(folder), folder, repository, settings.folder / "scratch")
with backup.at(moment_of(at, backup.source.engine)) as copy:
    print(json.dumps(copy.server.execute(Statement(query))))
"""
SHIP = "5s"
PROVEN = r"the backup of \S+ is proven"


def said(moment: float) -> str:
    """A time (UTC seconds) as --at takes it."""
    return datetime.fromtimestamp(moment, UTC).isoformat()


class BackupContainer(Container):
    """The backup of a pool."""

    def tool(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """dbhandler-backup inside."""
        return self.run("dbhandler-backup", *arguments)

    def listed(self) -> str:
        return self.tool("list").stdout

    def restore(self, database: str, at: str, name: str, *more: str) -> subprocess.CompletedProcess[str]:
        return self.tool("restore", database, "--at", at, "--as", name, *more)

    def restic(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """restic inside, with the password that the pool's secret gives."""
        return self.python(
            "import os, sys; from dbhandler.trust.backup import repository_password;"
            "from dbhandler.trust.secret import parse;"
            "[secret] = parse(os.environ['DBHANDLER_POOL_SECRET']);"
            "os.environ['RESTIC_PASSWORD'] = repository_password(secret);"
            "os.environ.setdefault('RESTIC_REPOSITORY', '/backups/repository');"
            "os.execvp('restic', ['restic', *sys.argv[1:]])",
            *arguments,
        )

    def python(self, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A program inside, which may use the image's packages."""
        return self.run("env", "PYTHONPATH=/usr/local/lib/python3/dist-packages", "python3", "-c", text, *arguments)

    def rows(self, at: str, query: str, server: str = "db1") -> list[list[Any]]:
        """What a query finds in a private server as that one was at a moment: no server of the pool is needed."""
        return list(self.answer(_ROWS, server, at, query))

    def answer(self, text: str, *arguments: str) -> Any:
        """What such a program prints as JSON."""
        done = self.python(text, *arguments)
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout.splitlines()[-1])

    def count(self, pattern: str) -> int:
        """How many times the log tells it."""
        return len(re.findall(pattern, self.logs))

    def wait_proven(self, times: int = 1) -> None:
        eventually("a proven base", lambda: self.count(PROVEN) >= times, interval=0.3)


class BackedUp:
    """A pool with one server and its backup; more of both can be added."""

    def __init__(self, site: Site, engine: str, options: Sequence[str] = (), **backup: str) -> None:
        self.site, self.engine, self.secret = site, engine, new_secret()
        self.network = site.network()
        self.common = {"DBHANDLER_POOL_SECRET": self.secret}
        on = ("--network", self.network)
        self.agent = site.agent(options=on, **self.common)
        self.common["SERF_JOIN"] = self.agent.name
        self.server = self.add_server("db1")
        self.backup = self.add_backup(*options, **backup)

    def add_server(self, host: str, *more: str, **environ: str) -> Database:
        """One more server, called so, started."""
        options = ("--network", self.network, "--hostname", host, *more)
        return self.site.database(self.engine, options=options, **self.common, **environ)

    def add_backup(self, *more: str, **environ: str) -> BackupContainer:
        """One more backup, started; options are of `docker run`."""
        environ = {"DBHANDLER_BACKUP_SHIP": SHIP, **self.common, **environ}
        options = ("--network", self.network, *more)
        return BackupContainer(self.site.start(f"dbhandler-backup:{self.engine}", options=options, **environ))

    def close(self) -> None:
        """Ends what takes the machine's time, before the module's end."""
        docker("rm", "-f", "-v", self.server.name, self.backup.name, self.agent.name, check=False)


def checksums(server: Database, *but: str) -> dict[str, Any]:
    """Of every table in every database that is neither the server's own nor one of these."""
    found: dict[str, Any] = {}
    for schema in sorted(server.databases() - set(but)):
        for name, kind in server.sql(f"SHOW FULL TABLES IN `{schema}`"):
            if kind == "BASE TABLE":
                found[f"{schema}.{name}"] = server.sql(f"CHECKSUM TABLE `{schema}`.`{name}`")[0][1]
    return found
