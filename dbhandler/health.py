"""dbhandler-health: is this database container ready to serve? For HEALTHCHECK."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from dbhandler import sql
from dbhandler.admin import pending_file
from dbhandler.config import Config
from dbhandler.errors import DbHandlerError
from dbhandler.server import agent_server

USAGE = """usage: dbhandler-health

Exit status 0 when the database server answers and the admin account has been made, else 1 with one sentence.
"""
EX_USAGE = 64


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv:
        print(USAGE, end="")
        return 0 if list(argv) in (["-h"], ["--help"]) else EX_USAGE
    try:
        reason = unready(Config.from_environ(os.environ if environ is None else environ))
    except (DbHandlerError, OSError) as error:
        reason = str(error)
    print(reason or "ready")
    return 1 if reason else 0


def unready(config: Config) -> str | None:
    """Why the container is not ready, or None when it is. Raises DbHandlerError when the server is away."""
    with agent_server(config) as server:
        admin = server.execute(sql.account_exists(config.admin_user))
    if not admin:
        return "there is no admin account yet"
    # Looked for after the account, which is made while the file is there: so no banner is missed in between.
    return "the admin account is being made" if pending_file(config).exists() else None
