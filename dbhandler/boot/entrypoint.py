"""dbhandler-entrypoint: from `docker run` to supervisord over a data directory that is ready to be served."""

from __future__ import annotations

import logging
import os
import pwd
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dbhandler import edge, files, log, os_user, paths, places, usage
from dbhandler.boot import preparing
from dbhandler.engine import binlog
from dbhandler.errors import ConfigError, DbHandlerError
from dbhandler.inventory import InRun
from dbhandler.settings.config import ENGINES, Config, engine
from dbhandler.settings.environment import hand_over_secrets, is_secret, prepared, without_secrets
from dbhandler.settings.names import SECRETS, SPENT_SECRETS
from dbhandler.settings.output import log_format
from dbhandler.settings.pool import Part
from dbhandler.settings.setting import read_setting
from dbhandler.volume import mounts
from dbhandler.volume.prepare import Volume

if TYPE_CHECKING:
    from dbhandler.audit.place import Place
    from dbhandler.group.volume import GroupVolume

logger = logging.getLogger(__name__)


USAGE = """usage: dbhandler-entrypoint [SERVER] [OPTION...]
       dbhandler-entrypoint COMMAND [ARGUMENT...]

The entry point of the database image: checks the settings, which are variables, gives up root, fills an empty volume,
and goes on as supervisord, whose server gets every OPTION; or becomes COMMAND.

exit status: 0 it was told to stop, 1 the server cannot be kept running, 78 a wrong setting or a volume that cannot be
used, else that of COMMAND
"""
HELP = frozenset({"--help", "-?", "--version", "-V", "--print-defaults"})
COMMAND = "DBHANDLER_MYSQLD"
"""Carries the server's command line, quoted as for a shell, to supervisord.conf: no process of ours stands between
supervisord and the server, neither at its start nor for its signals."""


