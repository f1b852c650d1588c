"""An agent's part in moves, put together: one thread takes databases from other servers, one gives them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dbhandler.agent.operations import account_server
from dbhandler.engine.server import Server, agent_server
from dbhandler.inventory import InRun

if TYPE_CHECKING:
    from dbhandler.agent.directory import Own
    from dbhandler.directory.standing import Standing


@dataclass(frozen=True)
class Movers:
    """The work of the threads, and for how many seconds nothing that is to move from here has come on (None: nothing
    is)."""

    threads: Mapping[str, Callable[[threading.Event], None]]
    still: Callable[[], int | None]


def movers(own: Own, standing: Callable[[], Standing], node: str) -> Movers:
    """Wires them together. node is this server's identity in its cluster, and empty where it is in none."""
    config = own.config
    # Only here: who has no directory needs none of it.
    from dbhandler.distant.access import Access
    from dbhandler.moving.belongings import Receiving
    from dbhandler.moving.coming import TIMEOUT, Here
    from dbhandler.moving.giving import Giving
    from dbhandler.moving.taking import Taking
    from dbhandler.trust.backup import USER, account_password

    def receiving(server: Server) -> Receiving:
        return Receiving(server, config.policy.max_user_connections, config.policy.require_tls)

    def identity() -> str:
        return standing().server

    # A connection is one thread's.
    coming, going = agent_server(config, timeout=TIMEOUT), agent_server(config)
    here = Here(
        coming, partial(account_server, config), lambda: agent_server(config, timeout=TIMEOUT),
        receiving(coming), own.link(coming), config.engine, config.group is not None,
    )  # fmt: skip
    access = Access(config.pool_secrets, config.run_dir / InRun.MOVES, USER, account_password)
    taking = Taking(here, access, identity, own.serves, node)
    giving = Giving(going, own.link(going), receiving(going), identity, own.serves)
    return Movers({"moves here": taking.run, "moves away": giving.run}, lambda: giving.still)
