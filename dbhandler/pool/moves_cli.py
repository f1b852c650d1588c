"""The commands of dbhandler-pool that have databases move."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from dbhandler.command import Parser
from dbhandler.errors import InvalidRequest
from dbhandler.log import shown
from dbhandler.pool.moving import PoolMoves
from dbhandler.requests.where import Where, parse
from dbhandler.settings import duration

KEEP = 3600
"""Seconds for which a server keeps what has moved, unless another time is asked for."""


def carry_out(argv: Sequence[str], moves: PoolMoves) -> int:
    """Runs one of the commands move, drain and rebalance; returns the exit status. Raises DbHandlerError."""
    options = _parser().parse_args(argv)
    match options.command:
        case "move" if options.cancel:
            moves.cancel(options.name)
            return os.EX_OK
        case "move":
            if options.to is None:
                raise InvalidRequest("move needs --to NODE, or --cancel (--help tells more)")
            names = moves.move(options.name, options.to, options.keep)
        case "drain" if options.end:
            moves.end_drain(options.node)
            return os.EX_OK
        case "drain":
            names = moves.drain(options.node, options.where, options.keep)
        case _:
            names = moves.rebalance(options.keep)
    if not names:
        print("nothing is to be moved", flush=True)
    return os.EX_OK if options.no_wait or not names else moves.waited(names, _tell)


def _parser() -> Parser:
    parser = Parser(prog="dbhandler-pool", usage="dbhandler-pool move|drain|rebalance ... (--help tells more)")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=argparse.ArgumentParser)
    move, drain = commands.add_parser("move"), commands.add_parser("drain")
    move.add_argument("name")
    move.add_argument("--to", metavar="NODE")
    move.add_argument("--cancel", action="store_true")
    drain.add_argument("node")
    drain.add_argument("--where", metavar="LABELS", type=_where)
    drain.add_argument("--end", action="store_true")
    for command in (move, drain, commands.add_parser("rebalance")):
        command.add_argument("--keep", metavar="TIME", type=_time, default=KEEP)
        command.add_argument("--no-wait", action="store_true")
        command.error = parser.error  # type: ignore[method-assign]
    return parser


def _time(text: str) -> int:
    try:
        return 0 if text == "0" else duration.seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _where(text: str) -> Where:
    try:
        return parse(text)
    except InvalidRequest as error:
        raise argparse.ArgumentTypeError(f"{error}: {shown(text)}") from error


def _tell(line: str) -> None:
    print(line, flush=True)
