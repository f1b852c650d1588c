"""What the proxy's health check says of its ports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dbhandler.proxy.haproxy import control_socket
from dbhandler.proxy.health import main
from tests.support.haproxy import Runtime

CLUSTER = b"""# pxname,svname,qcur,slim,status,addr,
mysql,FRONTEND,,9000,OPEN,,
nodes,node1,0,,UP,10.0.0.1:3306,
nodes,node2,0,,DOWN 1/2,10.0.0.2:3306,
nodes,node3,0,,UP 1/2,10.0.0.3:3306,
nodes,node4,0,,MAINT,127.0.0.1:3306,
nodes,BACKEND,0,900,UP,,

"""
DATABASES = b"""# pxname,svname,qcur,slim,status,addr,
database.shop,FRONTEND,,9000,OPEN,,
database.shop,alone1,0,,no check,10.0.0.1:3306,
database.shop,alone2,0,,MAINT,10.0.0.2:3306,
database.shop,BACKEND,0,900,UP,,
database.blog:24,FRONTEND,,0,OPEN,,
database.blog:24,node1,0,,UP,10.0.0.3:3306,
database.blog:24,BACKEND,0,900,UP,,

"""
SHOP = "database 'shop': passes connections on to 10.0.0.1:3306"


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        (CLUSTER, 0, "passes connections on to 10.0.0.1:3306, 10.0.0.3:3306"),
        (CLUSTER.replace(b"UP", b"MAINT"), 1, "no node of the cluster serves"),
        (DATABASES, 0, f"{SHOP}; database 'blog$': passes connections on to 10.0.0.3:3306 (new connections wait)"),
        # One that none has reached is enough for the answer, and the others are told all the same.
        (
            DATABASES.replace(b"UP,10", b"MAINT,10"),
            1,
            f"{SHOP}; database 'blog$': no server (new connections wait)",
        ),
    ],
)
def test_its_health(answer: bytes, status: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Runtime(control_socket(tmp_path), answer)
    assert main([], {"DBHANDLER_RUN_DIR": str(tmp_path)}) == status
    assert capsys.readouterr().out == told + "\n"
    made.close()


def test_its_health_without_a_haproxy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {"DBHANDLER_RUN_DIR": str(tmp_path)}) == 1
    assert "haproxy does not answer" in capsys.readouterr().out
    assert main(["--help"], {}) == 0
    assert main(["--now"], {}) == os.EX_USAGE
