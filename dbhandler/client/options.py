"""What dbhandler-request takes on its command line, and what of it goes together."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from dbhandler.client.asking import KEEP_OLD, TIMEOUT
from dbhandler.client.connection import FORMATS
from dbhandler.client.variables import FIELDS, PREFIX, PRESETS, assignment, checked_prefix
from dbhandler.command import Parser, seconds
from dbhandler.errors import InvalidRequest
from dbhandler.log import shown
from dbhandler.requests import where
from dbhandler.requests.box import MAX_TTL
from dbhandler.requests.vocabulary import Role
from dbhandler.settings import duration

T = TypeVar("T")

_USAGE = """\
%(prog)s NAME [options] [-- COMMAND ...]
       %(prog)s --rotate|--drop --state FILE [options]
       %(prog)s [NAME] --restore-as NEW --at MOMENT --state FILE [options] [-- COMMAND ...]
       %(prog)s NAME --user USER --role ROLE --owner-state FILE [options] [-- COMMAND ...]
       %(prog)s NAME --copy-of DATABASE --owner-state FILE [options] [-- COMMAND ...]
       %(prog)s --list-accounts|--revoke USER|--renew --owner-state FILE [options]"""

_EPILOG = """\
TIME is a number with s, m, h, d or w behind it. With --ttl or --rotate-every this program stays beside COMMAND: it
hands signals on to it and ends with its exit status (128 + n where the signal n has ended it).

The Serf agent's RPC key comes from SERF_RPC_AUTH or SERF_RPC_AUTH_FILE. COMMAND gets neither it nor another password of
the servers: they are taken out of its environment.

