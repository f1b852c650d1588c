"""How long backups are kept: only options that keep something."""

from __future__ import annotations

import pytest

from dbhandler.backup.retention import DEFAULT, Retention
from dbhandler.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (DEFAULT, ("--keep-within=2d", "--keep-daily=7", "--keep-weekly=4", "--keep-monthly=6")),
        ("--keep-last=3", ("--keep-last=3",)),
        ("  --keep-hourly 24\n--keep-yearly  unlimited ", ("--keep-hourly=24", "--keep-yearly=unlimited")),
        ("--keep-within 1y5m7d2h", ("--keep-within=1y5m7d2h",)),
        ("--keep-within-daily=14d", ("--keep-within-daily=14d",)),
        ("--keep-tag kind=base", ("--keep-tag=kind=base",)),
        ("--keep-tag=kind=base", ("--keep-tag=kind=base",)),
    ],
)
def test_options_that_keep_are_taken(text: str, options: tuple[str, ...]) -> None:
    assert Retention(text).options == options


@pytest.mark.parametrize("text", ["", "  \n"])
def test_something_has_to_be_kept(text: str) -> None:
    with pytest.raises(ConfigError, match="DBHANDLER_BACKUP_KEEP has to keep something"):
        Retention(text)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("--keep-last", "--keep-last takes a number from 1, or unlimited, not ''"),
        ("--keep-last 0", "not '0'"),
        ("--keep-last -1", "not '-1'"),
        ("--keep-daily x", "not 'x'"),
        ("--keep-daily ７", "not "),
        ("--keep-daily --keep-weekly 4", "not '--keep-weekly'"),
        ("--keep-within 7", "a time such as 14d or 1y6m, not '7'"),
        ("--keep-within 7w", "not '7w'"),
        ("--keep-within-last 7d", "takes --keep-last, "),
        ("--keep-tag a,b", "not 'a,b'"),
        ("--keep-tag --prune", "not '--prune'"),
        ("--prune", "not '--prune'"),
        ("--keep-daily 7 --repo /elsewhere", "not '--repo'"),
        ("7", "not '7'"),
        ("--keep-daily=7=8", "not '7=8'"),
        ("--unsafe-allow-remove-all", "not '--unsafe-allow-remove-all'"),
    ],
)
def test_whatever_else_is_refused_by_its_name(text: str, quoted: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Retention(text)
    assert str(raised.value).startswith("DBHANDLER_BACKUP_KEEP") and quoted in str(raised.value)
