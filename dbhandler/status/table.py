"""The servers of a cluster as a person reads them: one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from dbhandler.command import columns
from dbhandler.requests.backup_state import BackupState, Trouble
from dbhandler.status.backups import Backups, Row
from dbhandler.status.servers import ServerStatus

HEADINGS = ("NODE", "SERVER", "STATE", "DATABASES", "SPOOL", "UPTIME", "ADDRESS", "LAST ERROR")
BACKUP_HEADINGS = ("BACKUP OF", "RECOVERABLE FROM", "TO", "GAPS", "LAST PROVEN", "TROUBLE")
_RIGHT = frozenset({"DATABASES", "SPOOL", "UPTIME", "GAPS"})
NOTHING = "-"
_TROUBLES = {
    Trouble.STREAM: "its changes do not come",
    Trouble.BASE: "its last base could not be taken or proven",
    Trouble.REPOSITORY: "nothing comes into the repository",
    Trouble.AWAY: "its server is away",
}

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def table(statuses: Iterable[ServerStatus], width: int | None = None) -> str:
    """The table, each line ended; columns are as wide as what stands in them, and lines cut to `width` characters."""
    lines = columns([HEADINGS, *(_row(status) for status in statuses)], _RIGHT)
    return "".join(_cut(line, width) + "\n" for line in lines)


def backup_table(backups: Backups, width: int | None = None) -> str:
    """The same of the backups; nothing where nobody has told of one."""
    if not backups.rows:
        return ""
    lines = columns([BACKUP_HEADINGS, *(_backup_row(row) for row in backups.rows)], _RIGHT)
    if backups.more:
        lines.append(f"and {backups.more} more that are no worse: `dbhandler-backup list` in the backup has all")
    return "".join(_cut(line, width) + "\n" for line in lines)


def duration(seconds: int) -> str:
    """Seconds as the two largest units: `3 d 4 h`."""
    parts: list[str] = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(filter(None, parts[:2])) or "0 s"


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


def _row(status: ServerStatus) -> tuple[str, ...]:
    server = " ".join(filter(None, (status.engine, _release(status.version))))
    error = " ".join(filter(None, (_moment(status.last_error_at), status.last_error)))
    address = f"{status.host}:{status.port}" if status.host and status.port else status.host
    uptime = None if status.uptime is None else duration(status.uptime)
    over = f" ({status.over_quota} over quota)" if status.over_quota else ""
    databases = None if status.databases is None else f"{status.databases}{over}"
    cells = (status.node, server, status.state, databases, status.spool, uptime, address, error)
    return tuple(NOTHING if cell in (None, "") else _printable(str(cell)) for cell in cells)


def _backup_row(row: Row) -> Sequence[str]:
    if (state := row.state) is None:
        return (_printable(row.name), *[NOTHING] * 4, "not backed up")
    times = (_time(state.first), _time(state.last), str(state.gaps), _time(state.proven))
    return (_printable(row.name), *times, _trouble(state))


def _time(seconds: int | None) -> str:
    return NOTHING if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _trouble(state: BackupState) -> str:
    if state.trouble:
        return _TROUBLES[state.trouble]
    if state.first is None:
        return "nothing yet"
    return NOTHING if state.proven else "not proven yet"


def _release(version: str | None) -> str:
    # 11.8.3-MariaDB-0+deb13u1 from Debian: the engine stands beside it.
    return (version or "").partition("-")[0]


def _moment(at: str | None) -> str:
    return (at or "").replace("T", " ")


def _printable(text: str) -> str:
    # What members say is not to move the cursor or forge lines.
    return "".join(character if character.isprintable() else "?" for character in text)
