"""dbhandler-admin with arguments: what the operator of a server does for its applications."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dbhandler import edge, passwords
from dbhandler.client.state import State
from dbhandler.command import Parser, columns
from dbhandler.engine import sql
from dbhandler.engine.server import Server, agent_server
from dbhandler.errors import Denied, InvalidRequest, Unavailable
from dbhandler.inventory import InState
from dbhandler.log import shown
from dbhandler.os_user import leave_root
from dbhandler.provisioning.drop_table import DropTable
from dbhandler.provisioning.drops import Drops
from dbhandler.provisioning.dump import read_header
from dbhandler.provisioning.lane import trash_of
from dbhandler.provisioning.names import Names
from dbhandler.provisioning.registry import Registry
from dbhandler.provisioning.replacing import Replacer
from dbhandler.provisioning.restore import Restorer, client_loader
from dbhandler.provisioning.trash import Kept
from dbhandler.requests.box import Credentials, Keys
from dbhandler.requests.payload import check_name
from dbhandler.settings.config import Config
from dbhandler.volume.identity import accept

LOAD_TIMEOUT = 3600.0
"""Seconds for one statement."""

_EPILOG = """\
Without a command: waits until the database server serves, makes the admin account MYSQL_ADMIN_USER unless it is there
or nobody wants it, and prints how to log in. supervisord runs it so at every start of the container.

reissue and restore print on stdout what the application keeps as its state file (dbhandler-request --state), password
included, and everything else on stderr:

    docker exec db dbhandler-admin reissue shop > state.json

exit status: 0 done, 64 wrong usage, 69 the server does not answer, 70 failed, 77 refused
"""


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Carries out a command line that is not empty; returns the exit status."""
    options = _parser().parse_args(argv)
    return edge.carried_out("dbhandler-admin", lambda: _run(options, environ))


def _run(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    config = Config.from_environ(environ)
    leave_root(config.os_user)
    with agent_server(config, timeout=LOAD_TIMEOUT) as server:
        options.act(Operator(config, server), options)


class Operator:
    """The commands, on this container's server."""

    def __init__(self, config: Config, server: Server) -> None:
        self._config, self._server, self._trash = config, server, trash_of(config)
        self._registry, self._drops = Registry(server), DropTable(server)
        loader = client_loader(config.engine, config.socket, config.run_dir)
        self._restorer = Restorer(server, self._registry, loader)

    def reissue(self, options: argparse.Namespace) -> None:
        """Gives the account of a database a new password."""
        name = self._name(options.name)
        if options.undo_drop and (drop := self._drops.of(name)):
            Drops(self._server, self._config.engine, self._registry, self._trash).undo(drop)
        self._check_free(name)
        if not self._server.execute(sql.database_exists(name)):
            raise InvalidRequest(f"there is no database {shown(name)}")
        owner = self._restorer.owner(name)
        if owner is None:
            raise InvalidRequest(f"the database {shown(name)} has no account that was made on request")
        key, password = self._key(), passwords.generate()
        self._server.execute(sql.change_password(owner, password, self._config.engine))
        self._print_state(Credentials(name, owner, password), key)
        _say(f"the account {shown(owner)} has a new password: the old one is worth nothing now")

    def accept_state(self, _options: argparse.Namespace) -> None:
        """Takes data that were made with another state volume for this one's from now on."""
        accept(self._config.data_dir, self._config.run_dir, self._key())
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
        _say(f"restored {shown(name)} from {dump.name}")
        if account is None:
            _say("its account stays as it is, with its password")
            return
        self._print_state(account, key)
        _say(f"its account {shown(account.user)} is new: stdout has the state file for the application")

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
        _say(f"{shown(name)} holds what {shown(by)} does; its account stays as it is, with its password")
        _say(f"what it held before is in the dump {kept}: `restore {name} --dump {kept} --as OTHER`")

    def _name(self, text: str) -> str:
        self._config.policy.check_database(check_name(text))
        return Names(self._server).folded(text)

    def _check_free(self, name: str) -> None:
        if drop := self._drops.of(name):
            where = f" by the node {drop.node}" if drop.node else ""
            raise Denied(
                f"the database {shown(name)} is being dropped{where}; "
                "if that one will never come back, reissue --undo-drop opens its account again"
            )

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

    def _key(self) -> str:
        path = self._config.state_dir / InState.KEY
        # Made by the agent: of two keys one would be worth nothing.
        if not path.exists():
            raise Unavailable(f"the agent of this server has not made its key yet ({path})")
        return Keys(path).public

    def _print_state(self, account: Credentials, key: str) -> None:
        cluster = self._config.group.name if self._config.group else None
        state = State(account.database, account.user, account.password, key, cluster=cluster)
        present = {name: value for name, value in asdict(state).items() if value is not None}
        print(json.dumps(present), flush=True)

    def _row(self, kept: Kept) -> tuple[str, str, str, str, str]:
        header = read_header(kept.path)
        database = shown(header.database).strip("'") if header else "?"
        return kept.path.name, database, _time(kept.written), str(kept.size), _time(self._trash.expires(kept))


def _is_of(path: Path, database: str) -> bool:
    header = read_header(path)
    # One without a header is refused later, with a sentence that says so.
    return header is None or header.database == database


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def _say(text: str) -> None:
    edge.say("dbhandler-admin", text)


def _parser() -> Parser:
    parser = Parser(
        prog="dbhandler-admin",
        description="What the operator of a server does for its applications: docker exec db dbhandler-admin COMMAND",
        epilog=_EPILOG,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    accepting = commands.add_parser(
        "accept-state", help="take the data for this state volume's, though another one made them"
    )
    accepting.set_defaults(act=Operator.accept_state)
    reissue = commands.add_parser("reissue", help="give the account of a database a new password")
    reissue.add_argument("name", metavar="NAME", help="the database")
    reissue.add_argument("--undo-drop", action="store_true", help="end a drop of it that will never be finished")
    reissue.set_defaults(act=Operator.reissue)
    dumps = commands.add_parser("dumps", help="list the dumps of dropped databases")
    dumps.set_defaults(act=Operator.dumps)
    restore = commands.add_parser("restore", help="make a dropped database again")
    restore.add_argument("name", metavar="NAME", help="the database that was dropped")
    restore.add_argument("--dump", metavar="FILE", help="its dump (default: the newest)")
    restore.add_argument("--as", dest="into", metavar="OTHER", help="restore under another name")
    restore.set_defaults(act=Operator.restore)
    replacing = commands.add_parser("replace", help="give a database what another one holds, as one that was restored")
    replacing.add_argument("name", metavar="NAME", help="the database, whose account and password stay")
    replacing.add_argument("--by", metavar="OTHER", required=True, help="what it is to hold; stays, too")
    replacing.set_defaults(act=Operator.replace)
    return parser
