"""Volumes of others: taking over what another image has initialised, and what an older MariaDB has left."""

from __future__ import annotations

import logging
import subprocess
from contextlib import suppress
from pathlib import Path

from dbhandler.engine import sql
from dbhandler.engine.driver import ACCESS_DENIED
from dbhandler.engine.private_server import PrivateServer
from dbhandler.engine.server import Server, agent_server
from dbhandler.errors import DbHandlerError, ServerError
from dbhandler.inventory import InRun
from dbhandler.settings.config import Config

logger = logging.getLogger(__name__)

TIMEOUT = 3600.0
"""Seconds that an upgrade or a dump of the system tables may take."""

_ADOPT = {
    "mariadb": """\
CREATE USER IF NOT EXISTS '{user}'@localhost IDENTIFIED VIA unix_socket;
GRANT ALL PRIVILEGES ON *.* TO '{user}'@localhost WITH GRANT OPTION;
""",
    "mysql": """\
INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';
CREATE USER IF NOT EXISTS '{user}'@localhost IDENTIFIED WITH auth_socket;
GRANT ALL PRIVILEGES ON *.* TO '{user}'@localhost WITH GRANT OPTION;
""",
}


def init_file(config: Config) -> list[str]:
    """The server's option that lets us in without a password: only where the owner has set DBHANDLER_ADOPT."""
    path = config.run_dir / InRun.ADOPT
    path.write_text(_ADOPT[config.engine].format(user=config.socket_user))
    return [f"--init-file={path}"]


def adopt(private: PrivateServer, config: Config, root_password: str | None) -> None:
    """Makes sure that we have an account of our own at the socket; everybody else's stays as it is.

    Raises DbHandlerError, which says what the owner can do, when nothing lets us in.
    """
    if _is_let_in(private, config):
        return
    if root_password is None:
        raise DbHandlerError(
            f"{config.data_dir} was initialised by another image: give its root password (MARIADB_ROOT_PASSWORD or "
            "MYSQL_ROOT_PASSWORD), or DBHANDLER_ADOPT=1, to have our own account added"
        )
    _add_account(config, root_password)
    logger.info("adopted %s: the account %s@localhost was added, all others stay", config.data_dir, config.socket_user)


def _is_let_in(private: PrivateServer, config: Config) -> bool:
    with Server(str(config.socket), config.socket_user) as own:
        try:
            private.wait_for(own)
        except ServerError as error:
            if error.errno in ACCESS_DENIED:
                return False
            raise
    return True


def _add_account(config: Config, root_password: str) -> None:
    with Server(str(config.socket), "root", root_password) as root:
        try:
            root.connect()
        except ServerError as error:
            raise DbHandlerError(f"the given root password is not that of {config.data_dir}: {error}") from error
        if config.engine == "mysql":
            # It may be there already.
            with suppress(ServerError):
                root.execute(sql.install_auth_socket())
        for statement in sql.create_socket_account(config.socket_user, config.engine):
            root.execute(statement)


def upgrade_mariadb(private: PrivateServer, config: Config, version: str) -> None:
    """Backs up the system tables into the data directory and upgrades them. version is that of their last server.

    Raises DbHandlerError when either fails; both may be done again.
    """
    private.wait_for(agent_server(config))
    if config.upgrade_backup:
        backup = config.data_dir / f"system_mysql_backup_{version.partition('-')[0]}.sql.zst"
        logger.info("backing up the system tables of MariaDB %s to %s", version, backup.name)
        _back_up(config, backup)
    logger.info("upgrading the system tables of MariaDB %s", version)
    _upgrade(config)


def _upgrade(config: Config) -> None:
    upgrade = [
        "mariadb-upgrade", "--no-defaults", f"--socket={config.socket}", f"--user={config.socket_user}",
        "--upgrade-system-tables",
    ]  # fmt: skip
    try:
        done = subprocess.run(upgrade, stdin=subprocess.DEVNULL, timeout=TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise DbHandlerError(f"mariadb-upgrade has not finished within {TIMEOUT:.0f} s") from error
    if done.returncode:
        raise DbHandlerError(f"mariadb-upgrade failed with status {done.returncode}")


def _back_up(config: Config, backup: Path) -> None:
    unfinished = backup.with_name(f".{backup.name}")
    dump = [
        "mariadb-dump", "--no-defaults", f"--socket={config.socket}", f"--user={config.socket_user}",
        "--skip-lock-tables", "--replace", "--databases", "mysql",
    ]  # fmt: skip
    with subprocess.Popen(dump, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as dumping:
        try:
            packed = subprocess.run(["zstd", "-qf", "-o", str(unfinished)], stdin=dumping.stdout, timeout=TIMEOUT)
        except subprocess.TimeoutExpired as error:
            dumping.kill()
            raise DbHandlerError(f"the system tables are not backed up within {TIMEOUT:.0f} s") from error
    if dumping.returncode or packed.returncode:
        raise DbHandlerError("the system tables cannot be backed up, so they are not upgraded")
    unfinished.replace(backup)
