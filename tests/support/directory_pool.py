"""A pool of servers with a directory, in a network of its own, and an application beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dbhandler.trust.directory import USER, account_password
from dbhandler.trust.secret import new_secret, parse
from tests.support.containers import RPC_KEY, Database, Site
from tests.support.docker import eventually, together

DIRECTORY = "db1"


class DirectoryPool:
    """db1, db2, … of the given engines, of which `directory` holds the directory (empty: there is none); settings are
    those of single ones."""

    def __init__(
        self, site: Site, engines: Sequence[str], *, directory: str = DIRECTORY, **settings: dict[str, str]
    ) -> None:
        self.site, self.network, self.secret = site, site.network(), new_secret()
        self.directory_name = directory
        self.agent = site.agent(options=("--network", self.network, "--network-alias", "serf_agent"))
        self.servers = {
            f"db{number}": self.add(f"db{number}", engine, **settings.get(f"db{number}", {}))
            for number, engine in enumerate(engines, 1)
        }
        together(*(server.wait_healthy for server in self.servers.values()))
        together(*(server.wait_ready for server in self.servers.values()))
        if directory:
            eventually("all servers in the directory", lambda: len(self.standings()) == len(self.servers))

    def add(self, node: str, engine: str, **settings: str) -> Database:
        """A container with a server of the pool, started."""
        given = {
            "SERF_NODE": node, "SERF_JOIN": "serf_agent", "SERF_RPC_AUTH": RPC_KEY, "DBHANDLER_ALLOW_DROP": "1",
            "DBHANDLER_POOL_SECRET": self.secret, "DBHANDLER_DIRECTORY": self.directory_name, **settings,
        }  # fmt: skip
        options = ("--network", self.network, "--network-alias", node, "--hostname", node)
        return self.site.database(engine, options=options, **{name: text for name, text in given.items() if text})

    @property
    def directory(self) -> Database:
        return self.servers[DIRECTORY]

    def standings(self, asked: str = "db2") -> list[dict[str, Any]]:
        """What dbhandler-pool status tells; nothing while it cannot."""
        done = self.servers[asked].run("dbhandler-pool", "status", "--json", SERF_RPC_AUTH=RPC_KEY)
        return list(json.loads(done.stdout.splitlines()[-1])["servers"]) if done.returncode == 0 else []

    def request(self, *arguments: str, check: bool = True) -> Any:
        """What dbhandler-request prints as JSON, run by an application in the agent's container; where it may fail its
        exit status with all that it says."""
        done = self.agent.run("dbhandler-request", *arguments, "--format", "json", SERF_RPC_AUTH=RPC_KEY)
        if not check:
            return done
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout.splitlines()[-1])

    def holders(self, name: str) -> list[str]:
        """The servers that have the database."""
        return [node for node, server in self.servers.items() if server.holds(name)]

    def row(self, name: str) -> str | None:
        """The node that has a name in the directory."""
        [*rows] = self.directory.sql(
            "SELECT s.node FROM dbhandler_directory.names n JOIN dbhandler_directory.servers s ON s.server = n.server "
            f"WHERE n.name = '{name}'"
        )
        return str(rows[0][0]) if rows else None

    @property
    def account(self) -> tuple[str, str]:
        """User and password of the directory's account."""
        return USER, account_password(parse(self.secret)[0])
