"""dbhandler-serf and dbhandler-serf-agent: start the Serf agent, its secrets in a file that only it can read."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from dbhandler import files, log, paths
from dbhandler.address import reachable
from dbhandler.config import SECRETS, SPENT_SECRETS, cluster_name, log_format
from dbhandler.errors import ConfigError, DbHandlerError
from dbhandler.serf import Serf
from dbhandler.serf_settings import SerfSettings, serf_settings

logger = logging.getLogger(__name__)

QUERIES = ("create_db", "find_db", "list_db", "status_db", "rotate_db", "drop_db")
"""The queries that a database node answers."""

EX_CONFIG = 78


def main(environ: Mapping[str, str] | None = None) -> int:
    """dbhandler-serf: the agent of a database node. Replaces this process; returns a status only on failure."""
    environ = os.environ if environ is None else environ
    handlers = [
        "-tag=role=db",
        # From the first moment: a node that has not said yet what it holds must not pass for none.
        *([f"-tag=cluster={name}"] if (name := _cluster(environ)) else []),
        "-event-handler=user:create_db=dbhandler-create",
        f"-event-handler={','.join('query:' + name for name in QUERIES)}=dbhandler-query",
    ]
    # For dbhandler-create: supervisord, our parent, holds the container's log open.
    return _run(handlers, environ, {"DBHANDLER_LOG": f"/proc/{os.getppid()}/fd/2"}, retry_join=False)


def plain_agent(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """dbhandler-serf-agent: an agent without a database; its arguments go to `serf agent`."""
    argv = sys.argv[1:] if argv is None else argv
    environ = os.environ if environ is None else environ
    log.configure(log_format(environ))
    if argv and not argv[0].startswith("-"):
        return _run_other(argv, environ)
    if not (environ.get("SERF_RPC_AUTH") or environ.get("SERF_RPC_AUTH_FILE")):
        logger.info("RPC stays on this container's loopback: set SERF_RPC_AUTH to open port 7373 to whoever knows it")
    return _run(["-tag=role=serf-agent", *argv], environ, {}, retry_join=True)


def connect(settings: SerfSettings) -> Serf:
    """A connection to the agent that runs with these settings. Raises Unavailable or Denied."""
    return Serf(reachable(settings.rpc_bind), settings.rpc_auth)


def configuration(settings: SerfSettings, retry_join: bool) -> dict[str, object]:
    """The content of Serf's configuration file: what must not stand in argv, and what has no option.

    retry_join says whether Serf itself joins; beside a database dbhandler-agent does.
    """
    content: dict[str, object] = {"leave_on_terminate": True, "log_level": settings.log_level}
    if settings.encrypt_key:
        content["encrypt_key"] = settings.encrypt_key
    if settings.rpc_auth:
        content["rpc_auth"] = settings.rpc_auth
    if retry_join and settings.join:
        content |= {"retry_join": list(settings.join), "retry_interval": "2s"}
    return content


def _run(options: Sequence[str], environ: Mapping[str, str], extra: Mapping[str, str], retry_join: bool) -> int:
    try:
        settings = serf_settings(environ)
        file = Path(paths.run_dir(environ)) / "serf.json"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_private(file, json.dumps(configuration(settings, retry_join)))
        _exec(_arguments(settings, file, options), _without_secrets(environ) | dict(extra))
    except (DbHandlerError, OSError) as error:
        log.configure(log_format(environ))
        logger.error("serf cannot start: %s", error)
        return EX_CONFIG


def _cluster(environ: Mapping[str, str]) -> str | None:
    try:
        return cluster_name(environ)
    except ConfigError:
        # The entry point and the agent say what is wrong with it.
        return None


def _run_other(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    try:
        _exec(argv, environ)
    except OSError as error:
        logger.error("%s: %s", log.shown(argv[0]), error.strerror)
        return EX_CONFIG


def _arguments(settings: SerfSettings, file: Path, options: Sequence[str]) -> list[str]:
    arguments = ["serf", "agent", f"-config-file={file}", f"-bind={settings.bind}", f"-rpc-addr={settings.rpc_bind}"]
    if settings.node:
        arguments.append(f"-node={settings.node}")
    if settings.advertise:
        arguments.append(f"-advertise={settings.advertise}")
    return [*arguments, *options]


def _exec(arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    os.execvpe(arguments[0], list(arguments), dict(environ))


def _without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    # Handlers inherit Serf's environment, and links repeat another container's (ALIAS_ENV_NAME).
    return {name: value for name, value in environ.items() if not name.endswith((*SECRETS, *SPENT_SECRETS))}
