"""Moments as people write them."""

from __future__ import annotations

import pytest

from dbhandler.backup.history import Before, Latest, Moment, Through, Time
from dbhandler.backup.moment import moment_of
from dbhandler.errors import InvalidRequest

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


@pytest.mark.parametrize(
    ("engine", "text", "moment"),
    [
        ("mariadb", "latest", Latest()),
        ("mariadb", "2026-11-23 21:04:05", Time(1795467845.0)),
        ("mariadb", "2026-11-23T21:04:05.25", Time(1795467845.25)),
        ("mariadb", "2026-11-23T21:04:05Z", Time(1795467845.0)),
        ("mariadb", "2026-11-23 22:04:05+01:00", Time(1795467845.0)),
        ("mysql", "2026-11-23", Time(1795392000.0)),
        ("mariadb", "0-1-5", Through("0-1-5")),
        ("mariadb", "before:0-1-5", Before("0-1-5")),
        ("mysql", f"{UUID}:7", Through(f"{UUID}:7")),
        ("mysql", f"before:{UUID}:7", Before(f"before:{UUID}:7".removeprefix("before:"))),
        # A domain of four digits makes no date.
        ("mariadb", "1000-10-5", Through("1000-10-5")),
        ("mariadb", "1000-1-5", Through("1000-1-5")),
        ("mariadb", "1000-10-123", Through("1000-10-123")),
        ("mariadb", "before:1000-10-12", Before("1000-10-12")),
    ],
)
def test_a_moment(engine: str, text: str, moment: Moment) -> None:
    assert moment_of(text, engine) == moment


@pytest.mark.parametrize(
    ("engine", "text"),
    [
        ("mariadb", ""), ("mariadb", "yesterday"), ("mariadb", "Latest"), ("mariadb", "before:"),
        ("mariadb", "before:latest"), ("mysql", "before:2026-11-23"), ("mariadb", "2026-13-01"),
        ("mariadb", "2026-11-23 25:00"), ("mariadb", "2026-11-23 x"), ("mariadb", "0-1-5,1-1-2"),
        ("mariadb", f"{UUID}:7"), ("mysql", "0-1-5"), ("mysql", f"{UUID}:1-7"), ("mysql", UUID),
        ("mysql", f"before:{UUID}"), ("mysql", f"x before:{UUID}:7"), ("mariadb", "1795467845"),
    ],
)  # fmt: skip
def test_what_is_none(engine: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^a moment is a time .*, not '"):
        moment_of(text, engine)
