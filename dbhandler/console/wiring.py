"""The parts of the console, put together: which of them knows which."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dbhandler import paths
from dbhandler.console import http
from dbhandler.console.actions import Actions
from dbhandler.console.app import Console
from dbhandler.console.doing import Doing
from dbhandler.console.guard import Guard
from dbhandler.console.history import History
from dbhandler.console.inside import Inside, Moving
from dbhandler.console.jobs import Jobs
from dbhandler.console.looking import Looking, shown_moves
from dbhandler.console.measuring import Measuring
from dbhandler.console.pages import Pages
from dbhandler.console.past import Past
from dbhandler.console.recents import Recents
from dbhandler.console.watch import Watch
from dbhandler.errors import ConfigError
from dbhandler.serf.access import addresses, auth_key, connect_first
from dbhandler.serf.rpc import Serf
from dbhandler.settings.console import ConsoleSettings
from dbhandler.settings.pool import directory_settings, pool_secrets, trusted_pools
from dbhandler.settings.setting import Reader
from dbhandler.thread_failure import ThreadFailure
from dbhandler.trust.safe import Safe

if TYPE_CHECKING:
    from dbhandler.console.ways import Ways
    from dbhandler.pool.moving import PoolMoves


def run(settings: ConsoleSettings, environ: Mapping[str, str], serves: Callable[[], None]) -> None:
    """Serves the page until one of its threads has failed; serves is called once it does. environ has the secrets as
    values. Raises DbHandlerError, or OSError where it cannot listen."""
    guard, watch = Guard(settings), _watch(settings, environ)
    history = History(settings.history) if settings.history else None
    # Each has a way of its own into servers: each is a thread.
    looking = Looking(watch, _ways(environ), _moving(watch, environ), _recents(environ))
    measuring = Measuring(watch, history, _ways(environ), settings.metrics, _metrics_context(settings, environ))
    pages = Pages(lambda: (watch.version, watch.sight), partial(_inside, looking, measuring))
    actions = Actions(watch.connect, trusted_pools(environ), _moves(environ))
    console = Console(watch, pages, guard, Past(history), Doing(actions, Jobs()))
    server = http.serve((settings.host, settings.port), console.application, guard.is_for_us)
    threading.excepthook = ThreadFailure(server.shutdown)
    watch.start()
    for part in (looking.run, measuring.run):
        threading.Thread(target=part, daemon=True).start()
    serves()
    server.serve_forever()


def _inside(looking: Looking, measuring: Measuring, node: str) -> Inside:
    counts = measuring.counts(node)
    return replace(looking(node), requests=counts.requests if counts else None)


def _metrics_context(settings: ConsoleSettings, environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """By whose certificates servers that serve metrics over TLS are known."""
    if settings.metrics is None or not settings.metrics.tls:
        return None
    if not (secrets := pool_secrets(environ)):
        raise ConfigError(
            "DBHANDLER_CONSOLE_METRICS with https:// needs DBHANDLER_POOL_SECRET, by which servers are known"
        )
    from dbhandler.trust.authority import pool_roots

    return ssl.create_default_context(cadata=pool_roots(tuple(secrets)))


def _watch(settings: ConsoleSettings, environ: Mapping[str, str]) -> Watch:
    agents, key = addresses(None, environ), auth_key(environ)
    return Watch(partial(connect_first, agents, key), trusted_pools(environ), settings)


def _ways(environ: Mapping[str, str]) -> Ways | None:
    if not (secrets := pool_secrets(environ)):
        return None
    # Only here: without the secret neither a driver nor certificates are needed.
    from dbhandler.console.ways import Ways

    return Ways(secrets, Path(paths.run_dir(environ)) / "console")


def _recents(environ: Mapping[str, str]) -> Recents | None:
    secrets = pool_secrets(environ)
    return Recents(Safe(secrets)) if secrets else None


def _moves(environ: Mapping[str, str]) -> Callable[[Serf], PoolMoves] | None:
    """The moves of a pool with a directory, as an agent sees it; None for a pool without one."""
    if directory_settings(Reader(environ)) is None:
        return None
    from dbhandler.pool.servers import PoolServers

    return lambda serf: PoolServers(serf, environ).moves()


def _moving(watch: Watch, environ: Mapping[str, str]) -> Callable[[], Sequence[Moving]] | None:
    """What tells of the moves of a pool with a directory."""
    if (moves := _moves(environ)) is None:
        return None
    from dbhandler.pool.moves import as_objects

    def moving() -> Sequence[Moving]:
        with watch.connect() as serf:
            found = moves(serf)
            return shown_moves(as_objects(found.all(), found.nodes))

    return moving
