"""Words that may be names of files, gathered from the servers' own programs in an image: what `strings` would show."""

from __future__ import annotations

import json
import os
import re
import subprocess

from dbhandler.errors import InvalidRequest
from dbhandler.requests.policy import Policy

FULL = os.environ.get("DBHANDLER_NAMES") == "full"
"""Every word; else the few hundred that are most like a file of a server's."""

_RISKY = re.compile(
    "(ib|undo|aria|maria_|tc_|sst|gra|gvw|relay|master|binlog|xtra|rsync|backup|donor|ddl_log|ddl_rec|redo)[a-z0-9_]*"
    "|[a-z0-9_]+_(info|control|pid|err|pool|complete|marker|history|dump|error)"
)
_PROGRAMS = (
    "/usr/sbin/mariadbd", "/usr/bin/mariadb-backup", "/usr/lib/galera/libgalera_smm.so", "/usr/bin/wsrep_sst_common",
    "/usr/bin/wsrep_sst_backup", "/usr/bin/wsrep_sst_mariabackup", "/usr/sbin/mysqld",
    "/usr/lib/mysql/plugin/mysql_clone.so", "/usr/lib/mysql/plugin/group_replication.so",
)  # fmt: skip
_GATHER = """\
import json, os, re, sys
words = set()
for path in filter(os.path.exists, sys.argv[1:]):
    with open(path, "rb") as file:
        for text in re.findall(rb"[\\x21-\\x7e]{3,}", file.read()):
            words.update(re.findall(rb"[0-9A-Za-z_]{3,40}", text))
print(json.dumps(sorted(word.decode() for word in words if not word.startswith(b"_Z"))))
"""


def words(image: str) -> set[str]:
    """The words in the programs of an image."""
    command = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", image, "-c", _GATHER)
    done = subprocess.run((*command, *_PROGRAMS), stdout=subprocess.PIPE, check=True, timeout=300)
    return set(json.loads(done.stdout))


def served(found: set[str]) -> list[str]:
    """Those of the words that the owner's default policy lets be a database's name, one of several that differ by
    letter case; unless all are wanted, those most like a file's name."""
    # The last one of a kind is the one in lower case.
    names = {word.lower(): word for word in sorted(found) if _is_served(word)}
    return sorted(word for word in names.values() if FULL or _RISKY.fullmatch(word))


def _is_served(word: str) -> bool:
    try:
        Policy().check_database(word)
    except InvalidRequest:
        return False
    return True
