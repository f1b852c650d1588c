"""The data directory, from whatever a volume holds to what the server can be started on."""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from dbhandler import files, official, template, tls, upgrade
from dbhandler.config import ENGINES, Config
from dbhandler.data_dir import STAMP, Held, examine, is_empty
from dbhandler.errors import DbHandlerError
from dbhandler.first_start import FirstStartWork
from dbhandler.private_server import PrivateServer

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
        self._first = FirstStartWork(config, command, environ)
        self._root_password = official.root_password(environ)
        self._environ: Mapping[str, str] = {}

    def prepare(self, environ: Mapping[str, str]) -> None:
        """Fills an empty directory and does the first start's work on it; takes over and upgrades any other.

        environ is that of the processes started for it. Raises DbHandlerError; a directory that this server cannot
        use is left untouched.
        """
        self._environ = environ
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
        logger.info("the data directory is filled from the template of this image")
        template.fill(self._config.data_dir, self._config.template)
        tls.ensure_keys(self._config.engine, self._config.data_dir)
        self._first.do(self._environ)
        template.finish(self._config.data_dir)

    def _later_start(self, held: Held, version: str) -> None:
        config = self._config
        tls.ensure_keys(config.engine, config.data_dir)
        old = config.engine == "mariadb" and held.is_older_than(version)
        if old and not config.auto_upgrade:
            logger.warning(
                "the system tables are of MariaDB %s, the server is %s: MARIADB_AUTO_UPGRADE=1 backs them up and "
                "upgrades them", held.version, version,
            )  # fmt: skip
        if not held.ours or (old and config.auto_upgrade):
            init_file = upgrade.init_file(config) if config.adopt and not held.ours else []
            with PrivateServer(self._command, self._environ, init_file) as private:
                if not held.ours:
                    upgrade.adopt(private, config, self._root_password)
                if old and config.auto_upgrade:
                    upgrade.upgrade_mariadb(private, config, str(held.version))
        if not held.ours:
            files.write_private(config.data_dir / STAMP, "")


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


def remove_remains(config: Config) -> None:
    """Removes what a kill has left and the server would stumble over."""
    config.ready_file.unlink(missing_ok=True)
    # The lock names a process of the former life, whose number is somebody else's by now: MySQL would not start.
    for name in (config.socket.name, f"{config.socket.name}.lock"):
        config.socket.with_name(name).unlink(missing_ok=True)
    tc_log = config.data_dir / "tc.log"
    with suppress(FileNotFoundError):
        if _is_spent(tc_log.read_bytes()):
            tc_log.unlink()


def _is_spent(tc_log: bytes) -> bool:
    """Is it a log that MariaDB was killed while making, emptying or closing? It holds no transaction then, and
    MariaDB would not start. Any other odd content is the owner's to judge: it may be worth a recovery."""
    # The header is written and synced before the first transaction; recovery zeroes the whole file at its end.
    return not tc_log.strip(b"\0") or tc_log.startswith(TC_LOG_CLOSED)
