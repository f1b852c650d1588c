"""What the official images' variables ask of a first start. Source: the pages and entry points of the images mariadb
and mysql (docs/reference/official-variables.md has them one by one)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dbhandler.address import is_host
from dbhandler.engine.sql import ANY_HOST
from dbhandler.errors import ConfigError
from dbhandler.log import shown
from dbhandler.settings.config import ROOT_SETTINGS
from dbhandler.settings.setting import Reader

_PRIVILEGES = re.compile(r"[A-Za-z]+( [A-Za-z]+)*(, *[A-Za-z]+( [A-Za-z]+)*)*", re.ASCII)


@dataclass(frozen=True)
class Root:
    """How root is to log in. expired: the password has to be changed at the first log-in."""

    host: str
    password: str | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)
    random: bool = False
    expired: bool = False


@dataclass(frozen=True)
class User:
    """An account with all privileges on the databases of the first start, or one that replicas log in with."""

    name: str
    host: str
    password: str | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Source:
    """The server that this one is to be a replica of, and the account there."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class FirstStart:
    """What is made once, on an empty data directory. health are the privileges that the owner wants for the
    account of health checks, zones says whether the server knows time zones, replica is the account for replicas of
    this server, source what it is a replica of; warnings are for the log."""

    root: Root | None
    databases: tuple[str, ...]
    user: User | None
    charset: str | None
    collation: str | None
    warnings: tuple[str, ...] = ()
    health: str | None = None
    zones: bool = True
    replica: User | None = None
    source: Source | None = None

    @property
    def asks_for_something(self) -> bool:
        """Is there anything to make?"""
        wishes = (self.root, self.databases, self.user, self.health, self.replica, self.source)
        return any(wishes) or not self.zones


class _Names:
    """Reads MARIADB_NAME, else MYSQL_NAME: the official MariaDB image takes both, in this order."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._read = Reader(environ)

    def text(self, name: str) -> str | None:
        return self._read.text(f"MARIADB_{name}") or self._read.text(f"MYSQL_{name}")

    def flag(self, *names: str) -> bool:
        """Any text that is not empty means yes, as in the official images."""
        return any(self.text(name) for name in names)


def first_start(environ: Mapping[str, str]) -> FirstStart:
    """Reads what is to be made. Raises ConfigError, whose sentence names the variable."""
    read = _Names(environ)
    (user, warnings), health = _user(read), read.text("HEALTHCHECK_GRANTS")
    if health is not None and not _PRIVILEGES.fullmatch(health):
        raise ConfigError(f"MARIADB_HEALTHCHECK_GRANTS has to be privileges with commas between, not {shown(health)}")
    if read.text("MYSQL_LOCALHOST_GRANTS"):
        warnings += ("MARIADB_MYSQL_LOCALHOST_GRANTS changes nothing: this image's own account, mysql@localhost, has "
                     "all privileges",)  # fmt: skip
    databases = [name for name in (read.text("DATABASE"), *(read.text("DATABASES") or "").split()) if name]
    replica, source = _replication(read)
    return FirstStart(
        _root(read), tuple(dict.fromkeys(databases)), user, read.text("CHARACTER_SET"), read.text("COLLATE"), warnings,
        health, not read.flag("INITDB_SKIP_TZINFO"), replica, source,
    )  # fmt: skip


def root_password(environ: Mapping[str, str]) -> str | None:
    """Root's password, where one is given. Raises ConfigError."""
    return _Names(environ).text("ROOT_PASSWORD")


def complaint(environ: Mapping[str, str]) -> str | None:
    """Why an empty volume is not to be filled: a variable that says how root logs in is there and says nothing, which
    is a typing mistake and no wish for our admin. None where that is not so. Raises ConfigError."""
    read = Reader(environ)
    empty = [name for name in ROOT_SETTINGS if name in environ or f"{name}_FILE" in environ]
    if not empty or any(map(read.text, ROOT_SETTINGS)) or read.is_set(*_OUR_ADMIN):
        return None
    return (
        f"{empty[0]} is set to nothing, and nothing else says how root logs in: give it a value, or leave it out to "
        "have an admin with a generated password"
    )


