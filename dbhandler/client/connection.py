"""What an application gets: a database with its account, and the forms in which applications want to read it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from dbhandler.address import join_address
from dbhandler.errors import DbHandlerError
from dbhandler.log import shown
from dbhandler.option_file import quoted

_HOST = re.compile("[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,254}")
_ADDRESS = re.compile(r"(\[[A-Za-z0-9_.:%-]{1,254}\]|[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}):[0-9]{1,5}")


@dataclass(frozen=True)
class Connection:
    """Where a database is and the account that opens it. The repr leaves the password out.

    others are `host:port` of the other nodes where the server is a cluster: each of them is as good. engine is
    `mariadb` or `mysql`. ca is the certificate, in PEM, by which the server's is verified, ca_file the file that holds
    it; None where the server has none of a pool. ends_in is after how many seconds the account ends, or its database,
    unless that is renewed; None where it has no end. Raises DbHandlerError for a host or port that is none: a server
    says them, and they go into option files, URLs and command lines.
    """

    database: str
    host: str
    port: int
    user: str
    password: str
    others: tuple[str, ...] = ()
    engine: str = "mariadb"
    ca: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    ends_in: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise DbHandlerError(f"the server names a host that is none: {shown(self.host)}")
        if not 1 <= self.port <= 65535:
            raise DbHandlerError(f"the server names a port that is none: {self.port}")
        if wrong := [address for address in self.others if not _ADDRESS.fullmatch(address)]:
            raise DbHandlerError(f"the server names an address that is none: {shown(wrong[0])}")

    def __repr__(self) -> str:
        return f"Connection({self.user!r} on {self.host}:{self.port}/{self.database!r})"

    @property
    def hosts(self) -> tuple[str, ...]:
        """`host:port` of every node, the one that answered first; one only where all are behind one address."""
        return tuple(dict.fromkeys((join_address(self.host, self.port), *self.others)))

    @property
    def dsn(self) -> str:
        """`mysql://user:password@host:port/database`, each part percent-encoded."""
        return self.url("mysql")

    def url(self, scheme: str) -> str:
        """The DSN with another scheme, as some drivers want it."""
        return f"{scheme}://{_encoded(self.user)}:{_encoded(self.password)}@{self.hosts[0]}/{_encoded(self.database)}"

    @property
    def tls_url(self) -> str:
        """The DSN with the words that make clients verify the server. Source: MySQL 9.7 Reference Manual, 6.2.5
        (Connecting to the Server Using URI-Like Strings); dj-database-url and MySQL Shell read them."""
        words = {"ssl-mode": "VERIFY_IDENTITY", "ssl-ca": self.ca_file} if self.ca_file else {}
        return self.dsn + _query(words)

    @property
    def jdbc(self) -> str:
        """The URL of the engine's Connector/J, with the account in it."""
        return self._jdbc({"user": self.user, "password": self.password})

    @property
    def jdbc_address(self) -> str:
        """The same without the account. Both connectors try the hosts one after another."""
        return self._jdbc({})

    def _jdbc(self, words: Mapping[str, str]) -> str:
        scheme = "jdbc:mysql" if self.engine == "mysql" else "jdbc:mariadb:sequential"
        # MySQL's connector takes a Java key store only.
        if self.ca_file and self.engine == "mariadb":
            words = {**words, "sslMode": "verify-full", "serverSslCert": self.ca_file}
        return f"{scheme}://{','.join(self.hosts)}/{_encoded(self.database)}" + _query(words)

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
        if self.ca_file:
            values["SSL_CA"] = self.ca_file
        return {prefix + name: value for name, value in values.items()}


def _query(words: Mapping[str, str]) -> str:
    return "?" + "&".join(f"{name}={_encoded(word)}" for name, word in words.items()) if words else ""


def _encoded(text: str) -> str:
    return quote(text, safe="")


def as_env(_connection: Connection, variables: Mapping[str, str]) -> str:
    """Lines that a shell can source."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


def as_json(connection: Connection, _variables: Mapping[str, str]) -> str:
    """One line of JSON."""
    values = {key: getattr(connection, key) for key in ("database", "host", "port", "user", "password", "engine")}
    more = {"hosts": connection.hosts, "dsn": connection.dsn, "ssl_ca": connection.ca_file}
    end = {} if connection.ends_in is None else {"ends_in": connection.ends_in}
    return json.dumps(values | more | end, ensure_ascii=False) + "\n"


def as_dsn(connection: Connection, _variables: Mapping[str, str]) -> str:
    """The DSN on a line."""
    return connection.dsn + "\n"


def as_jdbc(connection: Connection, _variables: Mapping[str, str]) -> str:
    """The JDBC URL on a line."""
    return connection.jdbc + "\n"


def as_my_cnf(connection: Connection, _variables: Mapping[str, str]) -> str:
    """Sections for the command-line clients of either engine, and the database for those that take one."""
    client = {"host": connection.host, "port": str(connection.port)}
    client |= {"user": connection.user, "password": connection.password}
    sections = {"client": client, "mysql": {"database": connection.database}}
    if connection.ca_file:
        # With a CA MySQL's clients verify who has signed; with the mode, whom for, too, and MariaDB's do not know it.
        client |= {"ssl-ca": connection.ca_file}
        client |= {"loose-ssl-mode": "VERIFY_IDENTITY"} if connection.engine == "mysql" else {}
        sections["client-mariadb"] = {"ssl-verify-server-cert": "1"}
    return "".join(_section(name, values) for name, values in sections.items())


def _section(name: str, values: Mapping[str, str]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {quoted(value)}\n" for key, value in values.items())


FORMATS: Mapping[str, Callable[[Connection, Mapping[str, str]], str]] = {
    "env": as_env,
    "json": as_json,
    "dsn": as_dsn,
    "jdbc": as_jdbc,
    "my.cnf": as_my_cnf,
}
"""The values of --format."""
