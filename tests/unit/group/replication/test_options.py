"""The options of a group's member."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbhandler.group.node import UUID
from dbhandler.group.replication.options import identity_of, server_options, server_uuid
from tests.support.group_nodes import HISTORY, node


def options(*peers: str, single_primary: bool = False) -> dict[str, str]:
    found = server_options(
        node("aa"), HISTORY, [node(peer, host=peer) for peer in peers], Path("/data"), single_primary
    )
    return dict(option.removeprefix("--").removeprefix("loose-group-replication-").split("=", 1) for option in found)


def test_nobody_writes_before_the_server_is_in_its_group_and_nothing_joins_by_itself() -> None:
    found = options("10.0.0.2")
    assert (found["super-read-only"], found["start-on-boot"]) == ("ON", "OFF")
    assert "bootstrap-group" not in found, "a server that starts again would begin a second group"
    assert (found["exit-state-action"], found["autorejoin-tries"]) == ("ABORT_SERVER", "0")
    assert found["unreachable-majority-timeout"] != "0"


def test_only_who_shows_a_certificate_of_the_pool_is_in_the_group() -> None:
    found = options("10.0.0.2")
    assert found["ssl-mode"] == "VERIFY_CA"
    assert found["ssl-ca"] == found["recovery-ssl-ca"] == "/data/pool-ca.pem"
    assert (found["recovery-use-ssl"], found["recovery-ssl-verify-server-cert"]) == ("ON", "ON")


def test_whom_it_asks() -> None:
    assert options("10.0.0.2", "fd00::3")["group-seeds"] == "10.0.0.2:4567,[fd00::3]:4567"
    assert options()["group-seeds"] == options()["local-address"] == "10.0.0.1:4567"


@pytest.mark.parametrize("single_primary", [False, True])
def test_the_mode_and_the_checks_that_it_needs(single_primary: bool) -> None:
    found = options(single_primary=single_primary)
    assert (found["single-primary-mode"] == "ON") is single_primary
    assert (found["enforce-update-everywhere-checks"] == "ON") is not single_primary


def test_a_server_bears_its_nodes_identity() -> None:
    one, other = (server_uuid(node("0123abcd"), cluster) for cluster in ("shop", "blog"))
    assert UUID.fullmatch(one) and re.match("0123abcd-....-4...-8...-", one) and one != other
    assert identity_of(one) == "0123abcd"
