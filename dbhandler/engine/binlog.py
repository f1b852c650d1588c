"""The server's binary log, by which a backup follows every change: the options that switch it on.

How large it gets, and what its files are worth after a power cut, stands in container/my.cnf, where the owner can
change it.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dbhandler import files
from dbhandler.inventory import InState
from dbhandler.settings.config import Config
from dbhandler.settings.pool import Part

NAME = "binlog"
"""How its files in the data directory begin; MySQL's own default."""
OFF = "--skip-log-bin"
_IN_USE = 21
"""Which byte of a file says that it is being written: the flags of its first event, behind its mark of four bytes.
Source: MySQL Internals, Binlog Event Header and LOG_EVENT_BINLOG_IN_USE_F."""

# Else applications could make no triggers and functions, and a backup could not give any back. Rows are logged,
# whatever these do, and nobody changes that for a session who is not an administrator.
_TRUST = "--log-bin-trust-function-creators"
_ON = {
    "mariadb": (f"--log-bin={NAME}", "--binlog-format=ROW", "--log-slave-updates", _TRUST),
    "mysql": (
        f"--log-bin={NAME}", "--gtid-mode=ON", "--enforce-gtid-consistency=ON",
        # MySQL means to do without it, and says so.
        f"--loose-{_TRUST.removeprefix('--')}",
    ),
}  # fmt: skip
_STRICT = "--gtid-strict-mode"
"""A change that is replayed under a number which is taken already is an error then, instead of none at all. Not in a
cluster, where a node that errs has to go."""


def options(config: Config) -> list[str]:
    """The options that switch the log on or off; none where the owner says nothing, and the server does as it likes."""
    if config.binlog is None:
        return []
    if not config.binlog:
        return [OFF]
    strict = config.engine == "mariadb" and config.group is None
    return [*_ON[config.engine], *([_STRICT] if strict else [])]


def first_start_options(config: Config) -> list[str]:
    """The options for what is done before anybody can connect: the log begins after it. Init scripts may have passwords
    in clear, and a cluster's node would begin with changes that the others do not number. Not so where replicas are to
    begin with it, as in the official image."""
    return [OFF] if config.binlog and config.part is not Part.SOURCE else []


def recovery_options(config: Config) -> list[str]:
    """The options with which a server that logs no more has to run once, because one that did was killed: it asks the
    log which transactions were committed, and without it no server would start. None where that is not so."""
    logs = config.engine == "mysql" if config.binlog is None else config.binlog
    return [] if logs or not _was_cut(config.data_dir) else list(_ON[config.engine])


def _was_cut(data_dir: Path) -> bool:
    """Does the log's last file say that it is being written? Nobody does."""
    with suppress(OSError, IndexError):
        last = (data_dir / f"{NAME}.index").read_text(errors="replace").splitlines()[-1]
        with (data_dir / last).open("rb") as file:
            return bool(file.read(_IN_USE + 1)[_IN_USE] & 1)
    return False


def identified(command: Sequence[str], config: Config) -> list[str]:
    """The server's command line with the number under which it logs. Raises OSError."""
    if not config.binlog:
        return list(command)
    return inserted(command, [f"--server-id={_server_id(config)}"])


def inserted(command: Sequence[str], options: Sequence[str]) -> list[str]:
    """Ours before the owner's, which come last and so win; but --defaults-file has to be the very first."""
    first = 2 if len(command) > 1 and command[1].startswith("--defaults") else 1
    return [*command[:first], *options, *command[first:]]


def number_of(name: str) -> int:
    """The number that all nodes of the cluster of this name have in common."""
    return zlib.crc32(name.encode()) or 1


def _server_id(config: Config) -> int:
    """The same on all nodes of a cluster, which number the same changes; else one that no other server has, and
    that stays with the state volume."""
    if config.group and config.engine == "mariadb":
        return number_of(config.group.name)
    path = config.state_dir / InState.SERVER_ID
    if not path.exists():
        # 1 is the number of servers that were given none.
        files.write_private_once(path, f"{max(2, int.from_bytes(os.urandom(4)))}\n")
    text = path.read_text(errors="replace").strip()
    # It names nobody: one from a damaged file is as good as another.
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,9}", text) and int(text) < 1 << 32 else number_of(text)
