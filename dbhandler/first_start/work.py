"""The first start's work on a data directory: what the official images' variables and init scripts ask for, done on a
server that no network reaches."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dbhandler import files, passwords
from dbhandler.engine import binlog
from dbhandler.engine.private_server import TETHER, PrivateServer
from dbhandler.engine.server import agent_server
from dbhandler.first_start import init_scripts, official
from dbhandler.first_start.init_scripts import InitScripts
from dbhandler.first_start.initialise import HEALTH_USER, Initialiser
from dbhandler.first_start.official import FirstStart
from dbhandler.inventory import InRun
from dbhandler.option_file import quoted
from dbhandler.settings.config import Config

logger = logging.getLogger(__name__)

_NAMES = {"mariadb": "MariaDB", "mysql": "MySQL"}
_DEFAULT_HEALTH = {"mariadb": "USAGE"}
"""What the account of health checks may do where the owner does not say. The image mysql has no such account."""
HEALTH_FILE = ".my-healthcheck.cnf"
"""How it logs in: the official image's name for the file, which health checks of the owner's own may name."""


class FirstStartWork:
    """The work that environ, with the official images' variables in it, asks for; command is the server's command line.

    The variables' files are read here, because they may be root's alone. Raises ConfigError for what cannot be done.
    beside_others: processes that wait for the real server run already. Then the private one has a socket of its own,
    and it and the scripts end with this process: in a container's first process nothing would outlive it anyway.
    """

    def __init__(
        self, config: Config, command: Sequence[str], environ: Mapping[str, str], beside_others: bool = False
    ) -> None:
        self._config, self._command, self._beside_others = config, list(command), beside_others
        self._socket = config.socket
        if beside_others:
            self._config = replace(config, socket=config.run_dir / InRun.FIRST_START_SOCKET)
        self._wanted = official.first_start(environ)
        self._for_scripts = official.for_scripts(environ)

    def do(self, environ: Mapping[str, str]) -> None:
        """Does the work, if there is any, on a directory that is filled. environ is that of the processes started for
        it. Raises DbHandlerError: the directory is worth nothing then."""
        scripts = init_scripts.found()
        if not (scripts or self._wanted.asks_for_something):
            return
        if self._config.engine == "mariadb":
            init_scripts.check_no_copy(scripts)
        extra = binlog.first_start_options(self._config)
        # Under the number that it logs with later, if it logs now.
        command = self._command if extra else binlog.identified(self._command, self._config)
        with PrivateServer(self._tethered(command), environ, extra) as private, agent_server(self._config) as server:
            private.wait_for(server)
            initialiser = Initialiser(server, self._config.engine, lambda text: print(text, flush=True))
            made = initialiser.make(self._wanted)
            self._make_health_account(initialiser)
            if scripts:
                self._run_scripts(scripts, made, environ)
            if made.root and made.root.expired:
                initialiser.expire(made.root)
        logger.info("%s init process done. Ready for start up.", _NAMES[self._config.engine])

    def _tethered(self, command: Sequence[str]) -> Sequence[str]:
        return [*TETHER, *command, f"--socket={self._config.socket}"] if self._beside_others else command

    def _make_health_account(self, initialiser: Initialiser) -> None:
        default = _DEFAULT_HEALTH.get(self._config.engine) if self._wanted.root else None
        if privileges := self._wanted.health or default:
            password = passwords.generate()
            initialiser.make_health_account(privileges, password)
            log_in = client_options(self._socket, HEALTH_USER, password)
            files.write_private(self._config.data_dir / HEALTH_FILE, log_in)

    def _run_scripts(self, scripts: Sequence[Path], made: FirstStart, environ: Mapping[str, str]) -> None:
        log_in = self._config.run_dir / InRun.LOG_IN
        password = made.root.password if made.root else None
        user = self._config.socket_user if password is None else "root"
        files.write_private(log_in, client_options(self._config.socket, user, password))
        name = self._config.engine
        client = [name, f"--defaults-extra-file={log_in}", "--comments"]
        client += [f"--database={made.databases[0]}"] if made.databases else []
        environ = {**environ, **self._for_scripts}
        environ |= {"DBHANDLER_CLIENT": name, "DBHANDLER_CLIENT_FILE": str(log_in)}
        environ |= {"DATADIR": str(self._config.data_dir), "SOCKET": str(self._config.socket)}
        environ |= {"MARIADB_ROOT_PASSWORD": password, "MYSQL_ROOT_PASSWORD": password} if password else {}
        if self._beside_others:
            # Where a client that a script starts by itself looks, after the image's own file.
            environ["MARIADB_HOME"] = environ["MYSQL_HOME"] = str(self._clients_folder())
        try:
            InitScripts(client, environ, TETHER if self._beside_others else ()).run(scripts)
        finally:
            files.remove(log_in)

    def _clients_folder(self) -> Path:
        folder = self._config.run_dir / InRun.FIRST_START
        folder.mkdir(mode=0o700, exist_ok=True)
        files.write_private(folder / "my.cnf", f"[client]\nsocket={self._config.socket}\n")
        return folder


def client_options(socket: Path, user: str, password: str | None) -> str:
    """An option file for the engine's client."""
    lines = ["[client]", f"socket={socket}", f"user={user}"]
    if password is not None:
        lines.append(f"password={quoted(password)}")
    return "\n".join([*lines, ""])
