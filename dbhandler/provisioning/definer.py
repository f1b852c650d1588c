"""With whose rights runs what a dump holds: views, triggers, routines and events name an account, their definer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_BEFORE = rb"((?:/\*!\d+ )?(?:CREATE(?:\*/ /\*!\d+)? )?)"
"""What the tools write before it at the begin of a line."""
_ANYBODY = rb"DEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?"
"""A role has no host."""


def redefined(lines: Iterable[bytes], user: str, former: str | None = None) -> Iterator[bytes]:
    """The lines of a dump; what ran with the rights of the account `former` at any host, or of anybody where none is
    given, runs with those of `user`."""
    new, old = _definer(user), _ANYBODY if former is None else re.escape(_definer(former))
    pattern = re.compile(_BEFORE + old)
    for line in lines:
        match = pattern.match(line)
        yield match[1] + new + line[match.end() :] if match else line


def _definer(user: str) -> bytes:
    return b"DEFINER=`%s`@`%%`" % user.replace("`", "``").encode()
