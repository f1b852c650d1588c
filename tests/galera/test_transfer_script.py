"""Debian's script for a state transfer promises nothing: what the image changes in it is there, each once."""

from __future__ import annotations

import pytest

from tests.support.docker import docker
from tests.support.galera import IMAGE

SEEN = "1:11.8.9+ds-0+deb13u1"
SCRIPT = "/usr/bin/wsrep_sst_mariabackup"


def printed(*command: str) -> str:
    return docker("run", "--rm", "--network", "none", "--entrypoint", command[0], IMAGE, *command[1:]).stdout


@pytest.fixture(scope="module")
def script() -> str:
    return printed("cat", SCRIPT)


@pytest.fixture(scope="module")
def package() -> str:
    """The version of the package that the script comes with."""
    return printed("dpkg-query", "-W", "-f", "${Version}", "mariadb-server-core")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ("sleep 0.5", "the sender tries again soon, instead of waiting ten seconds"),
        (r"\.dbhandler\(-cluster\|-set-aside\)?$\|", "the receiver keeps our notes, and data set aside"),
        ("TCP-LISTEN:$SST_PORT,reuseaddr${WSREP_SST_BIND:-}", "the receiver listens at the node's own address alone"),
        ("openssl-listen:$SST_PORT,reuseaddr${WSREP_SST_BIND:-}", "the same over TLS"),
    ],
)
def test_each_change_has_hit_the_one_place_it_was_made_for(script: str, package: str, changed: str, why: str) -> None:
    assert script.count(changed) == 1, (
        f"{SCRIPT} of mariadb-server {package} has {script.count(changed)} places with {changed!r}, not one as that of "
        f"{SEEN}, for which container/Dockerfile was made ({why}): look at the script, then change the Dockerfile"
    )


def test_nothing_waits_for_ten_seconds_any_more(script: str, package: str) -> None:
    assert "sleep 10\n" not in script, f"{SCRIPT} of mariadb-server {package} waits elsewhere, too (seen with {SEEN})"
