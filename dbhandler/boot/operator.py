"""dbhandler-admin with arguments: what the operator of a server does for its applications."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dbhandler import edge, passwords
from dbhandler.audit.record import Audit, Entry
from dbhandler.audit.trail import trail_of
from dbhandler.audit.under_way import UNKNOWN
from dbhandler.boot.operator_accounts import add_commands
from dbhandler.boot.operator_base import OPERATOR, Commands, say, utc
from dbhandler.command import Parser, columns
from dbhandler.engine import sql
from dbhandler.engine.server import Server, agent_server
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, Unavailable
from dbhandler.log import shown
from dbhandler.os_user import leave_root
from dbhandler.provisioning.accounts import Accounts
from dbhandler.provisioning.drops import Drops
from dbhandler.provisioning.dump import read_header
from dbhandler.provisioning.lane import trash_of
from dbhandler.provisioning.provision import refusal
from dbhandler.provisioning.replacing import Replacer
from dbhandler.provisioning.trash import Kept
from dbhandler.requests.box import Credentials
from dbhandler.settings.config import Config
from dbhandler.volume.identity import accept

LOAD_TIMEOUT = 3600.0
"""Seconds for one statement."""

_EPILOG = """\
Without a command: waits until the database server serves, makes the admin account MYSQL_ADMIN_USER unless it is there
or nobody wants it, and prints how to log in. supervisord runs it so at every start of the container.

reissue, adopt and restore print on stdout what the application keeps as its state file (dbhandler-request --state),
password included, and everything else on stderr:

    docker exec db dbhandler-admin reissue shop > state.json

rotate prints the administrator's new password there, and nowhere else: it is in no log.

exit status: 0 done, 64 wrong usage, 69 the server does not answer, 70 failed, 75 try later, 77 refused
"""


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Carries out a command line that is not empty; returns the exit status."""
    options = _parser().parse_args(argv)
    return edge.carried_out("dbhandler-admin", lambda: _run(options, environ))


