"""dbhandler-audit: whether a trail is whole."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import BinaryIO

from dbhandler import edge, paths
from dbhandler.audit import head as heads
from dbhandler.audit.chain import Chain
from dbhandler.audit.head import Head
from dbhandler.audit.trail import locked
from dbhandler.command import Parser
from dbhandler.errors import DbHandlerError, InvalidRequest
from dbhandler.inventory import InState
from dbhandler.os_user import leave_root
from dbhandler.settings.output import audit_settings
from dbhandler.settings.setting import Reader

MOST = 20
"""Sentences that are told; of more only their number."""
LONGEST = 1024 * 1024
"""Bytes of a line; the rest of a longer one is none of ours."""

_EPILOG = """\
FILE is a trail of DBHANDLER_AUDIT, of several the oldest first; - is what comes in, such as the container's log, whose
other lines are passed over. Without one it is the file of DBHANDLER_AUDIT:

    docker exec db dbhandler-audit verify
    docker logs db | docker exec -i db dbhandler-audit verify -

In the server's container the end is compared with what the state folder says of it. Elsewhere, --no-head. A line that
is written while a log comes in looks as if it was cut off: look again.

exit status: 0 whole, 64 wrong usage, 65 not whole, 70 failed
"""


def main(
    argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None, stdin: BinaryIO | None = None
) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(argv)
    environ = os.environ if environ is None else environ
    return edge.carried_out("dbhandler-audit", partial(_verify, options, environ, stdin or sys.stdin.buffer))


def _verify(options: argparse.Namespace, environ: Mapping[str, str], stdin: BinaryIO) -> int:
    leave_root(environ.get("DBHANDLER_OS_USER"))
    state, chain = Path(paths.state_dir(environ)), Chain(options.first)
    head_file = None if options.no_head else state / InState.AUDIT_HEAD
    with ExitStack() as opened:
        before, streams = _opened(options.files or [_set(environ)], state, head_file, stdin, opened)
        for name, stream, size in streams:
            for number, line in _lines(stream, size):
                if not _is_cut(line, before):
                    chain.add(f"{name}line {number}", line.decode(errors="replace").rstrip("\r\n"))
    complaints = chain.complaints() + _end(chain, before, head_file)
    for complaint in complaints[:MOST]:
        print(complaint)
    if len(complaints) > MOST:
        print(f"and {len(complaints) - MOST} sentences more like these")
    if not complaints:
        print(chain)
    return os.EX_DATAERR if complaints else os.EX_OK


_Streams = list[tuple[str, BinaryIO, int | None]]


def _opened(
    names: Sequence[str], state: Path, head_file: Path | None, stdin: BinaryIO, opened: ExitStack
) -> tuple[Head | None, _Streams]:
    """The head, and what to read of each source: its name, the stream, how many bytes. Nobody writes meanwhile, so that
    a file's end is that of the head."""
    with ExitStack() as alone:
        if head_file and head_file.exists():
            alone.enter_context(locked(state / InState.AUDIT_LOCK))
        streams: _Streams = []
        for name in names:
            if name == "-":
                streams.append(("", stdin, None))
                continue
            file = opened.enter_context(Path(name).open("rb"))
            streams.append((f"{name} " if len(names) > 1 else "", file, os.fstat(file.fileno()).st_size))
        return _head(head_file), streams


def _lines(stream: BinaryIO, size: int | None) -> Iterator[tuple[int, bytes]]:
    """The lines of a stream with their numbers, up to so many bytes."""
    left, number, begins = size, 1, True
    while (left is None or left > 0) and (line := stream.readline(LONGEST if left is None else min(LONGEST, left))):
        left = None if left is None else left - len(line)
        if begins:
            yield number, line
        begins = line.endswith(b"\n")
        number += begins


def _is_cut(line: bytes, head: Head | None) -> bool:
    """Is that the beginning of a line that is still to be finished?"""
    if head is None or head.line is None or head.written:
        return False
    return not line.endswith(b"\n") and head.line.encode().startswith(line)


def _end(chain: Chain, before: Head | None, head_file: Path | None) -> list[str]:
    """What is wrong with the end of the trail."""
    if head_file is None:
        return [] if chain.is_any else ["there is no line of an audit trail"]
    after = _head(head_file)
    if after is None:
        return [f"nothing says where the trail ends: there is no {head_file} (--no-head)"] if chain.is_any else []
    return chain.end_complaints(before or Head(), after)


def _head(file: Path | None) -> Head | None:
    try:
        return heads.load(file) if file else None
    except ValueError as error:
        raise DbHandlerError(f"{file} is damaged: it does not say where the trail ends (--no-head)") from error


def _set(environ: Mapping[str, str]) -> str:
    """The file of the setting. Raises ConfigError; InvalidRequest where it names none."""
    settings = audit_settings(Reader(environ))
    if settings is None:
        raise InvalidRequest("which FILE? DBHANDLER_AUDIT is not set")
    if settings.path is None:
        raise InvalidRequest(
            "the trail is in the container's log: docker logs db | docker exec -i db dbhandler-audit verify -"
        )
    return str(settings.path)


def _parser() -> Parser:
    about = "Tells whether the trail of who did what is whole."
    parser = Parser(prog="dbhandler-audit", description=about, epilog=_EPILOG)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    verify = commands.add_parser("verify", help="tell whether a trail is whole, and what is wrong with it")
    verify.add_argument("files", metavar="FILE", nargs="*", help="the trail, or - for what comes in")
    verify.add_argument(
        "--from", dest="first", metavar="N", type=_number, default=1, help="older lines than number N are elsewhere"
    )
    verify.add_argument("--no-head", action="store_true", help="do not ask the state folder where the trail ends")
    return parser


def _number(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 10**18:
        return int(text)
    raise argparse.ArgumentTypeError(f"N has to be the number of a line, not {text!r}")
