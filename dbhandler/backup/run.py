"""`dbhandler-backup run`: what the container does, a Serf agent and the keeper of backups."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from dbhandler import edge, log, paths, places
from dbhandler.backup import shipped
from dbhandler.backup.keeper import Keeper
from dbhandler.backup.locks import occupied
from dbhandler.backup.measuring import Measuring
from dbhandler.backup.own_service import OwnService
from dbhandler.backup.queries import HANDLER, Queries
from dbhandler.backup.repository import Repository
from dbhandler.backup.source import Source, sources
from dbhandler.backup.standing import Standings
from dbhandler.backup.whole import wishes
from dbhandler.distant.access import Access
from dbhandler.errors import DbHandlerError
from dbhandler.inventory import InState
from dbhandler.requests.signer import Signer
from dbhandler.requests.vocabulary import BackupQuery
from dbhandler.serf.launch import connect
from dbhandler.serf.membership import Membership
from dbhandler.serf.proof import Believer, Prover
from dbhandler.serf.tags import Role, Tag
from dbhandler.settings.backup import SCRATCH, SOURCES, BackupSettings, backup_settings
from dbhandler.settings.environment import hand_over_secrets, prepared, secrets_of, without_secrets
from dbhandler.settings.output import log_format
from dbhandler.thread_failure import ThreadFailure
from dbhandler.trust.backup import RESTORER, USER, account_password, repository_password, restorer_password
from dbhandler.trust.pool import Pool

logger = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two looks at the members."""
ENDING = 3.0
"""Seconds for which the end waits for what is being done."""


def run(environ: Mapping[str, str]) -> int:
    """Backs up the servers of the pool until a signal ends it; returns the exit status."""
    log.configure(log_format(environ))
    return edge.started("the backup", lambda: _start(prepared(environ)))


def open_repository(settings: BackupSettings, environ: Mapping[str, str]) -> Repository:
    """The repository that the settings name; nothing is done there yet."""
    own = [settings.password] if settings.password else [repository_password(secret) for secret in settings.secrets]
    return Repository(settings.repository, own, settings.folder / "cache", environ)


def open_access(
    settings: BackupSettings, environ: Mapping[str, str], user: str, password: Callable[[bytes], str]
) -> Access:
    """The way to the pool's servers as one of its accounts. Raises OSError."""
    return Access(settings.secrets, Path(paths.run_dir(environ)) / "backup", user, password)


def _start(environ: Mapping[str, str]) -> int:
    settings = backup_settings(environ)
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    places.check([settings.folder])
    os.umask(0o077)
    with occupied(settings.folder) as former:
        # The private servers of one that was killed: nobody restores before this one runs.
        shutil.rmtree(settings.folder / SCRATCH, ignore_errors=True)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        serf = _serf_agent(environ)
        try:
            return _serve(settings, environ, former, serf, stop)
        finally:
            stop.set()
            serf.terminate()
            serf.wait()


def _serve(
    settings: BackupSettings,
    environ: Mapping[str, str],
    former: Collection[str],
    serf: subprocess.Popen[bytes],
    stop: threading.Event,
) -> int:
    reader = open_access(settings, environ, USER, account_password)
    restorer = open_access(settings, environ, RESTORER, restorer_password)
    repository = open_repository(settings, environ)
    shipped.bring_back(repository, settings.folder / SOURCES)
    keeper = Keeper(settings, reader, restorer, repository, stop, former)
    own = OwnService(settings, reader, open_repository(settings, environ))
    membership = _membership(settings, environ, own.keys.public)
    believer = Believer(Pool(settings.secrets).ids)
    standings = Standings(settings.folder / SOURCES, keeper.followed)
    queries = Queries(
        {BackupQuery.STATUS: standings.told, BackupQuery.RESTORE: own.answer},
        Signer(Pool(settings.secrets), own.keys).signed,
    )
    threading.excepthook = failed = ThreadFailure(stop.set)
    threads = _started(stop, {
        "membership": membership.run, "work": lambda _: keeper.work(),
        "metrics": Measuring(settings, environ, standings).run,
        "queries": partial(queries.run, paths.agent_socket(environ)), **own.threads,
    })  # fmt: skip
    logger.info("backs up the servers of the pool %s into %s", Pool(settings.secrets).id, repository.place)
    while not stop.wait(INTERVAL):
        believed = believer.believed(membership.members)
        keeper.look(found := sources(believed), wishes(believed))
        own.look(found)
        if serf.poll() is not None:
            logger.error("the Serf agent has ended with status %d", serf.returncode)
            return os.EX_SOFTWARE
    own.close()
    keeper.close()
    # Docker gives ten seconds.
    for thread in threads:
        thread.join(ENDING)
    return os.EX_SOFTWARE if failed.happened else os.EX_OK


def _started(stop: threading.Event, works: Mapping[str, Callable[[threading.Event], None]]) -> list[threading.Thread]:
    """A thread for each of these works, by its name."""
    threads = [threading.Thread(target=work, args=(stop,), name=name, daemon=True) for name, work in works.items()]
    for thread in threads:
        thread.start()
    return threads


def known_sources(settings: BackupSettings, timeout: float = 5.0) -> list[Source]:
    """The sources that serve now, as the Serf agent of this container tells. Raises Unavailable."""
    believer, deadline = Believer(Pool(settings.secrets).ids), time.monotonic() + timeout
    while True:
        try:
            with connect(settings.serf) as serf:
                return sources(believer.believed(serf.members()))
        except DbHandlerError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.5)


def _serf_agent(environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    secrets, run_dir = secrets_of(environ), Path(paths.run_dir(environ))
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = hand_over_secrets(secrets, run_dir / "secrets")
    command = ["dbhandler-serf-agent", f"-tag={Tag.ROLE}={Role.BACKUP}", HANDLER]
    return subprocess.Popen(command, env={**without_secrets(environ), **files})


def _membership(settings: BackupSettings, environ: Mapping[str, str], key: str) -> Membership:
    peers = Path(paths.state_dir(environ)) / InState.PEERS
    peers.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    prover = Prover(Pool(settings.secrets))
    tags: Mapping[str, str] = {Tag.ROLE: Role.BACKUP, Tag.KEY: key}
    return Membership(partial(connect, settings.serf), lambda: tags, (), peers, prove=prover.proofs)
