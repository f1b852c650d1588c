"""dbhandler-backup: the backups of a pool, kept and given back."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from dbhandler import edge
from dbhandler.backup.base import KIND
from dbhandler.backup.moment import MOMENTS, moment_of
from dbhandler.backup.overview import overview, said, table
from dbhandler.backup.repository import Repository
from dbhandler.backup.restore import ask_for, check_free, check_there, load
from dbhandler.backup.restoring import Backup, logs_of
from dbhandler.backup.run import known_sources, open_repository, run
from dbhandler.backup.source import chosen, remembered
from dbhandler.client.connection import FORMATS
from dbhandler.command import Parser
from dbhandler.errors import DbHandlerError, Denied
from dbhandler.log import printable, shown
from dbhandler.requests.payload import check_name
from dbhandler.settings.backup import SCRATCH, SOURCES, BackupSettings, backup_settings
from dbhandler.settings.environment import prepared

EPILOG = """exit status: 0 done, 1 something is wrong with a backup, 64 wrong usage or setting, 69 the repository or a
server does not answer, 70 it failed, 77 denied"""

_COMMENTS = re.compile(r"(?:\s|/\*.*?\*/|(?:--\s|#)[^\n]*\n)*", re.DOTALL)
"""What stands before a statement: many clients say there who they are."""
_WORD = re.compile(r"`((?:[^`]|``)+)`|([\w$-]+)")


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    environ = os.environ if environ is None else environ
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    if options.command == "run":
        return run(environ)
    return edge.carried_out("dbhandler-backup", partial(_carry_out, options, environ))


def _carry_out(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    environ = prepared(environ)
    settings = backup_settings(environ)
    repository = open_repository(settings, environ)
    act: Callable[[argparse.Namespace, BackupSettings, Repository], int] = options.act
    # Where one is away for a while, whoever asks makes no empty one in its place.
    repository.open(make=False)
    return act(options, settings, repository)


def _list(_options: argparse.Namespace, settings: BackupSettings, repository: Repository) -> int:
    overviews = [overview(folder, repository) for folder in folders(settings)]
    print("\n".join(table(overviews)))
    return 1 if any(one.complaints for one in overviews) else 0


def _find(options: argparse.Namespace, settings: BackupSettings, _repository: Repository) -> int:
    for folder in folders(settings):
        source = remembered(folder)
        if options.server not in (None, source.name, source.id):
            continue
        for group, time in logs_of(source, folder).groups(0.0, float("inf")):
            if group.statement and options.drop in _named(group.statement, group.schema):
                print(f"{source.name}  {said(time)}  {group.gtid}  {printable(group.statement, 200)}")
    return 0


def _restore(options: argparse.Namespace, settings: BackupSettings, repository: Repository) -> int:
    name = check_name(options.restored_as)
    folder = folder_of(settings, options.server)
    backup = Backup(remembered(folder), folder, repository, settings.folder / SCRATCH)
    moment = moment_of(options.at, backup.source.engine)
    kept = settings.folder / "restored"
    kept.mkdir(mode=0o700, exist_ok=True)
    # Before all the work, and once more after it.
    check_free(name, backup.source, settings)
    with backup.at(moment) as copy:
        check_there(copy, options.database)
        connection = ask_for(name, backup.source, settings, kept)
        missing = load(copy.dump(options.database), connection, kept) + copy.missing
    for what in missing:
        edge.say("dbhandler-backup", f"not brought: {what}")
    # Where this container keeps the certificate is nobody else's matter.
    told = replace(connection, ca_file=None)
    print(FORMATS[options.format](told, told.variables()), end="")
    return 0


def _forget(options: argparse.Namespace, settings: BackupSettings, repository: Repository) -> int:
    folder = folder_of(settings, options.server)
    source = remembered(folder)
    if any(found.id == source.id for found in known_sources(settings)):
        raise Denied(f"{shown(source.name)} is backed up now: its backups are forgotten once it is gone")
    repository.forget(repository.snapshots(kind=KIND, source=source.id))
    shutil.rmtree(folder)
    repository.prune()
    return 0


def _check(_options: argparse.Namespace, _settings: BackupSettings, repository: Repository) -> int:
    repository.check()
    return 0


def folders(settings: BackupSettings) -> list[Path]:
    """The folders of all sources there are backups of."""
    return sorted((settings.folder / SOURCES).glob("*/"))


def folder_of(settings: BackupSettings, server: str | None) -> Path:
    """The folder of this server's backups, of the only one where none is named. Raises DbHandlerError."""
    known = {remembered(folder): folder for folder in folders(settings)}
    if server is None:
        if len(known) != 1:
            names = ", ".join(sorted(source.name for source in known)) or "none yet"
            raise DbHandlerError(f"--server has to say which one: there are backups of {names}")
        return next(iter(known.values()))
    return known[chosen(known, server)]


def _named(statement: str, schema: str) -> set[str]:
    if not _COMMENTS.sub("", statement, count=1).upper().startswith(("DROP", "TRUNCATE", "ALTER", "RENAME")):
        return set()
    words = {quoted.replace("``", "`") or bare for quoted, bare in _WORD.findall(statement)}
    return words | {schema}


def _parser() -> Parser:
    parser = Parser(prog="dbhandler-backup", description="The backups of a pool's servers.", epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="back up every server of the pool, for ever: what the container does")
    listing = commands.add_parser("list", help="what can be restored, and when that was proven last")
    listing.set_defaults(act=_list)
    finding = commands.add_parser("find", help="statements that dropped or changed something, and their GTIDs")
    finding.add_argument("--drop", metavar="NAME", required=True, help="the database or table")
    finding.add_argument("--server", metavar="NAME", help="of this server or cluster only")
    finding.set_defaults(act=_find)
    restoring = commands.add_parser("restore", help="a database of one moment, beside the present one")
    restoring.add_argument("database", metavar="DATABASE", help="its name at that moment")
    restoring.add_argument("--at", metavar="MOMENT", required=True, help=MOMENTS)
    restoring.add_argument("--as", metavar="NAME", dest="restored_as", required=True, help="the name of the new one")
    restoring.add_argument("--server", metavar="NAME", help="the server or cluster, where there are several")
    restoring.add_argument("--format", choices=sorted(FORMATS), default="env", help="how its account is printed")
    restoring.set_defaults(act=_restore)
    forgetting = commands.add_parser("forget", help="remove all backups of a server that is gone for good")
    forgetting.add_argument("server", metavar="SERVER", help="its name, or what `list` says beside it")
    forgetting.set_defaults(act=_forget)
    checking = commands.add_parser("check", help="read the whole repository, and check that nothing is damaged")
    checking.set_defaults(act=_check)
    return parser


if __name__ == "__main__":
    sys.exit(main())
