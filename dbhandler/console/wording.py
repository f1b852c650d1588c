"""Pure: how states, times and sizes are written on the page, each once, for the templates."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from urllib.parse import urlencode

from dbhandler.command import size
from dbhandler.requests.backup_state import BackupState
from dbhandler.status.table import duration

GOOD, BUSY, BAD, GONE = "good", "busy", "bad", "gone"
"""How a state looks: a colour, and a sign for whoever sees none."""
SIGNS = {GOOD: "●", BUSY: "◐", BAD: "▲", GONE: "○"}
_LOOKS = {
    "ready": GOOD, "alive": GOOD, "starting": BUSY, "leaving": BUSY, "not asked yet": BUSY, "left": GONE,
    "done": GOOD, "created": GOOD, "exists": GOOD, "rotated": GOOD, "renewed": GOOD, "copied": GOOD, "ok": GOOD,
    "dropped": GOOD, "revoked": GOOD, "switched": GOOD, "absent": GONE, "placed": GOOD,
    "waiting": BUSY, "copying": BUSY, "following": BUSY, "stopping": BUSY, "stopped": BUSY, "undoing": BUSY,
}  # fmt: skip


def look(state: str) -> str:
    """How a state looks; one that is not known looks bad."""
    return _LOOKS.get(state, BAD)


def sign(state: str) -> str:
    """The sign of a state."""
    return SIGNS[look(state)]


def key(kind: str, name: str) -> str:
    """What an element is called on the page, whatever its name is."""
    return f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def server_url(node: str) -> str:
    """Where a server's own page is."""
    return "/server?" + urlencode({"name": node})


def moment(seconds: float | None) -> str:
    """A moment in UTC, to the second."""
    return "never" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def machine_moment(seconds: float) -> str:
    """The same for programs."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def recoverable(state: BackupState | None) -> str:
    """How far a backup goes, in a sentence."""
    if state is None:
        return "not backed up"
    if state.first is None or state.last is None:
        return "nothing can be restored yet"
    gaps = f", but for {state.gaps} gaps" if state.gaps > 1 else ", but for a gap" if state.gaps else ""
    proven = f"last proven {moment(state.proven)}" if state.proven else "not proven yet"
    return f"recoverable from {moment(state.first)} to {moment(state.last)}{gaps}; {proven}"


def count(number: int | None, one: str, many: str | None = None) -> str:
    """A number of things."""
    return f"? {many or one + 's'}" if number is None else f"{number} {one if number == 1 else many or one + 's'}"


def release(version: str | None) -> str:
    """A version without what Debian or the engine adds."""
    return (version or "").partition("-")[0]


FOR_PAGES = {
    "count": count, "duration": duration, "key": key, "look": look, "machine_moment": machine_moment, "moment": moment,
    "recoverable": recoverable, "release": release, "server_url": server_url, "sign": sign, "size": size,
    "urlencode": urlencode,
}  # fmt: skip
"""What templates may call."""
