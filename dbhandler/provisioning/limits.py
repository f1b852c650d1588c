"""How many of the server's connections one account may have, where the owner says nothing: a third."""

from __future__ import annotations

import logging

from dbhandler.engine import sql
from dbhandler.engine.server import Server

logger = logging.getLogger(__name__)

DEFAULT = 100
"""max_user_connections in the image's my.cnf, a third of its max_connections. Any other value is the owner's."""
SHARE, LEAST = 3, 10
"""Our own account and the administrators' are under this limit, too, in MySQL; they need a few."""


def keep_share(server: Server) -> None:
    """Makes the limit a third of max_connections where it is still the image's. To be called for each of the server's
    lives. Raises Unavailable or ServerError."""
    [(connections, limit)] = server.execute(sql.connection_limits())
    wanted = max(LEAST, int(str(connections)) // SHARE)
    if int(str(limit)) == DEFAULT != wanted:
        server.execute(sql.limit_accounts(wanted))
        logger.info("an account may have %d of the %s connections (max_user_connections)", wanted, connections)
