"""When two names of databases are one: the server's own rule (lower_case_table_names), and what its grants mean."""

from __future__ import annotations

from typing import Protocol

from dbhandler.engine.sql import Statement, grant_pattern
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.privilege_sql import Rules


class Executes(Protocol):
    """Whatever runs a statement and returns its rows, as Server does."""

    def execute(self, statement: Statement) -> list[tuple[object, ...]]: ...


class Names:
    """The rules of one server. Every method raises Unavailable or ServerError when the server does."""

    def __init__(self, server: Executes) -> None:
        self._server = server
        self._rules: Rules | None = None
        self._changeable = False

    def rules(self) -> Rules:
        """The rules as they are now: that of letter case stands while a server runs, that of wildcards may change."""
        if self._rules is None:
            values = {str(name): str(value) for name, value in self._server.execute(privilege_sql.rules())}
            self._changeable = "partial_revokes" in values
            folded = values.get("lower_case_table_names", "0") != "0"
            self._rules = Rules(folded, values.get("partial_revokes", "OFF") == "OFF")
        elif self._changeable:
            [(revokes,)] = self._server.execute(privilege_sql.partial_revokes())
            self._rules = Rules(self._rules.folded, not int(str(revokes)))
        return self._rules

    def folded(self, name: str) -> str:
        """The name as the server compares it: two names are one when these are equal."""
        if not (self._rules or self.rules()).folded:
            return name
        [(small,)] = self._server.execute(privilege_sql.folded(name))
        return str(small)

    def pattern(self, database: str) -> str:
        """What stands for this database alone in a grant on this server."""
        return grant_pattern(self.folded(database), self.rules().wildcards)
