"""dbhandler-admin, as supervisord runs it: makes a filled volume durable, waits for the server, creates the admin
account once, and prints the banner.

Whether there is an admin is what the server says, not what a flag file says. The pending file in the state folder
covers the moments in between: it exists from before the account is made until the banner is out, so a kill at any
point leaves either nothing or a password that the next start prints and that works.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from dbhandler import files, log, passwords
from dbhandler.audit.record import Audit, Entry, unaudited
from dbhandler.audit.trail import trail_of
from dbhandler.boot import run_secrets
from dbhandler.engine import sql
from dbhandler.engine.server import Server, agent_server
from dbhandler.engine.sql import Statement
from dbhandler.errors import DbHandlerError
from dbhandler.inventory import InRun, InState
from dbhandler.settings.config import Config
from dbhandler.settings.names import SPENT_SECRETS
from dbhandler.settings.output import log_format
from dbhandler.volume import template

logger = logging.getLogger(__name__)

PASSWORD_LENGTH = 24
"""Letters and digits: 142 bits."""

SERVER_TIMEOUT = 600.0
"""Seconds. A server that recovers from a crash may need minutes; supervisord starts us again after that."""


_RULE = "=" * 72
_BANNER = """\
{rule}
You can now connect to this MySQL Server using:

    mysql -u{user} -p{password} -h<host> -P<port>

Please remember to change the above password as soon as possible!
{root}
{rule}"""
_ROOT_AT_HOME = (
    "MySQL user 'root' has no password but only allows local connections (docker exec, as the container's root)"
)
_ROOT_ELSEWHERE = "MySQL user 'root' logs in as the owner of this data directory has set it up"


class AdminAccount:
    """The admin account `user` on `server`; `pending` is the file that survives a kill half-way.

    given is the owner's password, or None to have one generated and printed on `out`. audit is told of one that was
    made.
    """

    def __init__(
        self,
        server: Server,
        engine: str,
        user: str,
        given: str | None,
        pending: Path,
        out: TextIO,
        audit: Audit = unaudited,
    ) -> None:
        self._server, self._engine, self._user, self._audit = server, engine, user, audit
        self._given, self._pending, self._out = given, pending, out

    def ensure(self) -> None:
        """Makes the account unless it is there, finishing what an earlier, killed run began."""
        exists, pending = bool(self._server.execute(sql.account_exists(self._user))), self._read_pending()
        if exists and pending is None:
            logger.info("admin account %s exists already: its password is unchanged", log.shown(self._user))
            return
        generated = (pending or "") if exists else self._create(pending)
        self._server.execute(sql.grant_everything(self._user))
        if generated:
            at_home = self._server.execute(sql.proved_by_socket("root", self._engine))
            root = _ROOT_AT_HOME if at_home else _ROOT_ELSEWHERE
            self._say(_BANNER.format(rule=_RULE, user=self._user, password=generated, root=root))
        # Killed before the next line, the next start tells it again.
        self._audit(Entry("create_admin", "created", account=self._user, origin="start"))
        files.remove(self._pending)

    def _create(self, pending: str | None) -> str:
        """Makes the account; returns its password if it was generated. An empty pending file stands for a password
        that the owner gave and that we do not keep."""
        kind = "random" if self._given is None else "given"
        self._say(f"=> Creating MySQL admin user with {kind} password")
        generated = "" if self._given is not None else pending or passwords.generate(PASSWORD_LENGTH)
        files.write_private(self._pending, generated)
        self._server.execute(sql.create_user(self._user, self._given or generated, self._engine))
        self._say("=> Done!")
        return generated

    def _read_pending(self) -> str | None:
        try:
            return self._pending.read_text()
        except FileNotFoundError:
            return None

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)


def pending_file(config: Config) -> Path:
    """Where the password waits between being stored and being printed."""
    return config.state_dir / InState.ADMIN_PENDING


def container_log() -> TextIO:
    """The standard output of supervisord, our parent: what `docker logs` shows.

    Through supervisord's own pipe the banner could die with supervisord after we have forgotten the password.
    """
    try:
        return Path(f"/proc/{os.getppid()}/fd/1").open("a")
    except OSError:
        return sys.stdout


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    environ = os.environ if environ is None else environ
    if argv:
        # Only here: supervisord runs this at every start, without arguments.
        from dbhandler.boot import operator as operator_cli

        return operator_cli.main(argv, environ)
    log.configure(log_format(environ))
    try:
        config = Config.from_environ(environ)
        if config.group is None:
            # While the server starts; in a cluster dbhandler-cluster-start has done so.
            template.finish(config.data_dir)
        with agent_server(config) as server:
            server.wait_until_ready(SERVER_TIMEOUT, _question(config))
            if config.group:
                # A session that began on a server that was read-only until then may not write.
                server.close()
            if config.awaits_backup:
                # Only here, as few servers ever do.
                from dbhandler.boot import from_backup

                from_backup.wait(config, server)
            if config.wants_admin:
                _ensure_admin(config, server)
        # The first start's work is done, and the data are there: in a cluster, too, nobody needs them again.
        run_secrets.forget(config.run_dir / InRun.SECRETS, ("MYSQL_ADMIN_PASSWORD", *SPENT_SECRETS))
        config.ready_file.touch(mode=0o600)
    except (DbHandlerError, OSError) as error:
        logger.error("admin account not ready: %s", log.told(error))
        return os.EX_TEMPFAIL
    # The words that scripts around the official images wait for.
    logger.info("ready for connections")
    return 0


def _question(config: Config) -> Statement:
    """What a server answers that may be written to. A MySQL server is not in its group when it begins to answer."""
    if config.group is None:
        return sql.serves()
    # Only here, as most servers are in no cluster.
    from dbhandler.engine import group_sql

    return group_sql.is_in(config.engine)


def _ensure_admin(config: Config, server: Server) -> None:
    [(_, _, read_only)] = server.execute(sql.server_facts())
    if read_only:
        logger.warning("the admin account is left as it is: nobody is to write to this server (read_only)")
        return
    pending, out = pending_file(config), container_log()
    user, password = config.admin_user, config.admin_password
    AdminAccount(server, config.engine, user, password, pending, out, trail_of(config)).ensure()
    logger.info("the admin account is ready")
