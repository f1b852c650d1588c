"""dbhandler-console: the cluster as a page in a browser."""

from __future__ import annotations

import logging
import os
import signal
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from dbhandler import edge, log, passwords
from dbhandler.address import bracketed
from dbhandler.command import Parser
from dbhandler.errors import ConfigError
from dbhandler.os_user import leave_root
from dbhandler.settings.console import ConsoleSettings, console_settings
from dbhandler.settings.environment import prepared
from dbhandler.settings.names import SECRETS
from dbhandler.settings.output import log_format
from dbhandler.settings.setting import Reader

logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Shows the servers of a Serf cluster, their databases, backups and moves in a browser, as they are now.

Where they are it asks of the Serf agents SERF_RPC_ADDR (host:port,...; key: SERF_RPC_AUTH). With DBHANDLER_POOL (or the
pool's secret) only servers that prove to be of that pool are believed.

DBHANDLER_CONSOLE says where the page is: 127.0.0.1:8080 unless it is set, :8080 in the image. Beyond this host nobody
sees it without a login: DBHANDLER_CONSOLE_PASSWORD (12 characters or more), or a proxy's header,
DBHANDLER_CONSOLE_USER_HEADER from the addresses DBHANDLER_CONSOLE_BEHIND. Without either a password is made, and told
in the log. On this host alone it is read without one, and nothing can be done there.
"""
_EPILOG = (
    "exit status: 64 wrong usage, 70 a defect, 78 a wrong setting, or an address that is taken, 128 + n on signal n"
)
HEALTH_TIMEOUT = 4.0
"""Seconds."""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    environ = os.environ if environ is None else environ
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    if options.health:
        return edge.carried_out("dbhandler-console", lambda: _health(console_settings(environ)))
    log.configure(log_format(environ))
    return edge.started("the console", partial(_run, environ))


def _parser() -> Parser:
    parser = Parser(prog="dbhandler-console", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--health", action="store_true", help="say whether the page of this container answers")
    return parser


def _run(environ: Mapping[str, str]) -> int:
    environ = _in_memory(prepared(environ))
    leave_root(environ.get("DBHANDLER_OS_USER"))
    settings = _with_login(console_settings(environ))
    try:
        # Only here: whoever asks for help, or for the page's health, needs no library for that.
        from dbhandler.console import wiring
    except ModuleNotFoundError as error:
        raise ConfigError(f"dbhandler-console needs the Python package {error.name}") from error
    edge.leave_on(signal.SIGTERM, signal.SIGINT)
    wiring.run(settings, environ, lambda: logger.info("the page is at %s", _address(settings)))
    return os.EX_SOFTWARE


def _in_memory(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings with the secrets as values: their files are root's, which this process is not any more later."""
    read, resolved = Reader(environ), dict(environ)
    for name in SECRETS:
        if value := read.text(name):
            resolved[name] = value
            resolved.pop(f"{name}_FILE", None)
    return resolved


def _with_login(settings: ConsoleSettings) -> ConsoleSettings:
    """Beyond this host with a password all the same: one that is made, and told here."""
    if settings.is_on_loopback or settings.has_login:
        return settings
    made = passwords.generate()
    logger.info("no DBHANDLER_CONSOLE_PASSWORD: until the next start the password of the page is %s", made)
    return replace(settings, password=made)


def _address(settings: ConsoleSettings) -> str:
    return f"http://{bracketed(settings.host or '127.0.0.1')}:{settings.port}/"


def _health(settings: ConsoleSettings) -> int:
    with urllib.request.urlopen(f"{_address(settings)}healthz", timeout=HEALTH_TIMEOUT) as answer:  # noqa: S310
        return os.EX_OK if answer.status == 200 else 1
