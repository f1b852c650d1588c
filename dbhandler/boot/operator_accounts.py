"""dbhandler-admin list, adopt, revoke, rotate: who has which database, and the accounts themselves."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from dbhandler.boot.admin import pending_file
from dbhandler.boot.admin_password import LEAST_KEPT, AdminPassword
from dbhandler.boot.operator_base import Commands, say
from dbhandler.boot.operator_table import as_json, table
from dbhandler.errors import Denied, InvalidRequest
from dbhandler.inventory import InState
from dbhandler.log import shown
from dbhandler.provisioning import definers
from dbhandler.provisioning.account_table import Account, AccountTable
from dbhandler.provisioning.adopting import Adopter
from dbhandler.provisioning.granting import end_account
from dbhandler.provisioning.lease_clock import LeaseClock
from dbhandler.provisioning.names import Names
from dbhandler.provisioning.sessions import Sessions
from dbhandler.provisioning.survey import Survey
from dbhandler.requests.box import MAX_TTL
from dbhandler.requests.payload import check_name
from dbhandler.settings import duration

KEPT = "10m"
"""For how long the administrator's former password stays valid, where nothing is said."""

_BANNER = """\
You can now connect to this MySQL Server using:

    mysql -u{user} -p{password} -h<host> -P<port>"""

_LIST_HELP = """\
One row for each account of each database. ROLE is `main` for the database's own account, then `owner`, `writer` or
`reader` for those that its owner has given, `other` for any that has a grant on the database and was made by hand. A
database that is nobody's has `-` for its account: `adopt` gives it one. AGE is since the database is that account's.

SIZE (of the whole database, in each of its rows) is the engine's estimate of data and indexes; with `(over quota)` the
accounts of the database write no more (DBHANDLER_QUOTA_BYTES). CONNECTIONS are open now, LOGINS those since the
server's start, in a cluster at this node; MariaDB counts LOGINS only with --performance-schema=ON or --userstat=ON. No
server tells when somebody logged in last. LAST WRITE is when a row of the database was changed last: reading leaves no
trace there, and InnoDB forgets it with each restart of the server.
"""


class AccountCommands(Commands):
    """The commands about accounts."""

    def list(self, options: argparse.Namespace) -> None:
        """Shows who has which database."""
        name = None if options.name is None else Names(self._server).folded(check_name(options.name))
        rows = Survey(self._server, self._registry).rows(name)
        print(as_json(rows) if options.json else table(rows), flush=True)

    def adopt(self, options: argparse.Namespace) -> None:
        """Gives a database that is nobody's an account."""
        name = self._name(options.name)
        self._check_free(name)
        if owner := self._restorer.owner(name):
            raise Denied(
                f"the database {shown(name)} belongs to the account {shown(owner)}: reissue gives that a new password"
            )
        # All that may fail without anything having changed comes first.
        key, user = self._key(), options.user or name
        foreign = definers.others(self._server, name, user)
        account = Adopter(self._server, self._registry, self._config.policy).adopt(name, user)
        self._tell("adopt", "adopted", name, account=user)
        self._print_state(account, key)
        say(f"{shown(name)} is owned by the account {shown(user)} now: stdout has the state file for the application")
        if foreign:
            say(foreign)

    def revoke(self, options: argparse.Namespace) -> None:
        """Takes an account away that the owner of a database has given."""
        name, user = self._name(options.name), options.user
        self._check_free(name)
        accounts = AccountTable(self._server)
        account = self._given(name, accounts.of(user), user)
        for _ in range(2):
            # Once more: its owner may have given it again before it was forgotten, and nobody would know of it.
            end_account(self._server, Sessions(self._server), account)
            accounts.forget_account(user)
        self._tell("revoke", "revoked", name, account=user)
        say(f"the account {shown(user)} ({account.role}) of {shown(name)} is no more, and its sessions are ended")

    def _given(self, name: str, known: Account | None, user: str) -> Account:
        if known is not None and known.name == name and known.is_granted:
            return known
        if self._restorer.owner(name) == user:
            raise Denied(
                f"{shown(user)} is the own account of {shown(name)}: reissue gives it a new password, and the "
                "application's dbhandler-request --drop ends it together with the database"
            )
        raise InvalidRequest(
            f"the owner of {shown(name)} has given nobody an account {shown(user)}: `list {name}` shows what there is"
        )

    def rotate(self, options: argparse.Namespace) -> None:
        """Gives the administrator's account a new password."""
        config, user = self._config, self._config.admin_user
        now = LeaseClock(config.state_dir / InState.LEASE_CLOCK).now
        password = AdminPassword(self._server, user, now, pending_file(config)).change(options.keep_old)
        self._tell("rotate", "rotated", account=user)
        print(_BANNER.format(user=user, password=password), flush=True)
        kept = f"is valid for {options.keep_old} s more" if options.keep_old else "is worth nothing now"
        say(f"the account {shown(user)} has a new password; the former one {kept}")


def add_commands(commands: Any) -> None:
    """Adds these commands to a parser's (argparse has no name for their type)."""
    add = _adder(commands)
    listing = add("list", AccountCommands.list, None, "show who has which database, and how it is used", _LIST_HELP)
    listing.add_argument("name", metavar="NAME", nargs="?", help="this database only")
    listing.add_argument("--json", action="store_true", help="one line of JSON: a list with one object per account")
    adopt = add("adopt", AccountCommands.adopt, "adopt", "give a database that is nobody's an account")
    adopt.add_argument("name", metavar="NAME", help="the database, made by hand or loaded from a file")
    adopt.add_argument("--user", help="the account's name (default: NAME)")
    revoke = add("revoke", AccountCommands.revoke, "revoke", "take away an account that a database's owner has given")
    revoke.add_argument("name", metavar="NAME", help="the database")
    revoke.add_argument("user", metavar="USER", help="the account, which is not the database's own")
    rotate = add("rotate", AccountCommands.rotate, "rotate", "give the administrator's account a new password")
    rotate.add_argument(
        "--keep-old", type=_kept, default=KEPT, metavar="TIME", help="for how long the former password stays valid: "
        "30m, 12h, 7d, or 0 for not at all (default: %(default)s)",
    )  # fmt: skip


def _adder(commands: Any) -> Callable[..., argparse.ArgumentParser]:
    def add(
        name: str, act: Callable[..., None], changes: str | None, told: str, more: str | None = None
    ) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, help=told, description=more)
        made.set_defaults(commands=AccountCommands, act=act, changes=changes)
        return made

    return add


def _kept(text: str) -> int:
    """The seconds of --keep-old."""
    try:
        seconds = 0 if text == "0" else duration.seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if seconds and not LEAST_KEPT <= seconds <= MAX_TTL:
        raise argparse.ArgumentTypeError(f"TIME is 0, or from {LEAST_KEPT}s to {MAX_TTL // 86400}d, not {text!r}")
    return seconds
