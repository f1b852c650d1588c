"""The account by which all agents of the pool reach the directory: made, and kept as it should be, by the agent of the
server that holds it."""

from __future__ import annotations

from collections.abc import Sequence

from dbhandler.directory import directory_sql
from dbhandler.directory.directory import make
from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import Denied
from dbhandler.trust.directory import USER, account_password


class DirectoryAccount:
    """The account on one server of the pool with these secrets, whose first one its password follows."""

    def __init__(self, server: Server, secrets: Sequence[bytes]) -> None:
        self._server, self._passwords = server, [account_password(secret) for secret in secrets]

    def ensure(self) -> None:
        """Makes the directory and the account, where they are missing, and gives the account the present password.
        Raises Denied for an account that is somebody else's, Unavailable or ServerError when the server does."""
        make(self._server)
        present = self._passwords[0]
        if not self._server.execute(sql.account_exists(USER)):
            self._server.execute(sql.create_user(USER, present, self._server.engine, needs_tls=True))
        elif not any(self._server.accepts(USER, password) for password in self._passwords):
            raise Denied(f"the account {USER} is not this pool's: drop or rename it")
        elif self._rights()[1]:
            raise Denied(f"the account {USER} may more than it needs: drop it, and it is made anew")
        elif not self._server.accepts(USER, present):
            self._server.execute(sql.change_password(USER, present, self._server.engine))
        if self._rights()[0] < len(directory_sql.RIGHTS):
            self._server.execute(directory_sql.give_account())

    def _rights(self) -> tuple[int, int]:
        """How many it has on the directory, and on anything else."""
        [(held, others)] = self._server.execute(directory_sql.rights(USER))
        return int(str(held)), int(str(others))
