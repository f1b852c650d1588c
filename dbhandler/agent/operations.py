"""What carries out requests, and what ends by itself: put together, for they share a clock and a lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from dbhandler.agent.observe import Observe
from dbhandler.agent.recent import Recent
from dbhandler.agent.worker import Worker
from dbhandler.audit.record import Audit, Entry
from dbhandler.audit.under_way import under_way_of
from dbhandler.engine.server import Server, agent_server
from dbhandler.errors import DbHandlerError
from dbhandler.inventory import InState
from dbhandler.provisioning.account_table import Account
from dbhandler.provisioning.copies import Copies
from dbhandler.provisioning.copying import Copying
from dbhandler.provisioning.drop_table import DropTable
from dbhandler.provisioning.dump import dump_command
from dbhandler.provisioning.granting import Granting
from dbhandler.provisioning.lane import STATEMENT_TIMEOUT, Lane
from dbhandler.provisioning.lease_clock import LeaseClock
from dbhandler.provisioning.leases import Leases
from dbhandler.provisioning.lifecycle import Lifecycle
from dbhandler.provisioning.passwords import Passwords
from dbhandler.provisioning.provision import ANYWHERE, Provisioner
from dbhandler.provisioning.quota import Quota
from dbhandler.provisioning.registry import Registry
from dbhandler.provisioning.settling import Places
from dbhandler.requests.box import Credentials, Keys
from dbhandler.serf.launch import connect
from dbhandler.settings.config import Config
from dbhandler.settings.serf import SerfSettings

NO_TRANSACTION = {"mariadb": ["--skip-no-autocommit"], "mysql": []}
"""MariaDB's dump keeps a transaction open for each table, which other connections would wait for."""


@dataclass(frozen=True)
class Operations:
    """Who carries out requests, and the work of the threads that end what is due and write copies."""

    worker: Worker
    threads: Mapping[str, Callable[[threading.Event], None]]


def operations(
    config: Config,
    server: Server,
    keys: Keys,
    registry: Registry,
    lane: Lane,
    observe: Observe,
    recent: Recent,
    quota: Quota,
    lock: threading.Lock,
    node: str = "",
    places: Places = ANYWHERE,
    leaves: Callable[[], bool] = lambda: False,
) -> Operations:
    """Wires them together. recent is told what changes or is refused, quota says which databases are too large, lock is
    held against others who give or take accounts; node is this node's identity in a cluster, places says where new
    databases go, leaves whether they are another server's to make. Raises OSError."""
    clock = LeaseClock(config.state_dir / InState.LEASE_CLOCK)
    event_clock, drops, policy = partial(_event_clock, config.serf), DropTable(server), config.policy
    passwords = Passwords(server, clock.now, lock)
    copies = _copies(config, node)
    provisioner = Provisioner(
        server, policy, config.engine, keys, registry, event_clock, config.group is not None, clock.now, places,
        quota.told,
    )  # fmt: skip
    worker = Worker(
        provisioner,
        Lifecycle(server, policy, keys, registry, drops, lane, event_clock, passwords),
        Granting(server, policy, keys, registry, drops, clock.now, lock),
        Copying(server, policy, keys, registry, drops, copies, node, quota.told),
        observe=observe,
        serves=server.serves,
        check_free=drops.check_free,
        audit=recent,
        under_way=under_way_of(config, recent.trail),
        leaves=leaves,
    )
    # A connection is one thread's.
    ended = partial(_tell_ended, recent)
    leases = Leases(agent_server(config), clock, lane, lock, event_clock, policy.allow_drop, ended)
    return Operations(worker, {"leases": leases.run, "copies": copies.run})


def _copies(config: Config, node: str) -> Copies:
    # Rows of one table on several connections, and nobody waits for the end of a transaction.
    options = ["--skip-add-locks", "--skip-disable-keys", *NO_TRANSACTION[config.engine]]
    command = dump_command(config.engine, config.socket, config.socket_user, *options)
    server = agent_server(config, timeout=STATEMENT_TIMEOUT)
    return Copies(server, command, partial(account_server, config), node)


def account_server(config: Config, account: Credentials) -> Server:
    """The server of this container, as an account that loads its database: a statement may take long."""
    return Server(
        str(config.socket), account.user, account.password, STATEMENT_TIMEOUT, engine=config.engine,
        database=account.database, encrypted=config.policy.require_tls,
    )  # fmt: skip


def _tell_ended(audit: Audit, account: Account) -> None:
    audit(Entry("lease", "ended", account.name, account.user, origin="lease"))


def _event_clock(settings: SerfSettings) -> int | None:
    try:
        with connect(settings) as serf:
            return serf.event_clock()
    except DbHandlerError:
        return None