def _run(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    config = Config.from_environ(environ)
    leave_root(config.os_user)
    audit = trail_of(config)
    with agent_server(config, timeout=LOAD_TIMEOUT) as server, _refusals_told(options, audit):
        options.act(options.commands(config, server, audit), options)


@contextmanager
def _refusals_told(options: argparse.Namespace, audit: Audit) -> Iterator[None]:
    """Tells the trail of a command that changes something when it is refused, or fails."""
    try:
        yield
    except KeyboardInterrupt:
        _tell_end(options, audit, UNKNOWN, "it was interrupted")
        raise
    except Unavailable:
        raise
    except DbHandlerError as error:
        _tell_end(options, audit, refusal(error).status, str(error))
        raise


def _tell_end(options: argparse.Namespace, audit: Audit, outcome: str, reason: str) -> None:
    if options.changes:
        name, user = getattr(options, "name", None), getattr(options, "user", None)
        audit(Entry(options.changes, outcome, name, user, reason, OPERATOR))


class Operator(Commands):
    """The commands about databases, lost state and the trash."""

    def __init__(self, config: Config, server: Server, audit: Audit) -> None:
        super().__init__(config, server, audit)
        self._trash = trash_of(config)

    def reissue(self, options: argparse.Namespace) -> None:
        """Gives the account of a database a new password."""
        name = self._name(options.name)
        if options.undo_drop and (drop := self._drops.of(name)):
            Drops(self._server, self._config.engine, self._registry, self._trash).undo(drop)
            self._tell("undo_drop", "undone", name, account=drop.account)
        self._check_free(name)
        if not self._server.execute(sql.database_exists(name)):
            raise InvalidRequest(f"there is no database {shown(name)}")
        owner = self._restorer.owner(name)
        if owner is None:
            raise InvalidRequest(f"the database {shown(name)} has no account that was made on request")
        key, password = self._key(), passwords.generate()
        # Also the end of a former one that is still valid beside it.
        Accounts(self._server).set_password(owner, password)
        self._tell("reissue", "reissued", name, account=owner)
        self._print_state(Credentials(name, owner, password), key)
        say(f"the account {shown(owner)} has a new password: the old one is worth nothing now")

    def accept_state(self, _options: argparse.Namespace) -> None:
        """Takes data that were made with another state volume for this one's from now on."""
        accept(self._config.data_dir, self._config.run_dir, self._key())
        self._tell("accept_state", "accepted")
        print("data and state belong together now; dbhandler-request --accept-server leads applications here")

    def dumps(self, _options: argparse.Namespace) -> None:
        """Lists the trash."""
        rows = [("DUMP", "DATABASE", "WRITTEN", "BYTES", "KEPT UNTIL")]
        rows += [self._row(kept) for kept in self._trash.dumps()]
        print("\n".join(columns(rows, right=("BYTES",))))

    def restore(self, options: argparse.Namespace) -> None:
        """Restores a dump."""
        wanted = self._name(options.name)
        name = self._name(options.into) if options.into else wanted
        dump, key = self._dump(wanted, options.dump), self._key()
        self._check_free(name)
        account = self._restorer.restore(dump, name)
        self._tell("restore", "restored", name, account=account.user if account else None, dump=dump.name)
        say(f"restored {shown(name)} from {dump.name}")
        if account is None:
            say("its account stays as it is, with its password")
            return
        self._print_state(account, key)
        say(f"its account {shown(account.user)} is new: stdout has the state file for the application")

    def replace(self, options: argparse.Namespace) -> None:
        """Gives a database what another one holds."""
        if self._config.group:
            raise Denied("in a cluster the other nodes' sessions go on: let the application use the restored database")
        if not self._config.trash_days:
            raise Denied("what the database holds would be in no dump: DBHANDLER_TRASH_DAYS is 0")
        name, by = self._name(options.name), self._name(options.by)
        for one in (name, by):
            self._check_free(one)
        kept = Replacer(self._server, self._config.engine, self._restorer, self._trash).replace(name, by)
        self._tell("replace", "replaced", name, reason=f"by {shown(by)}", dump=kept)
        say(f"{shown(name)} holds what {shown(by)} does; its account stays as it is, with its password")
        say(f"what it held before is in the dump {kept}: `restore {name} --dump {kept} --as OTHER`")

    def _dump(self, database: str, file: str | None) -> Path:
        """The dump's file: the one that is named, or the newest of the database."""
        kept = {kept.path.name: kept.path for kept in self._trash.dumps()}
        if file is not None:
            if (name := file.removeprefix("trash/")) not in kept:
                raise InvalidRequest(f"there is no dump {shown(file)} in {self._trash.folder}: `dumps` lists them")
            return kept[name]
        found = [each.path for each in self._trash.dumps(database) if _is_of(each.path, database)]
        if not found:
            raise InvalidRequest(f"there is no dump of {shown(database)} in {self._trash.folder}: `dumps` lists them")
        return found[0]

    def _row(self, kept: Kept) -> tuple[str, str, str, str, str]:
        header = read_header(kept.path)
        database = shown(header.database).strip("'") if header else "?"
        return kept.path.name, database, utc(kept.written), str(kept.size), utc(self._trash.expires(kept))


def _is_of(path: Path, database: str) -> bool:
    header = read_header(path)
    # One without a header is refused later, with a sentence that says so.
    return header is None or header.database == database


def _parser() -> Parser:
    parser = Parser(
        prog="dbhandler-admin",
        description="What the operator of a server does for its applications: docker exec db dbhandler-admin COMMAND",
        epilog=_EPILOG,
    )
    parser.set_defaults(commands=Operator)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_commands(commands)
    accepting = commands.add_parser(
        "accept-state", help="take the data for this state volume's, though another one made them"
    )
    accepting.set_defaults(act=Operator.accept_state, changes="accept_state")
    reissue = commands.add_parser("reissue", help="give the account of a database a new password")
    reissue.add_argument("name", metavar="NAME", help="the database")
    reissue.add_argument("--undo-drop", action="store_true", help="end a drop of it that will never be finished")
    reissue.set_defaults(act=Operator.reissue, changes="reissue")
    dumps = commands.add_parser("dumps", help="list the dumps of dropped databases")
    dumps.set_defaults(act=Operator.dumps, changes=None)
    restore = commands.add_parser("restore", help="make a dropped database again")
    restore.add_argument("name", metavar="NAME", help="the database that was dropped")
    restore.add_argument("--dump", metavar="FILE", help="its dump (default: the newest)")
    restore.add_argument("--as", dest="into", metavar="OTHER", help="restore under another name")
    restore.set_defaults(act=Operator.restore, changes="restore")
    replacing = commands.add_parser("replace", help="give a database what another one holds, as one that was restored")
    replacing.add_argument("name", metavar="NAME", help="the database, whose account and password stay")
    replacing.add_argument("--by", metavar="OTHER", required=True, help="what it is to hold; stays, too")
    replacing.set_defaults(act=Operator.replace, changes="replace")
    return parser
