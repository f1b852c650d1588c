"""The operating system user of the server: its name, and giving up root for it."""

from __future__ import annotations

import os
import pwd

from dbhandler.errors import DbHandlerError


def socket_user() -> str:
    """The name of the operating system user. An arbitrary user id has none; dbhandler-entrypoint gives it this one."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "mysql"


def find(name: str) -> pwd.struct_passwd:
    """The entry of DBHANDLER_OS_USER. Raises DbHandlerError for a name that nobody has."""
    try:
        return pwd.getpwnam(name)
    except KeyError as error:
        raise DbHandlerError(f"DBHANDLER_OS_USER={name}: there is no such user") from error


def become(entry: pwd.struct_passwd) -> None:
    """Makes root of this process that user, with the user's groups and no other."""
    # Groups first: without rights they could not be given up any more.
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def leave_root(name: str | None) -> None:
    """Makes root of this process the server's user; any other user, or without a name, it stays what it is."""
    if name and os.geteuid() == 0:
        become(find(name))
