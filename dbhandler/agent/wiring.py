"""The parts of the agent, put together: which of them knows which."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dbhandler import log, paths
from dbhandler.address import join_address
from dbhandler.agent.certificate import EAGER_INTERVAL, INTERVAL
from dbhandler.agent.directory import Own, Placing, directory_tag, placing
from dbhandler.agent.drain import SpoolDrain
from dbhandler.agent.for_backup import ForBackup, end_once
from dbhandler.agent.last_error import LastError
from dbhandler.agent.loop import Agent
from dbhandler.agent.observe import Sources, start
from dbhandler.agent.operations import operations
from dbhandler.agent.proofs import Proofs, proofs_of
from dbhandler.agent.queries import Queries
from dbhandler.agent.recent import recent_of
from dbhandler.agent.watch import ServerWatch
from dbhandler.engine.server import Server, agent_server
from dbhandler.group.engines import tending
from dbhandler.group.store import GroupStore
from dbhandler.group.watch import GroupWatch, group_watch
from dbhandler.inventory import InState
from dbhandler.provisioning.backup_account import BackupAccount
from dbhandler.provisioning.kept_key import KeptKey
from dbhandler.provisioning.lane import drop_lane
from dbhandler.provisioning.limits import keep_share
from dbhandler.provisioning.move_table import MoveTable
from dbhandler.provisioning.quota import Quota, quota_of
from dbhandler.provisioning.registry import Registry
from dbhandler.provisioning.sessions import Sessions
from dbhandler.requests.box import Keys, restore
from dbhandler.serf.launch import connect
from dbhandler.serf.membership import Membership
from dbhandler.serf.presence import SerfPresence
from dbhandler.serf.tags import Role, Tag
from dbhandler.settings.config import Config
from dbhandler.spool import FAILED, Spool
from dbhandler.trust.safe import Safe
from dbhandler.volume import tls
from dbhandler.volume.identity import ServerIdentity, kept_key

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """The loop, and what has a thread of its own: it looks after the Serf cluster, drops databases, renews the server's
    certificate."""

    agent: Agent
    threads: Mapping[str, Callable[[threading.Event], None]]


def build(config: Config, environ: Mapping[str, str]) -> Parts:
    """Wires the agent's parts together. Raises DbHandlerError or OSError."""
    server = agent_server(config)
    spools = [_open_spool(paths.spool_dir(environ)), _open_spool(paths.memory_spool_dir(environ))]
    keys, identity = _identity(config)
    backup = _for_backup(config, server, keys, identity)
    proofs = proofs_of(config, keys, lambda: membership.own)
    registry, errors = Registry(server, config.state_dir / InState.OLD_REGISTRY), _last_error(identity)
    group = group_watch(config, server, lambda: membership.members)
    watch = _watch(config, server, errors, group, partial(_prepare, server, proofs, backup))
    membership = _membership(config, partial(_tags, config, watch, keys, identity, group), proofs)
    tls_files = (config.data_dir / tls.CERTIFICATE, config.data_dir / tls.KEY)
    was = lambda: identity.tags().get(Tag.WAS, "")  # noqa: E731
    node = _node_id(config)
    directory = placing(Own(config, keys.public, watch, lambda: membership, was), server, node)
    recent, lock = recent_of(config), threading.Lock()
    quota = quota_of(config, lock, recent)
    sources = _sources(config, watch, spools, errors, directory, quota)
    observe = start(config.metrics, sources, tls_files)
    lane = drop_lane(config, node, recent)
    working = operations(
        config, server, keys, registry, lane, observe, recent, quota, lock, node, directory.places,
        lambda: watch.is_replica,
    )  # fmt: skip
    whereabouts = partial(_whereabouts, config, watch, membership)
    queries = Queries(
        working.worker, server, watch, registry, spools[0], whereabouts, errors, observe=observe, proofs=proofs,
        places=directory.places, quota=lambda: quota.reading, moving=moving(server), recent=recent.answer,
    )  # fmt: skip
    drains = [SpoolDrain(spool, working.worker) for spool in spools]
    agent = Agent(drains, queries, watch, paths.wake_fifo(environ), paths.agent_socket(environ))
    threads = {"membership": membership.run, "drops": lane.run, **working.threads, **directory.threads}
    if tend := tending(config):
        threads["group"] = tend
    if config.awaits_backup:
        threads["backup"] = partial(end_once, (config.state_dir / InState.RESTORED).exists, agent.stop)
    else:
        threads["quota"] = quota.run
    if proofs.certificate:
        interval = EAGER_INTERVAL if config.awaits_backup else INTERVAL
        threads["certificate"] = partial(proofs.certificate.run, agent_server(config), interval=interval)
    return Parts(agent, threads)


