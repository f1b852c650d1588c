"""What the official images' variables ask of a first start. Source: the pages of the images mariadb and mysql."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbhandler.engine.sql import ANY_HOST
from dbhandler.errors import ConfigError
from dbhandler.settings.setting import Reader


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
    """An account with all privileges on the databases of the first start."""

    name: str
    host: str
    password: str | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class FirstStart:
    """What is made once, on an empty data directory. warnings are for the log."""

    root: Root | None
    databases: tuple[str, ...]
    user: User | None
    charset: str | None
    collation: str | None
    warnings: tuple[str, ...] = ()

    @property
    def asks_for_something(self) -> bool:
        """Is there anything to make?"""
        return bool(self.root or self.databases or self.user)


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
    user, warnings = _user(read)
    databases = [name for name in (read.text("DATABASE"), *(read.text("DATABASES") or "").split()) if name]
    return FirstStart(
        _root(read), tuple(dict.fromkeys(databases)), user, read.text("CHARACTER_SET"), read.text("COLLATE"), warnings
    )


def root_password(environ: Mapping[str, str]) -> str | None:
    """Root's password, where one is given. Raises ConfigError."""
    return _Names(environ).text("ROOT_PASSWORD")


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
    if hashed and (password or random):
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
    if name is None or not (password or hashed):
        missing = "MYSQL_USER" if name is None else "MYSQL_PASSWORD"
        half = name or password or hashed
        return None, ((f"{missing} is missing beside its counterpart: no user is made",) if half else ())
    return User(name, read.text("USER_HOST") or ANY_HOST, None if hashed else password, hashed), ()
