"""What an application gets: a database with its account, and the forms in which applications want to read it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from urllib.parse import quote

from dbhandler.address import join_address
from dbhandler.option_file import quoted


@dataclass(frozen=True)
class Connection:
    """Where a database is and the account that opens it. The repr leaves the password out.

    others are `host:port` of the other nodes where the server is a Galera cluster: each of them is as good.
    """

    database: str
    host: str
    port: int
    user: str
    password: str
    others: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Connection({self.user!r} on {self.host}:{self.port}/{self.database!r})"

    @property
    def hosts(self) -> tuple[str, ...]:
        """`host:port` of every node, the one that answered first; one only where all are behind one address."""
        return tuple(dict.fromkeys((join_address(self.host, self.port), *self.others)))

    @property
    def dsn(self) -> str:
        """`mysql://user:password@host:port/database`, each part percent-encoded."""
        user, password = quote(self.user, safe=""), quote(self.password, safe="")
        return f"mysql://{user}:{password}@{self.hosts[0]}/{quote(self.database, safe='')}"

    @property
    def jdbc(self) -> str:
        """The URL of MariaDB Connector/J, which tries the hosts one after another."""
        options = f"user={quote(self.user, safe='')}&password={quote(self.password, safe='')}"
        return f"jdbc:mariadb:sequential://{','.join(self.hosts)}/{quote(self.database, safe='')}?{options}"

    def variables(self, prefix: str = "DB_") -> dict[str, str]:
        """Environment variables, each name beginning with `prefix`."""
        values = {
            "HOST": self.host,
            "PORT": str(self.port),
            "NAME": self.database,
            "USER": self.user,
            "PASSWORD": self.password,
            "URL": self.dsn,
        }
        if len(self.hosts) > 1:
            values["HOSTS"] = ",".join(self.hosts)
        return {prefix + name: value for name, value in values.items()}


def as_env(connection: Connection, prefix: str) -> str:
    """Lines that a shell can source."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in connection.variables(prefix).items())


def as_json(connection: Connection, _prefix: str) -> str:
    """One line of JSON."""
    values = asdict(connection) | {"hosts": connection.hosts, "dsn": connection.dsn}
    del values["others"]
    return json.dumps(values, ensure_ascii=False) + "\n"


def as_dsn(connection: Connection, _prefix: str) -> str:
    """The DSN on a line."""
    return connection.dsn + "\n"


def as_jdbc(connection: Connection, _prefix: str) -> str:
    """The JDBC URL on a line."""
    return connection.jdbc + "\n"


def as_my_cnf(connection: Connection, _prefix: str) -> str:
    """A [client] section for the command-line clients."""
    values: Mapping[str, str] = {
        "host": connection.host,
        "port": str(connection.port),
        "user": connection.user,
        "password": connection.password,
        "database": connection.database,
    }
    lines = [f"{key} = {quoted(value)}" for key, value in values.items()]
    return "\n".join(
        ["[client]", *(line for line in lines if not line.startswith("database")), "[mysql]", lines[-1], ""]
    )


FORMATS: Mapping[str, Callable[[Connection, str], str]] = {
    "env": as_env,
    "json": as_json,
    "dsn": as_dsn,
    "jdbc": as_jdbc,
    "my.cnf": as_my_cnf,
}
"""The values of --format."""