def entrypoint(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Runs the database container until its end, and returns the exit status; or executes another command, which
    replaces this process."""
    argv = list(sys.argv[1:] if argv is None else argv)
    environ = dict(os.environ if environ is None else environ)
    log.configure(log_format(environ))
    try:
        if usage.asked(argv):
            return _show(argv, environ)
        if not serves(argv):
            _exec(_other_command(argv, environ), environ)
        environ = prepared(environ, database=True)
        config = Config.from_environ(environ)
        command = server_command(config, argv)
        volume = _volume(config, command, environ)
        os.umask(0o077)
        edge.leave_on(signal.SIGTERM)
        # Which node of a cluster begins, and does the first start's work, is decided later.
        kept = (*SECRETS, *SPENT_SECRETS) if config.group else SECRETS
        secrets = {name: value for name in kept if (value := read_setting(environ, name))}
        _prepare_folders(config, paths.spool_dir(environ))
        _warn_of_lost_state(config.state_dir)
        environ = without_secrets(environ) | _own_environment(config, argv, environ)
        with preparing.beside(partial(_prepare, volume, environ)) as prepared_status:
            supervise = _supervisor(config, environ | hand_over_secrets(secrets, config.run_dir / InRun.SECRETS))
            status = prepared_status()
        return status or supervise()
    except (DbHandlerError, OSError) as error:
        logger.error("%s", places.mended(error))
    return os.EX_CONFIG


def _volume(config: Config, command: Sequence[str], environ: Mapping[str, str]) -> Volume | GroupVolume:
    if config.group is None:
        return Volume(config, command, environ)
    # Only here: every server's start would load all that a node of a cluster needs.
    from dbhandler.group.volume import GroupVolume

    return GroupVolume(config, environ)


def _supervisor(config: Config, environ: Mapping[str, str]) -> Callable[[], int]:
    """Loads what comes next, and makes of this process what its children and other processes are to see."""
    from dbhandler.boot import own_memory, run_secrets
    from dbhandler.boot.supervise import supervise

    own_memory.wipe(is_secret)
    own_memory.show()
    os.environ.clear()
    os.environ.update(environ)
    conf = run_secrets.write_supervisord_conf(config.supervisord_conf, config.run_dir)
    # How a node of a cluster starts is asked of Serf.
    return partial(supervise, conf, config.socket.exists if config.group is None else lambda: True)


def _prepare(volume: Volume | GroupVolume, environ: Mapping[str, str]) -> int:
    """Prepares the volume; returns the exit status of the process that does it."""
    try:
        volume.prepare(dict(environ))
    except (DbHandlerError, OSError) as error:
        logger.error("%s", places.mended(error))
        return os.EX_CONFIG
    return os.EX_OK


def _show(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Our usage or version, and then what the server says of its own, as the official images show it."""
    status, server = usage.show(argv, USAGE), ENGINES[engine(environ)]
    if shutil.which(server, path=environ.get("PATH")):
        _exec([server, *argv], environ)
    return status


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
    command += [f"--datadir={config.data_dir}", f"--socket={config.socket}", f"--user={config.socket_user}"]
    if config.policy.max_user_connections == 0:
        command.append("--max-user-connections=0")
    check_places(given)
    command += [*binlog.options(config), *(["--read-only"] if config.part is Part.REPLICA else [])]
    return command + [argument for argument in given if argument not in ENGINES.values()]


def check_places(given: Sequence[str]) -> None:
    """Raises ConfigError for an option that would lead the server away from where everybody looks for it."""
    if moved := next((option for option in given if option.startswith(("--datadir", "--socket"))), None):
        name, _, _ = moved.partition("=")
        raise ConfigError(f"{name} cannot be given here: mount your volume at /var/lib/mysql, a folder at /run/mysqld")


def before_server(config: Config) -> list[str]:
    """What stands before the server's command line: in a cluster the other nodes' state decides how to start."""
    return ["dbhandler-cluster-start"] if config.group else []


def _own_environment(config: Config, argv: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    return {
        "DBHANDLER_ENGINE": config.engine,
        "DBHANDLER_DATA_DIR": str(config.data_dir),
        "DBHANDLER_STATE_DIR": str(config.state_dir),
        "DBHANDLER_RUN_DIR": str(config.run_dir),
        "DBHANDLER_SOCKET": str(config.socket),
        "DBHANDLER_CONTROL": paths.control_socket(environ),
        "DBHANDLER_SPOOL_MAX": str(config.spool_max),
        "DBHANDLER_ADMIN": "1" if config.wants_admin else "0",
        "HOME": str(config.state_dir),
        COMMAND: shlex.join([*before_server(config), *binlog.identified(server_command(config, argv), config)]),
        **_named_user(config.socket_user, config.run_dir, environ.get("LD_PRELOAD", "")),
    }


def _prepare_folders(config: Config, spool: str) -> None:
    volumes = [config.data_dir, config.state_dir]
    disposable = [config.run_dir, config.socket.parent]
    for folder in (*volumes, *disposable):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    trail = _place_of_trail(config)
    if config.os_user and os.geteuid() == 0:
        if trail:
            trail.give(os_user.find(config.os_user))
        _become(config.os_user, volumes + disposable)
    for folder in (*volumes, *disposable):
        # The image leaves them open for `docker run --user`; whoever owns them now needs nobody else in there, but
        # at the server's socket. Only the owner may change that, even root not without a further capability.
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(0o755 if folder == config.socket.parent != config.run_dir else 0o700)
    places.check((*volumes, *disposable, Path("/tmp")))  # noqa: S108
    if trail:
        trail.prepare()
    Path(spool).mkdir(mode=0o700, exist_ok=True)


def _place_of_trail(config: Config) -> Place | None:
    if config.audit is None or config.audit.path is None:
        return None
    # Only here: most servers keep no trail.
    from dbhandler.audit.place import Place

    return Place(config.audit.path, config.data_dir, config.state_dir)


def _warn_of_lost_state(folder: Path) -> None:
    # Any other folder is its owner's own arrangement.
    if folder == Path(paths.STATE_DIR) and not mounts.is_kept(folder):
        logger.warning(
            "no volume with a name is mounted at %s: without it this server is another one in its next container, and "
            "applications do not find their databases. docker run needs -v state:%s", folder, folder,
        )  # fmt: skip


def _become(user: str, folders: Sequence[Path]) -> None:
    entry = os_user.find(user)
    for folder in folders:
        os_user.give(folder, entry)
    for descriptor in (1, 2):
        # Programs open the log anew through /dev/fd, which needs the right to the pipe behind it.
        with suppress(OSError):
            os.fchown(descriptor, entry.pw_uid, entry.pw_gid)
    os_user.become(entry)


def _named_user(name: str, run_dir: Path, preloaded: str) -> dict[str, str]:
    """Gives any other user id (`docker run --user`), whether the image knows a name for it or not, the name that the
    account at the server's socket has. preloaded are the owner's own libraries, such as an allocator."""
    uid, gid = os.geteuid(), os.getegid()
    with suppress(KeyError):
        if pwd.getpwuid(uid).pw_name == name:
            return {}
    files.write_private(run_dir / InRun.PASSWD, f"{name}:x:{uid}:{gid}:{name}:{run_dir}:/bin/false\n")
    files.write_private(run_dir / InRun.GROUP, f"{name}:x:{gid}:\n")
    return {
        "LD_PRELOAD": f"libnss_wrapper.so {preloaded}".rstrip(),
        "NSS_WRAPPER_PASSWD": str(run_dir / InRun.PASSWD),
        "NSS_WRAPPER_GROUP": str(run_dir / InRun.GROUP),
    }


def _exec(arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    program = shutil.which(arguments[0], path=environ.get("PATH"))
    if program is None:
        raise DbHandlerError(f"no such command: {log.shown(arguments[0])}")
    os.execve(program, list(arguments), dict(environ))
