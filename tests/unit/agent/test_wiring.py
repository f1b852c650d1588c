"""What the agent's parts are told of each other."""

from __future__ import annotations

import pytest

from dbhandler.agent.wiring import lets_restore
from dbhandler.settings.config import Config
from dbhandler.trust import words

SECRET = {"DBHANDLER_POOL_SECRET": words.encode(bytes(32))}
YES, NODE = {"DBHANDLER_ALLOW_RESTORE": "1"}, {"DBHANDLER_CLUSTER": "shop", "DBHANDLER_ENGINE": "mariadb"}


@pytest.mark.parametrize(
    ("environ", "tags"),
    [
        ({}, {}),
        # Nobody backs it up.
        (YES, {}),
        (SECRET, {"own": "0"}),
        (SECRET | YES, {"own": "1"}),
        # Its tags are full.
        (SECRET | NODE, {}),
        (SECRET | NODE | YES, {"own": "1"}),
    ],
)
def test_what_is_said_of_restores(environ: dict[str, str], tags: dict[str, str]) -> None:
    assert lets_restore(Config.from_environ({"DBHANDLER_ENGINE": "mariadb", **environ})) == tags
