"""dbhandler-serf and dbhandler-serf-agent: start the Serf agent, its secrets in a file that only it can read."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

from dbhandler import edge, files, log, paths, usage
from dbhandler.address import reachable
from dbhandler.errors import ConfigError
from dbhandler.inventory import InRun
from dbhandler.requests.vocabulary import Query
from dbhandler.serf.rpc import Serf
from dbhandler.serf.tags import Role, Tag
from dbhandler.settings.environment import prepared, without_secrets
from dbhandler.settings.output import log_format
from dbhandler.settings.pool import group_name
from dbhandler.settings.serf import SerfSettings, serf_settings
from dbhandler.settings.setting import Reader

logger = logging.getLogger(__name__)

USAGE = """usage: dbhandler-serf

Keeps the Serf agent of a database node running, with the handlers of events and queries, until a signal ends it.
supervisord runs it in the database container; its settings are variables (SERF_…).
"""
PLAIN_USAGE = """usage: dbhandler-serf-agent [OPTION...]
       dbhandler-serf-agent COMMAND [ARGUMENT...]

Keeps a Serf agent without a database running, or becomes COMMAND. Its settings are variables (SERF_…), and OPTION is
any of `serf agent -help`. It is the entry point of the image dbhandler-serf.

exit status: 78 a wrong setting, else that of what it has run
"""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """dbhandler-serf: the agent of a database node, kept running until a signal ends it; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv:
        return usage.show(argv, USAGE)
    environ = os.environ if environ is None else environ
    handlers = [
        f"-tag={Tag.ROLE}={Role.DATABASE}",
        # From the first moment: a node that has not said yet what it holds must not pass for none.
        *([f"-tag={Tag.CLUSTER}={name}"] if (name := _cluster(environ)) else []),
        f"-event-handler=user:{Query.CREATE}=dbhandler-create",
        f"-event-handler={','.join('query:' + name for name in Query)}=dbhandler-query",
    ]
    # For dbhandler-create: supervisord, our parent, holds the container's log open.
    return _run(handlers, environ, {"DBHANDLER_LOG": f"/proc/{os.getppid()}/fd/2"}, alone=False)


def plain_agent(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """dbhandler-serf-agent: an agent without a database; its arguments go to `serf agent`."""
    argv = sys.argv[1:] if argv is None else argv
    environ = os.environ if environ is None else environ
    if usage.asked(argv):
        return usage.show(argv, PLAIN_USAGE)
    log.configure(log_format(environ))
    if argv and not argv[0].startswith("-"):
        return _run_other(argv, environ)
    if not Reader(environ).is_set("SERF_RPC_AUTH"):
        logger.info("RPC stays on this container's loopback: set SERF_RPC_AUTH to open port 7373 to whoever knows it")
    return _run([f"-tag={Tag.ROLE}={Role.AGENT}", *argv], environ, {}, alone=True)


def connect(settings: SerfSettings) -> Serf:
    """A connection to the agent that runs with these settings. Raises Unavailable or Denied."""
    return Serf(reachable(settings.rpc_bind), settings.rpc_auth)


def configuration(settings: SerfSettings, alone: bool, keyring: Path) -> dict[str, object]:
    """The content of Serf's configuration file: what must not stand in argv, and what has no option.

    alone: Serf itself joins; beside a database dbhandler-agent does. keyring is the file of the gossip keys.
    """
    content: dict[str, object] = {"leave_on_terminate": True, "log_level": settings.log_level}
    if settings.encrypt_keys:
        content["keyring_file"] = str(keyring)
    if settings.rpc_auth:
        content["rpc_auth"] = settings.rpc_auth
    if alone and settings.join:
        content |= {"retry_join": list(settings.join), "retry_interval": "2s"}
    return content


def write_keyring(file: Path, keys: Sequence[str]) -> None:
    """Writes the gossip keys for Serf, the one to send with first. What Serf has written there itself, since a key was
    changed while it ran, stays. Raises OSError."""
    with suppress(OSError, ValueError):
        written = files.read_json(file)
        if keys and isinstance(written, list) and set(keys) <= set(map(str, written)):
            return
    if keys:
        files.write_private(file, json.dumps(list(keys)))
    else:
        file.unlink(missing_ok=True)


def _run(options: Sequence[str], environ: Mapping[str, str], extra: Mapping[str, str], alone: bool) -> int:
    log.configure(log_format(environ))
    return edge.started("serf", partial(_start, options, environ, extra, alone))


def _start(options: Sequence[str], environ: Mapping[str, str], extra: Mapping[str, str], alone: bool) -> NoReturn:
    environ = prepared(environ)
    settings = serf_settings(environ, serves_rpc=alone)
    file = Path(paths.run_dir(environ)) / InRun.SERF_CONF
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    keyring = file.parent / InRun.SERF_KEYRING
    write_keyring(keyring, settings.encrypt_keys)
    files.write_private(file, json.dumps(configuration(settings, alone, keyring)))
    keeper = ["dbhandler-serf-keeper", *(["--alone"] if alone else []), *_arguments(settings, file, options)]
    _exec(keeper, without_secrets(environ) | dict(extra))


def _cluster(environ: Mapping[str, str]) -> str | None:
    try:
        return group_name(environ)
    except ConfigError:
        # The entry point and the agent say what is wrong with it.
        return None


def _run_other(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    try:
        _exec(argv, environ)
    except OSError as error:
        logger.error("%s: %s", log.shown(argv[0]), error.strerror or error)
        return os.EX_CONFIG


def _arguments(settings: SerfSettings, file: Path, options: Sequence[str]) -> list[str]:
    arguments = ["serf", "agent", f"-config-file={file}", f"-bind={settings.bind}", f"-rpc-addr={settings.rpc_bind}"]
    if settings.node:
        arguments.append(f"-node={settings.node}")
    if settings.advertise:
        arguments.append(f"-advertise={settings.advertise}")
    return [*arguments, *options]


def _exec(arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    os.execvpe(arguments[0], list(arguments), dict(environ))
