"""How long backups are kept: restic's own options, of which only those that keep something are taken."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbhandler.errors import ConfigError
from dbhandler.log import shown

# Whatever was between two bases of one day, a gap above all, stays to be looked at.
DEFAULT = "--keep-within 2d --keep-daily 7 --keep-weekly 4 --keep-monthly 6"
_NUMBER = re.compile(r"[1-9]\d{0,5}|unlimited")
# Years, months, days and hours, in this order.
_SPAN = re.compile(r"(?=\d)([1-9]\d{0,3}y)?([1-9]\d{0,3}m)?([1-9]\d{0,4}d)?([1-9]\d{0,5}h)?")
_TAG = re.compile(r"[^\s,=-][^\s,]*")
_PERIODS = "hourly|daily|weekly|monthly|yearly"
_RULES = (
    (re.compile(f"--keep-(last|{_PERIODS})"), _NUMBER, "a number from 1, or unlimited"),
    (re.compile(f"--keep-within(-({_PERIODS}))?"), _SPAN, "a time such as 14d or 1y6m"),
    (re.compile("--keep-tag"), _TAG, "one tag such as kind=base"),
)
_TAKEN = f"--keep-last, --keep-{_PERIODS}, --keep-within, --keep-within-{_PERIODS} and --keep-tag"


class Retention:
    """What `text` keeps, such as `--keep-daily 7 --keep-within=30d`. Raises ConfigError, which names the variable, the
    rule and the value, and also for what would keep nothing at all."""

    def __init__(self, text: str, variable: str = "DBHANDLER_BACKUP_KEEP") -> None:
        self.options = tuple(_options(text.split(), variable))
        """Each in one word, for Repository.keep."""
        if not self.options:
            raise ConfigError(f"{variable} has to keep something, such as {DEFAULT}")


def _options(words: list[str], variable: str) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        form, hint = _rule(option, variable)
        value = value if equals else next(rest, "")
        if not (value and form.fullmatch(value)):
            raise ConfigError(f"{variable}: {option} takes {hint}, not {shown(value)}")
        yield f"{option}={value}"


def _rule(option: str, variable: str) -> tuple[re.Pattern[str], str]:
    for name, form, hint in _RULES:
        if name.fullmatch(option):
            return form, hint
    raise ConfigError(f"{variable} takes {_TAKEN}, not {shown(option)}")