_OUR_ADMIN = ("DBHANDLER_ADMIN", "MYSQL_ADMIN_USER", "MYSQL_ADMIN_PASSWORD")


def for_scripts(environ: Mapping[str, str]) -> dict[str, str]:
    """What init scripts find in their environment: the values under both names, wherever they were read from."""
    read = _Names(environ)
    names = ("ROOT_PASSWORD", "ROOT_HOST", "DATABASE", "USER", "PASSWORD")
    values = {name: value for name in names if (value := read.text(name))}
    return {f"{prefix}_{name}": value for name, value in values.items() for prefix in ("MARIADB", "MYSQL")}


def _root(read: _Names) -> Root | None:
    password, hashed = read.text("ROOT_PASSWORD"), read.text("ROOT_PASSWORD_HASH")
    random = read.flag("RANDOM_ROOT_PASSWORD")
    empty = read.flag("ALLOW_EMPTY_ROOT_PASSWORD", "ALLOW_EMPTY_PASSWORD")
    if hashed and (password or random or empty):
        raise ConfigError("MARIADB_ROOT_PASSWORD_HASH excludes every other way to give root a password")
    if not (password or hashed or random or empty):
        return None
    # As in the official images, a password that is to be generated wins over a given one.
    given = None if random or hashed else password or ""
    return Root(read.text("ROOT_HOST") or ANY_HOST, given, hashed, random, read.flag("ONETIME_PASSWORD"))


def _user(read: _Names) -> tuple[User | None, tuple[str, ...]]:
    name, password, hashed = read.text("USER"), read.text("PASSWORD"), read.text("PASSWORD_HASH")
    if name and name.lower() == "root":
        raise ConfigError(
            "MYSQL_USER and MYSQL_PASSWORD are for a regular user, not for 'root': its password is MYSQL_ROOT_PASSWORD"
        )
    if password and hashed:
        raise ConfigError("MARIADB_PASSWORD_HASH and MARIADB_PASSWORD exclude each other")
    if name is None or not (password or hashed):
        missing = "MYSQL_USER" if name is None else "MYSQL_PASSWORD"
        half = name or password or hashed
        return None, ((f"{missing} is missing beside its counterpart: no user is made",) if half else ())
    return User(name, read.text("USER_HOST") or ANY_HOST, password, hashed), ()


def _replication(read: _Names) -> tuple[User | None, Source | None]:
    """The account that replicas log in with, on a source, or the source of a replica."""
    user, password = read.text("REPLICATION_USER"), read.text("REPLICATION_PASSWORD")
    hashed, host, port = read.text("REPLICATION_PASSWORD_HASH"), read.text("MASTER_HOST"), read.text("MASTER_PORT")
    if not (user or password or hashed or host or port):
        return None, None
    if user is None:
        raise ConfigError("MARIADB_REPLICATION_USER is missing: a source makes that account, a replica logs in with it")
    if user.lower() == "root":
        raise ConfigError("MARIADB_REPLICATION_USER has to be an account of its own, not 'root'")
    if host is None and port is not None:
        raise ConfigError("MARIADB_MASTER_PORT needs MARIADB_MASTER_HOST, the source of this replica")
    if host is None:
        return _for_replicas(user, password, hashed), None
    return None, _source(host, port or "3306", user, password, hashed)


def _for_replicas(user: str, password: str | None, hashed: str | None) -> User:
    if bool(password) == bool(hashed):
        raise ConfigError(
            "MARIADB_REPLICATION_USER needs MARIADB_REPLICATION_PASSWORD or MARIADB_REPLICATION_PASSWORD_HASH, one of "
            "them: replicas log in with it"
        )
    return User(user, ANY_HOST, password, hashed)


def _source(host: str, port: str, user: str, password: str | None, hashed: str | None) -> Source:
    if hashed or not password:
        raise ConfigError(
            "MARIADB_MASTER_HOST needs MARIADB_REPLICATION_PASSWORD: a replica logs in with the password, not with "
            "its hash"
        )
    if not is_host(host):
        raise ConfigError(f"MARIADB_MASTER_HOST has to be a host name or an IP address, not {shown(host)}")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ConfigError(f"MARIADB_MASTER_PORT has to be a whole number from 1 to 65535, not {shown(port)}")
    return Source(host, int(port), user, password)
