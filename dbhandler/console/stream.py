"""What a page that is open gets as it happens: server-sent events, each with the parts that have changed.

Source: HTML Standard, 9.2 (Server-sent events).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence

from dbhandler.console.pages import Block

PAUSE = 0.5
"""Seconds between two messages: what changes all the time is told no faster."""
BEAT = 10.0
"""Seconds after which a message without content shows that both are there."""
LIFE = 600.0
"""Seconds after which a stream ends, and the browser opens the next: who has gone without a word is found out."""
RETRY = 1000
"""Milliseconds after which the browser asks again when a stream has ended."""


def events(
    blocks: Callable[[], Sequence[Block]],
    wait: Callable[[int, float], int],
    allowed: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[bytes]:
    """The messages for one reader: all parts first, then those that differ from what it has. wait gives the next
    version, allowed says whether the reader may still look."""
    sent: dict[str, str] = {}
    version, end = -1, clock() + LIFE
    yield f"retry: {RETRY}\n\n".encode()
    while clock() < end and allowed():
        version = wait(version, BEAT)
        now = {block.id: block.html for block in blocks()}
        changed = {id: html for id, html in now.items() if sent.get(id) != html}
        if changed or list(sent) != list(now):
            yield f"data: {json.dumps({'order': list(now), 'blocks': changed})}\n\n".encode()
        else:
            yield b": nothing new\n\n"
        sent = now
        sleep(PAUSE)
