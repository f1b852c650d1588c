"""A database server that takes our own statements only, as the driver would send them."""

from __future__ import annotations

import re

from pymysql.converters import escape_string

from dbhandler.engine.sql import Statement
from dbhandler.provisioning import privilege_sql
from dbhandler.requests.policy import Policy

NAME = r"`((?:[^`]|``)+)`"
VALUE = r"'((?:[^'\\]|\\.|'')*)'"
OTHERS = rf"NOT \(User <=> (?:NULL|{VALUE}) AND Host = {VALUE}\)"
SHAPES = [
    re.compile(shape, re.DOTALL)
    for shape in (
        rf"CREATE DATABASE {NAME} CHARACTER SET {VALUE}(?: COLLATE {VALUE})?",
        rf"CREATE USER IF NOT EXISTS {VALUE}@{VALUE} IDENTIFIED BY PASSWORD {VALUE}",
        rf"GRANT ALL PRIVILEGES ON {NAME}\.\* TO {VALUE}@{VALUE}",
        rf"SELECT 1 FROM information_schema\.SCHEMATA WHERE SCHEMA_NAME = {VALUE} "
        r"AND EXISTS \(SELECT 1 FROM mysql\.user\)",
        rf"SELECT Host FROM mysql\.user WHERE User = {VALUE}",
        re.escape(privilege_sql.rules().text),
        r"SELECT 1 FROM information_schema\.TABLES WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = 'dbhandler_boxes'",
        rf"SELECT User, Host FROM mysql\.db WHERE CAST\({VALUE} AS BINARY\) LIKE CAST\(Db AS BINARY\) AND {OTHERS}"
        rf"(?: UNION ALL SELECT User, Host FROM mysql\.\w+_priv WHERE Db = {VALUE} AND {OTHERS})+ LIMIT 1",
        rf"SELECT Db FROM mysql\.db WHERE User = {VALUE} AND Host = {VALUE}",
        rf"SELECT \(SELECT COUNT\(\*\) FROM mysql\.\w+_priv WHERE (?:[^']|{VALUE})*\)",
        rf"SELECT \(SELECT COUNT\(\*\) FROM information_schema\.TABLES WHERE (?:[^']|{VALUE})*\)",
        r"SHOW PROCESSLIST",
        rf"SELECT db FROM mysql\.proc WHERE definer = {VALUE} UNION ALL SELECT db FROM mysql\.event WHERE "
        rf"definer = {VALUE} LIMIT 1",
    )
]
WIDE = Policy(name_pattern=re.compile(r"(?s).+"))
"""An owner who allows every name: then quoting is all that protects."""


class StrictServer:
    """Takes statements as the driver would send them, and refuses any that has no known shape."""

    engine = "mariadb"

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[str | None, ...]]] = []

    def execute(self, statement: Statement) -> list[tuple[object, ...]]:
        text = statement.text % tuple(sent(value) for value in statement.values)
        matches = [found for shape in SHAPES if (found := shape.fullmatch(text))]
        assert len(matches) == 1, f"not one of our statements: {text!r}"
        self.sent.append((matches[0].re.pattern[:12], matches[0].groups()))
        return [(0,)] if text.startswith("SELECT (SELECT COUNT") else []

    def accepts(self, user: str, password: str) -> bool:
        return True


def sent(value: object) -> str:
    """A value as the driver writes it."""
    return "NULL" if value is None else f"'{escape_string(str(value))}'"
