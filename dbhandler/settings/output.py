"""What we say, and where: the form of our log lines, which processes read that need no other setting, and the audit
trail."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dbhandler.errors import ConfigError
from dbhandler.log import shown
from dbhandler.settings.setting import Reader

LOG_FORMATS = ("text", "json")
STDOUT = "stdout"


def log_format(environ: Mapping[str, str]) -> str:
    """The form of our log lines: text or json. Config refuses anything else; until then it is taken for text."""
    try:
        return Reader(environ).choice("DBHANDLER_LOG_FORMAT", LOG_FORMATS)
    except ConfigError:
        return LOG_FORMATS[0]


@dataclass(frozen=True)
class AuditSettings:
    """The file that the trail is written to; None: it goes to the container's log."""

    path: Path | None


def audit_settings(read: Reader) -> AuditSettings | None:
    """Where the trail goes; None: nobody wants one. Raises ConfigError."""
    value = read.text("DBHANDLER_AUDIT")
    if value is None or value == STDOUT:
        return None if value is None else AuditSettings(None)
    if not (value.startswith("/") and value.isprintable() and os.path.normpath(value) == value != "/"):
        raise ConfigError(
            f"DBHANDLER_AUDIT has to be {STDOUT} or the whole path of a file on a volume (/audit/trail), "
            f"not {shown(value)}"
        )
    return AuditSettings(Path(value))
