"""PyMySQL, and the numbers of the servers' errors.

It is loaded without what it would load for ways to log in that a server's socket does not have. Those need
`cryptography`, which is here for certificates: a third of the driver's own time, in programs that run every few seconds
and before anybody can log in.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_UNWANTED = "cryptography"


@contextmanager
def _without(package: str) -> Iterator[None]:
    """Importing it fails meanwhile, unless it was loaded before."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


with _without(_UNWANTED):
    import pymysql as pymysql

ER_CON_COUNT = 1040
ER_DB_CREATE_EXISTS = 1007
ER_DUP_ENTRY = 1062
ER_NO_SUCH_THREAD = 1094
ER_UNKNOWN_CHARACTER_SET = 1115
ER_UNKNOWN_COLLATION = 1273
ER_COLLATION_CHARSET_MISMATCH = 1253
ACCESS_DENIED = frozenset({1045, 1698, 1862, 3118, 3955, 4151})
"""Wrong password, wrong plugin, expired password, locked account."""

AWAY = frozenset({
    1021, 1023, 1026, 1030, 1037, 1040, 1041, 1047, 1053, 1077, 1080, 1135, 1152, 1153, 1158, 1159, 1160, 1161,
    1180, 1181, 1184, 1203, 1205, 1206, 1213, 1218, 1223, 1226, 1290, 1317, 1345, 1614, 1637, 1792, 1836,
    1927, 3024, 3100, 3101, 3168, 3572, 4031, 28, 122,
})  # fmt: skip
"""Numbers that pass by themselves: full disk or table of connections, locks, shutdown, read-only, no quorum, another
node that was faster.

28 and 122 are the system's own ENOSPC and EDQUOT."""

SESSION_ENDS = frozenset({1053, 1077, 1080, 1152, 1153, 1158, 1159, 1160, 1161, 1184, 1792, 1927, 4031})
"""Numbers after which the server closes the connection, or a new one may be let write (1792, see SESSION). After all
others it is kept: another may not be to be had."""

FULL_DISK = re.compile(r"\berrno: (?:28|30|122)\b")
"""ENOSPC, EROFS and EDQUOT inside the text of another error, such as 1006 for CREATE DATABASE."""

CLIENT_ERRORS = range(2000, 3000)
