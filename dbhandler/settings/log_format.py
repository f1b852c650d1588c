"""The form of our log lines: apart, because it is the one setting that processes read which need no other."""

from __future__ import annotations

from collections.abc import Mapping

from dbhandler.errors import ConfigError
from dbhandler.settings.setting import Reader

LOG_FORMATS = ("text", "json")


def log_format(environ: Mapping[str, str]) -> str:
    """The form of our log lines: text or json. Config refuses anything else; until then it is taken for text."""
    try:
        return Reader(environ).choice("DBHANDLER_LOG_FORMAT", LOG_FORMATS)
    except ConfigError:
        return LOG_FORMATS[0]