def _identity(config: Config) -> tuple[Keys, ServerIdentity]:
    path, safe = config.state_dir / InState.KEY, Safe(config.pool_secrets) if config.pool_secrets else None
    if safe and not path.exists() and (kept := kept_key(config.data_dir, safe)):
        logger.info("the state volume is a new one: this server has its key from its data")
        restore(path, kept)
    is_new, keys = not path.exists(), Keys(path)
    keep = partial(_kept, safe, keys)
    return keys, ServerIdentity(config.data_dir, config.run_dir, keys.public, is_new, bool(safe), keep)


def _kept(safe: Safe | None, keys: Keys, kept: str | None) -> str | None:
    """What is to be kept of the server's key, where that is kept already."""
    return kept if safe is None or (kept and safe.is_current(kept)) else safe.close(keys.private)


def _for_backup(config: Config, server: Server, keys: Keys, identity: ServerIdentity) -> ForBackup:
    # One that is to be restored gets its key from the backup.
    if not config.pool_secrets or config.awaits_backup:
        return ForBackup(())
    account = BackupAccount(server, config.pool_secrets)
    kept = KeptKey(server, keys.public, partial(_kept, Safe(config.pool_secrets), keys), _node_id(config))

    def keep_key() -> None:
        # Not the key of a state that is another server's, until the owner has said that it is this one's.
        if identity.complaint() is None:
            kept.ensure()

    return ForBackup((account.ensure, keep_key))


def _node_id(config: Config) -> str:
    return GroupStore(config.state_dir, config.run_dir).identity() if config.group else ""


def _last_error(identity: ServerIdentity) -> LastError:
    errors = LastError(standing=identity.complaint)
    logging.getLogger("dbhandler").addHandler(errors)
    return errors


def _prepare(server: Server, proofs: Proofs, backup: ForBackup) -> None:
    """What is done before a server is ready, in each of its lives."""
    keep_share(server)
    if proofs.certificate:
        proofs.certificate.look(server)
    backup.look()


def _watch(
    config: Config, server: Server, errors: LastError, group: GroupWatch | None, prepare: Callable[[], None]
) -> ServerWatch:
    return ServerWatch(
        server,
        config.engine,
        # One that a backup fills is another server afterwards: the next agent is the first to say so.
        config.ready_file.exists if not config.awaits_backup else lambda: False,
        note=errors.note,
        counting=config.metrics is not None,
        check=Sessions(server).kept(group.check) if group else None,
        prepare=prepare,
    )


def _membership(config: Config, tags: Callable[[], Mapping[str, str]], proofs: Proofs) -> Membership:
    return Membership(
        partial(connect, config.serf),
        tags,
        config.serf.join,
        config.state_dir / InState.PEERS,
        seen=SerfPresence(config.run_dir).note_seen,
        prove=proofs.prove,
    )


def _tags(
    config: Config, watch: ServerWatch, keys: Keys, identity: ServerIdentity, group: GroupWatch | None
) -> Mapping[str, str]:
    return {
        # Serf is started with it; whoever has RPC's key may have set another.
        Tag.ROLE: Role.DATABASE,
        **watch.tags(),
        Tag.KEY: keys.public,
        **identity.tags(),
        **(group.tags() if group else {}),
        **advertised(config),
        **({Tag.RESTORE: config.restore} if config.restore and config.awaits_backup else {}),
        **lets_restore(config),
        **directory_tag(config),
    }


def lets_restore(config: Config) -> Mapping[str, str]:
    """The tag that says whether applications may have former states of their databases; without a pool's secret there
    is no backup. A no is said, too: whoever has RPC's key may have set a yes. In a cluster, whose tags are full, there
    is a yes or nothing."""
    if not config.pool_secrets or (config.group and not config.policy.allow_restore):
        return {}
    return {Tag.OWN: f"{config.policy.allow_restore:d}"}


def _sources(
    config: Config,
    watch: ServerWatch,
    spools: list[Spool],
    errors: LastError,
    directory: Placing,
    quota: Quota,
) -> Sources:
    return Sources(
        watch.tags,
        lambda: sum(len(spool.entries()) for spool in spools),
        lambda: watch.databases,
        lambda: errors.lines,
        directory.reached,
        config.policy.max_databases,
        lambda: quota.reading,
        directory.still,
    )


def _open_spool(folder: str) -> Spool:
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    spool = Spool(folder)
    for name in spool.sweep():
        logger.error("%s in %s is no event, set aside in %s", log.shown(name), folder, FAILED)
    return spool


def advertised(config: Config) -> Mapping[str, str]:
    """The tag with the address that applications are told, for whoever gets it from another node of the cluster."""
    if config.group is None or config.advertise_host is None:
        return {}
    return {Tag.ADDRESS: join_address(config.advertise_host, config.advertise_port or 3306)}


def moving(server: Server) -> Callable[[str], bool]:
    """Says of a database whether it moves; server is the connection of the agent's loop."""
    table = MoveTable(server)
    return lambda name: table.of(name) is not None


def _whereabouts(config: Config, watch: ServerWatch, membership: Membership) -> Mapping[str, object]:
    own = membership.own
    host = config.advertise_host or (own.host if own else socket.gethostname())
    return {"host": host, "port": config.advertise_port or watch.port}
