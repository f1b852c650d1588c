"""The data directory, from whatever a volume holds to what the server can be started on."""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from dbhandler import files
from dbhandler.engine import binlog
from dbhandler.errors import ConfigError, DbHandlerError, ServerError
from dbhandler.first_start import init_scripts, official
from dbhandler.inventory import InRun, InState
from dbhandler.settings.config import ENGINES, Config
from dbhandler.volume import belonging, template, tls
from dbhandler.volume.data_dir import STAMP, UNKEYED, Held, examine, is_empty

if TYPE_CHECKING:
    from dbhandler.first_start.work import FirstStartWork

logger = logging.getLogger(__name__)

TC_LOG_CLOSED = b"A\x23\x05\x74"
"""How MariaDB's transaction coordinator log begins once it was closed in order. Source: MariaDB Server, sql/log.cc."""


class Volume:
    """Prepares the data directory of `config` for the server whose command line is `command`.

    environ is the container's, with the official images' variables in it: their files are read now, because they may
    be root's alone. Nothing of ours runs yet.
    """

    def __init__(self, config: Config, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._config, self._command = config, command
        self._first = _first_start_work(config, command, environ)
        self._root_password, self._complaint = official.root_password(environ), official.complaint(environ)
        self._environ: Mapping[str, str] = {}

    def prepare(self, environ: Mapping[str, str]) -> None:
        """Fills an empty directory and does the first start's work on it; takes over and upgrades any other.

        environ is that of the processes started for it. Raises DbHandlerError; a directory that this server cannot
        use is left untouched.
        """
        self._environ = environ
        check_belonging(self._config)
        check_empty_to_restore(self._config)
        if is_empty(self._config.data_dir):
            remove_remains(self._config)
            self._first_start()
            return
        # Only now: to ask the server for its version is to start a large program.
        version = server_version(self._config.engine)
        held = examine(self._config.data_dir, self._config.engine, version)
        remove_remains(self._config)
        self._later_start(held, version)

    def _first_start(self) -> None:
        if self._complaint:
            raise ConfigError(self._complaint)
        logger.info("the data directory is filled from the template of this image")
        folder = self._config.data_dir
        template.fill(folder, self._config.template, partial(tls.ensure_keys, self._config.engine, folder))
        # Else nobody can log in yet, and dbhandler-admin makes it durable while the server starts.
        if self._first:
            self._first.do(self._environ)
            template.finish(folder)

    def _later_start(self, held: Held, version: str) -> None:
        config = self._config
        tls.ensure_keys(config.engine, config.data_dir)
        if log := binlog.recovery_options(config):
            self._recover(log)
        old = config.engine == "mariadb" and held.is_older_than(version)
        if old and not config.auto_upgrade:
            logger.warning(
                "the system tables are of MariaDB %s, the server is %s: MARIADB_AUTO_UPGRADE=1 backs them up and "
                "upgrades them", held.version, version,
            )  # fmt: skip
        if not held.ours or (old and config.auto_upgrade):
            # Only here, as in _first_start_work.
            from dbhandler.engine.private_server import PrivateServer
            from dbhandler.volume import upgrade

            init_file = upgrade.init_file(config) if config.adopt and not held.ours else []
            command = binlog.identified(self._command, config)
            with PrivateServer(command, self._environ, init_file) as private:
                if not held.ours:
                    upgrade.adopt(private, config, self._root_password)
                if old and config.auto_upgrade:
                    upgrade.upgrade_mariadb(private, config, str(held.version))
        if not held.ours:
            files.write_private(config.data_dir / STAMP, UNKEYED)

    def _recover(self, log: Sequence[str]) -> None:
        """Lets the server end in order what it was killed in, by the binary log that it writes no more."""
        # Only here, as in _first_start_work.
        from dbhandler.engine.private_server import PrivateServer
        from dbhandler.engine.server import agent_server

        logger.info("recovering by the binary log, which is off from now on: the server was not stopped in order")
        private = PrivateServer(self._command, self._environ, log)
        # One of another image may not let us in, and has recovered all the same.
        with private, agent_server(self._config) as server, suppress(ServerError):
            private.wait_for(server)


def _first_start_work(config: Config, command: Sequence[str], environ: Mapping[str, str]) -> FirstStartWork | None:
    """What FirstStartWork is, None where nothing is asked for. Raises ConfigError for what cannot be done."""
    if config.restore or not (official.first_start(environ).asks_for_something or init_scripts.found()):
        return None
    # Only here: most servers start without the driver and all that makes accounts, and so sooner.
    from dbhandler.first_start.work import FirstStartWork

    return FirstStartWork(config, command, environ)


def server_version(engine: str) -> str:
    """The version of the installed server, such as 11.8.3-MariaDB. Raises DbHandlerError."""
    command = [ENGINES[engine], "--no-defaults", "--version"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise DbHandlerError(f"{command[0]} cannot be run: {error}") from error
    found = re.search(r"\bVer (\S+)", output)
    if found is None:
        raise DbHandlerError(f"{command[0]} does not tell its version: {output[:100]!r}")
    return found[1]


def check_belonging(config: Config) -> None:
    """Raises DbHandlerError for volumes that belong to another cluster than the one to start in."""
    cluster = config.group.name if config.group else None
    belonging.check(config.data_dir, config.state_dir, cluster, config.leave_group)


def check_empty_to_restore(config: Config) -> None:
    """Raises DbHandlerError where a backup would be put in place of data that it did not bring."""
    waiting = config.state_dir / InState.AWAITS
    if not config.awaits_backup or waiting.exists():
        return
    if not is_empty(config.data_dir):
        raise DbHandlerError(
            f"DBHANDLER_RESTORE fills an empty server, and {config.data_dir} holds data: give it new volumes, or leave "
            "the variable out"
        )
    files.write_private(waiting, f"{config.restore}\n")


def remove_remains(config: Config) -> None:
    """Removes what a kill has left: what the server would stumble over, and a password."""
    config.ready_file.unlink(missing_ok=True)
    for remain in (InRun.IDENTITY, InRun.LOG_IN):
        (config.run_dir / remain).unlink(missing_ok=True)
    # The lock names a process of the former life, whose number is somebody else's by now: MySQL would not start.
    for name in (config.socket.name, f"{config.socket.name}.lock"):
        config.socket.with_name(name).unlink(missing_ok=True)
    tc_log = config.data_dir / "tc.log"
    if tc_log.is_file() and _is_spent(tc_log.read_bytes()):
        tc_log.unlink()


def _is_spent(tc_log: bytes) -> bool:
    """Is it a log that MariaDB was killed while making, emptying or closing? It holds no transaction then, and
    MariaDB would not start. Any other odd content is the owner's to judge: it may be worth a recovery."""
    # The header is written and synced before the first transaction; recovery zeroes the whole file at its end.
    return not tc_log.strip(b"\0") or tc_log.startswith(TC_LOG_CLOSED)
