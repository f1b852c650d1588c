"""What a data directory holds, told from its files alone: nothing is changed here.

A database's folder may have the name of such a file, so only what is one counts (see requests/reserved_names.py).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from dbhandler.errors import DbHandlerError

MARKER = ".dbhandler-filling"
"""Stands in a data directory from before the first file is copied until its first start's work is done. Nobody can have
connected before that, so what lies beside it may be thrown away."""

STAMP = ".dbhandler"
"""Stands in a data directory that this package has filled or adopted; holds the fingerprint of its server's key."""
UNKEYED = "{}\n"
"""What the stamp holds until a server with a key has found it. An empty one is a former version's."""

CLUSTER_STAMP = ".dbhandler-cluster"
"""Says to which cluster the data belong."""
ASIDE = ".dbhandler-set-aside"
"""The folder of data that had to make room for a cluster's. my.cnf keeps servers from taking it for a database."""

NOT_OURS_TO_MIND = frozenset({"lost+found", MARKER, STAMP, CLUSTER_STAMP, ASIDE})
_SYSTEM_TABLES, _SYSTEM_TABLESPACE = "mysql", "ibdata1"
_FOREIGN = {"mariadb": ("mysql.ibd", "MySQL"), "mysql": ("aria_log_control", "MariaDB")}
"""Engine -> a file that only the other one makes, and the other one's name."""

UNKNOWN = "unknown"
"""The version of a MariaDB that says none: as an upgrade that was killed leaves it, so it counts as older than any."""

Version = tuple[int, int]


@dataclass(frozen=True)
class Held:
    """empty: to be filled (anew). ours: stamped. version: the server's that used it last, None or UNKNOWN where nothing
    says."""

    empty: bool
    ours: bool = False
    version: str | None = None

    def is_older_than(self, version: str) -> bool:
        """Did an older release of the server use it last?"""
        return self.version is not None and release(self.version) < release(version)


def examine(data_dir: Path, engine: str, server_version: str) -> Held:
    """Looks at a data directory for a server of that engine and version.

    Raises DbHandlerError for content that is no server's, another engine's, or a newer release's.
    """
    names = _names(data_dir)
    if _is_empty(names):
        return Held(empty=True)
    if not held_by_server(data_dir):
        foreign = sorted(names - NOT_OURS_TO_MIND)[0]
        raise DbHandlerError(f"{data_dir} is neither empty nor a data directory: it holds {foreign!r}")
    if (data_dir / _FOREIGN[engine][0]).is_file():
        raise DbHandlerError(f"{data_dir} is a data directory of {_FOREIGN[engine][1]}: this server cannot use it")
    version = _last_version(data_dir, engine)
    if version is not None and release(version) > release(server_version):
        raise DbHandlerError(f"{data_dir} was used by the newer server {version}: {server_version} cannot use it")
    return Held(empty=False, ours=(data_dir / STAMP).is_file(), version=version)


def is_empty(data_dir: Path) -> bool:
    """Is it to be filled (anew)? Raises DbHandlerError when it cannot be read."""
    return _is_empty(_names(data_dir))


def held_by_server(data_dir: Path) -> bool:
    """Is there a server's data, of whatever kind? Raises DbHandlerError when it cannot be read."""
    _names(data_dir)
    return (data_dir / _SYSTEM_TABLES).is_dir() or (data_dir / _SYSTEM_TABLESPACE).is_file()


def _names(data_dir: Path) -> set[str]:
    try:
        return {entry.name for entry in data_dir.iterdir()}
    except OSError as error:
        raise DbHandlerError(f"{data_dir} cannot be read: {error.strerror}") from error


def _is_empty(names: set[str]) -> bool:
    return MARKER in names or not names - NOT_OURS_TO_MIND


def release(version: str) -> Version:
    """Major and minor number of a server's version."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _last_version(data_dir: Path, engine: str) -> str | None:
    try:
        return _mariadb_version(data_dir) if engine == "mariadb" else _mysql_version(data_dir)
    except OSError:
        return None


def _mariadb_version(data_dir: Path) -> str:
    # Its name since MariaDB 11, and until then: an upgrade has made the new one beside the old one.
    for name in ("mariadb_upgrade_info", "mysql_upgrade_info"):
        path = data_dir / name
        if path.is_file():
            return path.read_text(errors="replace").strip(" \n\0") or UNKNOWN
    return UNKNOWN


def _mysql_version(data_dir: Path) -> str | None:
    try:
        [*_, last] = json.loads((data_dir / "mysql_upgrade_history").read_text())["upgrade_history"]
        return str(last["version"])
    except (ValueError, KeyError, TypeError):
        return None
