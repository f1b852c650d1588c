"""Environment variables that carry a connection: names and fields as an application's framework wants them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dbhandler.client.connection import Connection
from dbhandler.errors import InvalidRequest
from dbhandler.log import shown

PREFIX = "DB_"

FIELDS: Mapping[str, Callable[[Connection], str]] = {
    "name": lambda connection: connection.database,
    "user": lambda connection: connection.user,
    "password": lambda connection: connection.password,
    "host": lambda connection: connection.host,
    "port": lambda connection: str(connection.port),
    "address": lambda connection: connection.hosts[0],
    "hosts": lambda connection: ",".join(connection.hosts),
    "url": lambda connection: connection.dsn,
    "jdbc": lambda connection: connection.jdbc,
    "jdbc-address": lambda connection: connection.jdbc_address,
    "url-tls": lambda connection: connection.tls_url,
    "ssl-ca": lambda connection: connection.ca_file or "",
    "engine": lambda connection: connection.engine,
    # What PDO and its kin call either engine.
    "driver": lambda _: "mysql",
}
"""What a variable may hold. `url:SCHEME` is a URL with another scheme than mysql."""

PRESETS: Mapping[str, Mapping[str, str]] = {
    "django": {"DATABASE_URL": "url"},
    "laravel": {
        "DB_CONNECTION": "driver", "DB_HOST": "host", "DB_PORT": "port",
        "DB_DATABASE": "name", "DB_USERNAME": "user", "DB_PASSWORD": "password",
        "MYSQL_ATTR_SSL_CA": "ssl-ca",
    },
    "rails": {"DATABASE_URL": "url:mysql2"},
    "spring": {
        "SPRING_DATASOURCE_URL": "jdbc-address", "SPRING_DATASOURCE_USERNAME": "user",
        "SPRING_DATASOURCE_PASSWORD": "password",
    },
    "wordpress": {
        "WORDPRESS_DB_HOST": "address", "WORDPRESS_DB_NAME": "name",
        "WORDPRESS_DB_USER": "user", "WORDPRESS_DB_PASSWORD": "password",
    },
}  # fmt: skip
"""Variable -> field. Sources: Laravel's config/database.php; django-environ and dj-database-url; Rails Guides,
"Configuring a Database"; Spring Boot's relaxed binding of spring.datasource.*; the page of the image wordpress."""


@dataclass(frozen=True)
class Variables:
    """The variables that were asked for: those that begin with prefix (by default `DB_`, and none where a preset says
    what the application wants), those of the preset, and single ones (name -> field); the last word counts."""

    prefix: str | None = None
    preset: str | None = None
    single: Mapping[str, str] = field(default_factory=dict)

    def of(self, connection: Connection) -> dict[str, str]:
        """Name -> value."""
        prefix = PREFIX if self.prefix is None else self.prefix
        plain = {} if self.preset and self.prefix is None else connection.variables(prefix)
        fields = {**(PRESETS[self.preset] if self.preset else {}), **self.single}
        values = {name: _value(what, connection) for name, what in fields.items()}
        # There is not always a certificate to verify by, and an empty name is none.
        return plain | {name: value for name, value in values.items() if value}


def checked_prefix(text: str) -> str:
    """How the names of variables begin. Raises InvalidRequest for what no shell takes."""
    if text and not _is_name(text):
        raise InvalidRequest(f"a prefix has to be letters, digits and '_', no digit first, not {shown(text)}")
    return text


def assignment(text: str) -> tuple[str, str]:
    """`VAR=FIELD` as (variable, field). Raises InvalidRequest."""
    name, _, what = text.partition("=")
    if not _is_name(name) or not (what in FIELDS or re.fullmatch(r"url:[a-z][a-z0-9+.-]*", what)):
        allowed = f"{', '.join(FIELDS)} or url:SCHEME"
        raise InvalidRequest(f"it has to be VAR=FIELD, the name of a variable and {allowed}, not {shown(text)}")
    return name, what


def _value(what: str, connection: Connection) -> str:
    if what.startswith("url:"):
        return connection.url(what.removeprefix("url:"))
    return FIELDS[what](connection)


def _is_name(text: str) -> bool:
    return bool(re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", text))
