"""An empty server waits for the pool's backup, which fills it (DBHANDLER_RESTORE): with the databases, the accounts and
the key of the server that it was, so that applications go on with what they have."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from dbhandler import files
from dbhandler.engine import sql
from dbhandler.engine.server import Server
from dbhandler.errors import DbHandlerError, ServerError, Unavailable
from dbhandler.inventory import InState
from dbhandler.provisioning import backup_sql
from dbhandler.provisioning.kept_key import KEY
from dbhandler.requests import box
from dbhandler.settings.config import Config
from dbhandler.trust.backup import RESTORED, RESTORER, restorer_password
from dbhandler.trust.safe import Safe
from dbhandler.volume.data_dir import STAMP, UNKEYED

logger = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two looks."""


def wait(config: Config, server: Server) -> None:
    """Returns once a backup has filled the server, which is the one of before by then. Raises Unavailable while the
    server is away, DbHandlerError where what the backup brought is not this pool's."""
    logger.info("waits for a backup of the pool that holds %s (dbhandler-backup list)", config.restore)
    while not (closed := _brought(server)):
        # A backup that was cut off may have replaced the accounts, and not have come to the end.
        with suppress(ServerError, Unavailable):
            _open_door(config, server)
        time.sleep(PAUSE)
    if (key := Safe(config.pool_secrets).open(closed)) is None:
        raise DbHandlerError("the key of the server that was restored does not open with this pool's secret")
    # Before the data are taken for another server's than the key.
    files.write_private(config.data_dir / STAMP, UNKEYED)
    box.restore(config.state_dir / InState.KEY, key)
    server.execute(sql.drop_user(RESTORER))
    server.execute(backup_sql.forget(RESTORED))
    files.write_private(config.state_dir / InState.RESTORED, f"{config.restore}\n")
    logger.info("restored from %s", config.restore)


def _open_door(config: Config, server: Server) -> None:
    if not server.execute(sql.account_exists(RESTORER)):
        password = restorer_password(config.pool_secrets[0])
        server.execute(backup_sql.read_accounts())
        server.execute(sql.create_user(RESTORER, password, config.engine, needs_tls=True))
        server.execute(sql.grant_everything(RESTORER))


def _brought(server: Server) -> str | None:
    """The closed key that the backup has brought, once it says that all is there."""
    try:
        rows = {str(name): str(value) for name, value in server.execute(backup_sql.kept((RESTORED, KEY)))}
    except (ServerError, Unavailable):
        # The table comes with the agent, and with the backup again.
        return None
    return rows.get(KEY) if RESTORED in rows else None
