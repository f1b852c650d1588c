"""dbhandler-entrypoint: from `docker run` to supervisord over a data directory that is ready to be served."""

from __future__ import annotations

import logging
import os
import pwd
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from dbhandler import files, log, os_user, paths
from dbhandler.cluster_volume import ClusterVolume, before_server
from dbhandler.config import ENGINES, SECRETS, SPENT_SECRETS, Config, engine, log_format
from dbhandler.errors import DbHandlerError
from dbhandler.os_user import socket_user
from dbhandler.setting import read_setting
from dbhandler.volume import Volume

logger = logging.getLogger(__name__)

EX_CONFIG = 78
HELP = frozenset({"--help", "-?", "--version", "-V", "--print-defaults"})
COMMAND = "DBHANDLER_MYSQLD"
"""Carries the server's command line, quoted as for a shell, to supervisord.conf: no process of ours stands between
supervisord and the server, neither at its start nor for its signals."""


def entrypoint(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Starts the database container, or executes another command. Replaces this process; returns on failure only."""
    argv = list(sys.argv[1:] if argv is None else argv)
    environ = dict(os.environ if environ is None else environ)
    log.configure(log_format(environ))
    try:
        if not serves(argv):
            _exec(_other_command(argv, environ), environ)
        config = Config.from_environ(environ)
        command = server_command(config, argv)
        volume = ClusterVolume(config, environ) if config.cluster else Volume(config, command, environ)
        os.umask(0o077)
        signal.signal(signal.SIGTERM, _stop)
        # Which node of a cluster begins, and does the first start's work, is decided later.
        kept = (*SECRETS, *SPENT_SECRETS) if config.cluster else SECRETS
        secrets = {name: value for name in kept if (value := read_setting(environ, name))}
        _prepare_folders(config, paths.spool_dir(environ))
        environ = without_secrets(environ) | _own_environment(config, argv, paths.control_socket(environ))
        volume.prepare(environ)
        environ |= hand_over_secrets(secrets, config.run_dir / "secrets")
        _exec(["dbhandler-supervise", "-n", "-c", str(config.supervisord_conf)], environ)
    except DbHandlerError as error:
        logger.error("%s", error)
    except OSError as error:
        logger.error("%s: %s", error.filename, error.strerror)
    return EX_CONFIG


def _stop(number: int, _: object) -> NoReturn:
    # The first process of a container ignores signals that it does not handle.
    raise SystemExit(128 + number)


def serves(argv: Sequence[str]) -> bool:
    """Does this command line of `docker run` mean the server, as with the official images? Else it is another
    command to execute."""
    return _means_server(argv) and not HELP & set(argv)


def _means_server(argv: Sequence[str]) -> bool:
    return not argv or argv[0] in ENGINES.values() or argv[0].startswith("-")


def _other_command(argv: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    if not _means_server(argv):
        return list(argv)
    # Only help is wanted of the server, and it is asked for by either engine's name or none.
    return [ENGINES[engine(environ)], *(argument for argument in argv if argument not in ENGINES.values())]


def server_command(config: Config, given: Sequence[str]) -> list[str]:
    """The server's command line; what was given comes last and so wins."""
    command = [ENGINES[config.engine]]
    if config.defaults_file:
        command.append(f"--defaults-file={config.defaults_file}")
    command += [f"--datadir={config.data_dir}", f"--socket={config.socket}", f"--user={socket_user()}"]
    return command + [argument for argument in given if argument not in ENGINES.values()]


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment as any process of the same user may read it for ever."""
    # `docker run --link` repeats another container's variables as ALIAS_ENV_NAME.
    secret = (*SECRETS, *SPENT_SECRETS)
    return {name: value for name, value in environ.items() if not name.endswith(secret)}


def hand_over_secrets(secrets: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Writes secrets into private files; returns the variables NAME_FILE that name them."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, value in secrets.items():
        files.write_private(folder / name, value)
    return {f"{name}_FILE": str(folder / name) for name in secrets}


def _own_environment(config: Config, argv: Sequence[str], control: str) -> dict[str, str]:
    return {
        "DBHANDLER_ENGINE": config.engine,
        "DBHANDLER_DATA_DIR": str(config.data_dir),
        "DBHANDLER_STATE_DIR": str(config.state_dir),
        "DBHANDLER_RUN_DIR": str(config.run_dir),
        "DBHANDLER_SOCKET": str(config.socket),
        "DBHANDLER_CONTROL": control,
        "DBHANDLER_SPOOL_MAX": str(config.spool_max),
        "DBHANDLER_ADMIN": "1" if config.wants_admin else "0",
        "HOME": str(config.state_dir),
        COMMAND: shlex.join([*before_server(config), *server_command(config, argv)]),
        **_named_user(config.run_dir),
    }


def _prepare_folders(config: Config, spool: str) -> None:
    volumes = [config.data_dir, config.state_dir]
    disposable = [config.run_dir, config.socket.parent]
    for folder in (*volumes, *disposable):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if config.os_user and os.geteuid() == 0:
        _become(config.os_user, volumes + disposable)
    for folder in (*volumes, *disposable):
        # The image leaves them open for `docker run --user`; whoever owns them now needs nobody else in there, but
        # at the server's socket. Only the owner may change that, even root not without a further capability.
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(0o755 if folder == config.socket.parent != config.run_dir else 0o700)
    Path(spool).mkdir(mode=0o700, exist_ok=True)


def _become(user: str, folders: Sequence[Path]) -> None:
    entry = os_user.find(user)
    for folder in folders:
        _give(folder, entry.pw_uid, entry.pw_gid)
    for descriptor in (1, 2):
        # Programs open the log anew through /dev/fd, which needs the right to the pipe behind it.
        with suppress(OSError):
            os.fchown(descriptor, entry.pw_uid, entry.pw_gid)
    os_user.become(entry)


def _give(folder: Path, uid: int, gid: int) -> None:
    if folder.stat().st_uid == uid:
        return
    # Bottom up: the folder itself changes hands last, so that a kill in between is noticed and made good.
    for parent, names, others in os.walk(folder, topdown=False):
        for name in (*names, *others):
            os.chown(Path(parent, name), uid, gid, follow_symlinks=False)
    os.chown(folder, uid, gid)


def _named_user(run_dir: Path) -> dict[str, str]:
    """Gives an arbitrary user id (`docker run --user`) the name that its socket account has."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        uid, gid = os.geteuid(), os.getegid()
        files.write_private(run_dir / "passwd", f"mysql:x:{uid}:{gid}:mysql:{run_dir}:/bin/false\n")
        files.write_private(run_dir / "group", f"mysql:x:{gid}:\n")
        return {
            "LD_PRELOAD": "libnss_wrapper.so",
            "NSS_WRAPPER_PASSWD": str(run_dir / "passwd"),
            "NSS_WRAPPER_GROUP": str(run_dir / "group"),
        }
    return {}


def _exec(arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    program = shutil.which(arguments[0], path=environ.get("PATH"))
    if program is None:
        raise DbHandlerError(f"no such command: {log.shown(arguments[0])}")
    os.execve(program, list(arguments), dict(environ))
