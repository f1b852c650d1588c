"""dbhandler-entrypoint: from `docker run` to supervisord over a data directory that is ready to be served."""

from __future__ import annotations

import logging
import os
import pwd
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from dbhandler import files, log, paths, template, tls
from dbhandler.config import ENGINES, SECRETS, Config, read_setting, socket_user
from dbhandler.errors import DbHandlerError

logger = logging.getLogger(__name__)

TC_LOG_CLOSED = b"A\x23\x05\x74"
"""How MariaDB's transaction coordinator log begins once it was closed in order. Source: MariaDB Server, sql/log.cc."""

EX_CONFIG = 78
COMMAND = "DBHANDLER_MYSQLD"
"""Carries the server's command line, quoted as for a shell, to supervisord.conf: no process of ours stands between
supervisord and the server, neither at its start nor for its signals."""


def entrypoint(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Starts the database container, or executes another command. Replaces this process; returns on failure only."""
    argv = list(sys.argv[1:] if argv is None else argv)
    environ = dict(os.environ if environ is None else environ)
    log.configure()
    try:
        if not serves(argv):
            _exec(argv, environ)
        config = Config.from_environ(environ)
        os.umask(0o077)
        secrets = {name: value for name in SECRETS if (value := read_setting(environ, name))}
        _prepare_folders(config, paths.spool_dir(environ))
        _prepare_data(config)
        environ |= _own_environment(config, argv)
        environ = hand_over_secrets(environ, secrets, config.run_dir / "secrets")
        _exec(["dbhandler-supervise", "-n", "-c", str(config.supervisord_conf)], environ)
    except DbHandlerError as error:
        logger.error("%s", error)
    except OSError as error:
        logger.error("%s: %s", error.filename, error.strerror)
    return EX_CONFIG


def serves(argv: Sequence[str]) -> bool:
    """Does this command line of `docker run` mean the server, as with the official images? Else it is another
    command to execute."""
    if argv and argv[0] in ENGINES.values():
        return not {"--help", "-?", "--version", "-V"} & set(argv)
    return not argv or argv[0].startswith("-")


def server_command(config: Config, given: Sequence[str]) -> list[str]:
    """The server's command line; what was given comes last and so wins."""
    command = [ENGINES[config.engine]]
    if config.defaults_file:
        command.append(f"--defaults-file={config.defaults_file}")
    command += [f"--datadir={config.data_dir}", f"--socket={config.socket}", f"--user={socket_user()}"]
    return command + [argument for argument in given if argument not in ENGINES.values()]


def hand_over_secrets(environ: Mapping[str, str], secrets: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Moves secrets from an environment, which any process of the same user can read for ever, into files.

    Returns the environment with NAME_FILE in place of NAME.
    """
    # `docker run --link` repeats another container's variables as ALIAS_ENV_NAME.
    cleaned = {name: value for name, value in environ.items() if not name.endswith(SECRETS)}
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, value in secrets.items():
        files.write_private(folder / name, value)
        cleaned[f"{name}_FILE"] = str(folder / name)
    return cleaned


def _own_environment(config: Config, argv: Sequence[str]) -> dict[str, str]:
    return {
        "DBHANDLER_ENGINE": config.engine,
        "DBHANDLER_DATA_DIR": str(config.data_dir),
        "DBHANDLER_STATE_DIR": str(config.state_dir),
        "DBHANDLER_RUN_DIR": str(config.run_dir),
        "DBHANDLER_SOCKET": str(config.socket),
        "DBHANDLER_SPOOL_MAX": str(config.spool_max),
        "HOME": str(config.state_dir),
        COMMAND: shlex.join(server_command(config, argv)),
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


def _prepare_data(config: Config) -> None:
    _remove_remains(config)
    if template.fill(config.data_dir, config.template):
        logger.info("the data directory was empty: filled from the template of this image")
    tls.ensure_keys(config.engine, config.data_dir)


def _remove_remains(config: Config) -> None:
    """Removes what a kill has left and the server would stumble over. Nothing of ours runs yet."""
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


def _become(user: str, folders: Sequence[Path]) -> None:
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise DbHandlerError(f"DBHANDLER_OS_USER={user}: there is no such user") from error
    for folder in folders:
        _give(folder, entry.pw_uid, entry.pw_gid)
    for descriptor in (1, 2):
        # Programs open the log anew through /dev/fd, which needs the right to the pipe behind it.
        with suppress(OSError):
            os.fchown(descriptor, entry.pw_uid, entry.pw_gid)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


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
