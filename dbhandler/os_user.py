"""The operating system user of the server: its name, giving it folders, and giving up root for it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

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


def give(folder: Path, entry: pwd.struct_passwd) -> None:
    """Makes that user the owner of a folder and of all that is in it, unless the folder is the user's already."""
    if folder.stat().st_uid == entry.pw_uid:
        return
    # Bottom up: the folder itself changes hands last, so that a kill in between is noticed and made good.
    for parent, names, others in os.walk(folder, topdown=False):
        for name in (*names, *others):
            os.chown(Path(parent, name), entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    os.chown(folder, entry.pw_uid, entry.pw_gid)


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
