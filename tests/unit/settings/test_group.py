"""What makes a MySQL server a member of a group."""

from __future__ import annotations

import pytest

from dbhandler.errors import ConfigError
from dbhandler.settings.config import Config
from dbhandler.settings.pool import GroupSettings
from dbhandler.trust.secret import new_secret

MEMBER = {"DBHANDLER_ENGINE": "mysql", "DBHANDLER_CLUSTER": "shop", "DBHANDLER_POOL_SECRET": new_secret()}


@pytest.mark.parametrize(("mode", "single"), [(None, False), ("multi-primary", False), ("single-primary", True)])
def test_the_mode(mode: str | None, single: bool) -> None:
    given = {"DBHANDLER_GROUP_MODE": mode} if mode else {}
    assert Config.from_environ({**MEMBER, **given}).group == GroupSettings("shop", 3, single)


WRONG = [
    ({**MEMBER, "DBHANDLER_POOL_SECRET": ""}, "DBHANDLER_CLUSTER needs DBHANDLER_POOL_SECRET on MySQL"),
    ({**MEMBER, "DBHANDLER_BINLOG": "0"}, "DBHANDLER_BINLOG=0 excludes it"),
    ({**MEMBER, "DBHANDLER_GROUP_MODE": "both"}, "DBHANDLER_GROUP_MODE has to be "),
    ({**MEMBER, "DBHANDLER_CLUSTER": "", "DBHANDLER_GROUP_MODE": "single-primary"}, "DBHANDLER_GROUP_MODE is for"),
    (
        {**MEMBER, "DBHANDLER_ENGINE": "mariadb", "DBHANDLER_GROUP_MODE": "single-primary"},
        "DBHANDLER_GROUP_MODE is for",
    ),
]


@pytest.mark.parametrize(("environ", "sentence"), WRONG)
def test_what_cannot_be_is_a_sentence(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Config.from_environ(environ)


def test_a_member_numbers_its_changes() -> None:
    assert Config.from_environ(MEMBER).binlog is True
