"""Pure: the names that no database may ever have, because their folder would stand where a file has to.

A server makes a folder of each database's name in its data directory, among its own files. Some of these come later:
with another size of the log, a restart, an upgrade, a state transfer. One whose place is taken then stops the server.
"""

from __future__ import annotations

import re
import unicodedata

_SCHEMAS = r"mysql|information_schema|performance_schema|sys|ndbinfo|dbhandler(?:.|@[0-9a-f]{4})directory"

_FILES = (
    # InnoDB: system and temporary tablespace, redo and undo logs, dumps of the buffer pool, archives.
    r"ibdata\d*|ibtmp\d*|ib_.*|undo_?\d+",
    # Aria, and its former name.
    r"m?aria_log.*",
    # What an upgrade leaves: mysql_upgrade_info, mysql_upgrade_history, mariadb_upgrade_info.
    r"(mysql|mariadb)_upgrade_.*",
    # mariadb-backup and its forebears; a state transfer brings their files into the data directory.
    r"(xtrabackup|mariadb_backup|ibbackup|innobackup)_.*|donor_galera_info",
    # The scripts of a state transfer, and the server that talks with them. Of what a joining node holds they spare all
    # that ends with these words.
    r"(rsync|backup)_sst_complete|tables_flushed|sst_error|.*sst_in_progress|.*rpm_upgrade_(marker|history)",
    # Group replication's trace, data nodes of NDB, the engines TokuDB, PBXT and Falcon, memcached's schema.
    r"gcs_debug_trace|ndb_\d+_.*|tokudb.*|__tokudb_.*|pbxt|falcon_.*|innodb_memcache",
)
"""In lower case, and with any number at their end. A file whose name has a dot or another sign is in nobody's way: see
folder_name. Sources: the strings in the servers and their tools, wsrep_sst_*, the manuals."""

_RESERVED = re.compile(rf"(?:{_SCHEMAS})|(?:{'|'.join(_FILES)})\d*")


def is_reserved(name: str) -> bool:
    """Is it, in whatever letter case, a schema of the server's own or the name of a file in a data directory?"""
    # A leading # is how MySQL marks names that it takes literally for file names (#mysql50#).
    return name.startswith("#") or _RESERVED.fullmatch(folder_name(name)) is not None


def folder_name(name: str) -> str:
    """What the folder of a database is called, as far as it could be a file's name, all in lower case.

    Source: MySQL 8.4 Reference Manual, 11.2.4: all but basic Latin letters, digits and `_` is encoded, an ASCII
    character as @ and four hexadecimal digits. Letters that a server may take for basic ones are taken for them here:
    its own tables make an I with a dot an i, and compare a long s as s, an i without a dot as i.
    """
    plain = unicodedata.normalize("NFKD", name).casefold().replace("\u0131", "i")
    return "".join(_encoded(character) for character in plain if not unicodedata.combining(character))


def _encoded(character: str) -> str:
    return character if re.fullmatch(r"\w", character, re.ASCII) else f"@{ord(character):04x}"
