"""Secrets in the run folder: what is handed to our processes, and for how long it stays.

All processes of the container run as one user, the server among them: for different ones a process would have to stay
root, or to keep the right to become others, to start programs again and to end them. So whoever takes over the server's
process has the agent's files as well. What SQL alone can reach is kept apart instead (my.cnf): a table's files are in
the data directory and nowhere else, so an application's account, which never has the privilege FILE, reads and writes
there only; with FILE, it is one folder more. And what nobody needs any more is not there to be read:

    MYSQL_ADMIN_PASSWORD, the official variables' passwords    until the server serves and its accounts are made
    DBHANDLER_POOL_SECRET, SERF_ENCRYPT_KEY, SERF_RPC_AUTH,    as long as the container: supervisord starts Serf and
    supervisord's password                                     the agent again, and people run commands with them
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dbhandler import files, passwords
from dbhandler.inventory import InRun

_PASSWORD = "{password}"  # noqa: S105


def write_supervisord_conf(template: Path, run_dir: Path) -> Path:
    """Writes supervisord's configuration with a password for its socket that nobody had before; returns its path.

    Raises OSError.
    """
    made = run_dir / InRun.SUPERVISORD_CONF
    files.write_private(made, template.read_text().replace(_PASSWORD, passwords.generate()))
    return made


def forget(folder: Path, names: Iterable[str]) -> None:
    """Empties the files of these secrets, where there are any: to whoever reads such a setting again, it is not set."""
    for name in names:
        if (file := folder / name).is_file():
            files.write_private(file, "")