exit status: 0 done, 64 wrong usage or an invalid request, 69 no Serf agent or no server within the time-out,
75 servers are there but cannot answer for sure yet (try later), 77 denied, 70 the server failed
"""


def parser() -> Parser:
    """The parser of all options."""
    made = Parser(
        prog="dbhandler-request",
        usage=_USAGE,
        description="Asks the database servers of a Serf cluster for a database with an account of its own,\n"
        "and prints how to connect, or runs COMMAND with that in its environment.",
        epilog=_EPILOG,
    )
    made.add_argument("name", nargs="?", metavar="NAME", help="the database")
    _add_account(made)
    _add_output(made)
    _add_request(made)
    _add_lifecycle(made)
    _add_sharing(made)
    return made


def _add_account(made: Parser) -> None:
    add = made.add_argument
    add("--state", type=Path, metavar="FILE", help="keeps the account for the next run; give one unless you only try")
    add("--user", help="the account's name (default: NAME)")


def _add_output(made: Parser) -> None:
    add = made.add_argument
    add("--format", choices=sorted(FORMATS), help="how to print the connection (default: env)")
    add("--env-prefix", type=_rule(checked_prefix), metavar="PREFIX", help=f"how variables begin (default: {PREFIX})")
    add("--env", type=_rule(assignment), action="append", default=[], metavar="VAR=FIELD",
        help=f"one more variable, with one of {', '.join(FIELDS)} or url:SCHEME; may be repeated")  # fmt: skip
    add("--preset", choices=sorted(PRESETS), help="the variables of a framework, in place of those with PREFIX unless "
        "that is given, too")  # fmt: skip
    add("--files", type=Path, metavar="DIR", help="write one private file per variable, for images with VAR_FILE")
    add("--ca-file", type=Path, metavar="FILE", help="where the certificate goes by which the server's is verified "
        "(default: beside the state file, with the ending .ca.pem)")  # fmt: skip


def _add_request(made: Parser) -> None:
    add = made.add_argument
    add("--charset", help="the database's character set (default: utf8mb4)")
    add("--collation", help="the database's collation")
    add("--where", type=_rule(_where), metavar="LABELS", help="labels that the server has to have, and engine=mariadb|"
        "mysql, with commas: in a pool with a directory (default: any server)")  # fmt: skip
    made.add_rpc_addr()
    add("--timeout", type=seconds(0, 86400 * 365), default=TIMEOUT, metavar="SECONDS",
        help="how long to wait for a server (default: %(default)s)")  # fmt: skip
    add("--accept-server", metavar="SERVER", help="trust SERVER in place of the server of --state: it has that one's "
        "data and says so, but has lost its state volume")  # fmt: skip
    add("--ttl", type=_rule(_time), metavar="TIME", help="after how long a database that is made now, or the account "
        "of --role, ends; renewed while COMMAND runs, and by --renew")  # fmt: skip
    add("--rotate-every", type=_rule(_time), metavar="TIME", help="give the account of --state a new password now if "
        "the present one is older, and while COMMAND runs whenever it is; --files are written again")  # fmt: skip
    add("--keep-old", type=_rule(_time_or_none), metavar="TIME", help="for how long a former password stays valid "
        f"beside the new one; 0: not at all, for one that others know (default: {KEEP_OLD // 60}m)")  # fmt: skip


def _add_lifecycle(made: Parser) -> None:
    one_of = made.add_mutually_exclusive_group()
    one_of.add_argument("--rotate", action="store_true", help="give the account of --state a new password")
    one_of.add_argument("--drop", action="store_true", help="drop the database of --state; tells where its dump is")
    one_of.add_argument("--restore-as", metavar="NEW", help="make the database NEW, with an account of its own, of "
        "what that of --state held at the moment of --at; all other options are about NEW")  # fmt: skip
    one_of.add_argument("--copy-of", metavar="DATABASE", help="make the database NAME, with an account of its own, of "
        "what that of --owner-state holds now; --state is NAME.json beside that one by default")  # fmt: skip
    one_of.add_argument("--list-accounts", action="store_true", help="print the accounts beside the owner's, as a "
        "table, or with --format json")  # fmt: skip
    one_of.add_argument("--revoke", metavar="USER", help="take the account USER away, and end its sessions")
    one_of.add_argument("--renew", action="store_true", help="let the database, or the account of --state, end --ttl "
        "from now")  # fmt: skip
    one_of.add_argument("--role", choices=[str(role) for role in Role], help="ask for the account --user beside the "
        "owner's, which may do what its role says")  # fmt: skip
    made.add_argument("--at", metavar="MOMENT", help="a time (UTC, or with its offset; fractions of a second count), a "
        "GTID, before:GTID, or latest")  # fmt: skip
    made.add_argument("--restore-state", type=Path, metavar="FILE", help="keeps the account of NEW (default: NEW.json "
        "beside --state's)")  # fmt: skip


def _add_sharing(made: Parser) -> None:
    made.add_argument("--owner-state", type=Path, metavar="FILE", help="the state file of whoever requested the "
        "database: it proves to --role, --copy-of, --list-accounts, --revoke and --renew whose it is")  # fmt: skip


def check(options: argparse.Namespace, command: Sequence[str]) -> None:
    """Raises InvalidRequest where options do not go together, or one is missing that another one needs."""
    for part in (_lifecycle, _sharing, _times):
        for is_wrong, sentence in part(options, command):
            if is_wrong:
                raise InvalidRequest(sentence)


Rules = Iterable[tuple[object, str]]
"""Whether it is wrong, and the sentence that says so."""


def _lifecycle(options: argparse.Namespace, _command: Sequence[str]) -> Rules:
    state, restores = options.state, options.restore_as is not None
    new = options.charset or options.collation or options.accept_server
    return (
        ((options.rotate or options.drop) and not state,
         "--rotate and --drop need --state FILE: it proves whose the database is"),
        (restores and not (state and options.at),
         "--restore-as needs --state FILE, which proves whose the database is, and --at MOMENT"),
        (restores and new, "--restore-as goes with none of --charset, --collation and --accept-server"),
        ((options.at or options.restore_state) and not restores,
         "--at and --restore-state need --restore-as NAME, the name of the new database"),
        ((options.role or options.copy_of is not None) and new,
         "--role and --copy-of go with none of --charset, --collation and --accept-server"),
        (options.where is not None and (restores or options.copy_of is not None or options.role
                                        or options.rotate or options.drop or is_owners(options)),
         "--where goes with the request for a new database only"),
        (options.name is None and not (restores or options.rotate or options.drop or is_owners(options)),
         "the name of a database is missing (--help tells more)"),
    )  # fmt: skip


def _sharing(options: argparse.Namespace, command: Sequence[str]) -> Rules:
    is_about_accounts = options.role or options.copy_of is not None or is_owners(options)
    return (
        (options.role and not options.user, "--role needs --user USER, the name of the account that is asked for"),
        (is_about_accounts and not options.owner_state,
         "--role, --copy-of, --list-accounts, --revoke and --renew need --owner-state FILE: it proves whose the "
         "database is"),
        (options.owner_state and not is_about_accounts,
         "--owner-state goes with --role, --copy-of, --list-accounts, --revoke or --renew"),
        (is_owners(options) and command, "no COMMAND goes with --list-accounts, --revoke and --renew"),
        (options.list_accounts and options.format not in (None, "json"),
         "--list-accounts prints a table, or with --format json JSON"),
    )  # fmt: skip


def _times(options: argparse.Namespace, command: Sequence[str]) -> Rules:
    requests = not (options.rotate or options.drop or options.restore_as is not None or is_owners(options))
    return (
        (options.renew and options.ttl is None, "--renew needs --ttl TIME, after which the end is to be"),
        (options.ttl and not (requests or options.renew),
         "--ttl goes with the request for a database or an account, or with --renew"),
        (options.ttl and requests and command and not options.state and options.copy_of is None,
         "--ttl with a COMMAND needs --state FILE: the account in it is renewed while COMMAND runs"),
        (options.rotate_every and not requests, "--rotate-every goes with the request for a database or an account"),
        (options.rotate_every and not options.state,
         "--rotate-every needs --state FILE, which says how old the password is"),
        (options.keep_old is not None and not (options.rotate or options.rotate_every),
         "--keep-old goes with --rotate or --rotate-every"),
    )  # fmt: skip


def is_owners(options: argparse.Namespace) -> bool:
    """Does it print or change what an owner has, and nothing to connect with?"""
    return bool(options.list_accounts or options.revoke is not None or options.renew)


def _where(text: str) -> str:
    """The text of a Where. Raises InvalidRequest."""
    where.parse(text)
    return text


def _time(text: str) -> int:
    """The seconds of a TIME. Raises InvalidRequest."""
    try:
        found = duration.seconds(text)
    except ValueError as error:
        raise InvalidRequest(str(error)) from error
    if found > MAX_TTL:
        raise InvalidRequest(f"a time is at most {MAX_TTL // 86400}d, not {shown(text)}")
    return found


def _time_or_none(text: str) -> int:
    return 0 if re.fullmatch("0+[smhdw]?", text) else _time(text)


def _rule(check: Callable[[str], T]) -> Callable[[str], T]:
    """argparse tells the sentence of its own kind of error only."""

    def checked(text: str) -> T:
        try:
            return check(text)
        except InvalidRequest as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked
