"""The proxy's servers: who gets which, what HAProxy is told, and what it is told of Serf."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import SocketServer

from dbhandler import proxy_health
from dbhandler.errors import Unavailable
from dbhandler.haproxy import Change, HaProxy, Slots, configuration, control_socket
from dbhandler.proxy import EX_CONFIG, Keeper, main, ready_nodes
from dbhandler.serf import Member

A, B, C = ("10.0.0.1", 3306), ("10.0.0.2", 3306), ("10.0.0.3", 3307)


def member(name: str, host: str = "10.0.0.1", status: str = "alive", **tags: str) -> Member:
    full = {"role": "db", "cluster": "shop", "port": "3306", "galera": tag(name, "synced")} | tags
    return Member(name, host, 7946, status, full)


def tag(name: str, mode: str) -> str:
    return f"{mode} data 4ff1e6c6-e6f9-11f1-b5d2-7aa832857484:0 {name}0/0 - -"


def test_only_ready_nodes_of_this_cluster() -> None:
    members = [
        member("a"), member("b", galera=tag("b", "nonprimary")), member("c", cluster="other"),
        member("d", status="failed"), member("e", role="web"), member("f", port="x"), member("0", galera="garbage"),
        member("1", host="10.0.0.7", port="3307", mysql="down", galera=tag("1", "donor")),
    ]  # fmt: skip
    # A donor still takes reads and writes, and to leave it would end its connections.
    assert ready_nodes(members, "shop") == {"a": ("10.0.0.1", 3306), "1": ("10.0.0.7", 3307)}


def test_a_node_that_comes_back_is_put_behind_the_others() -> None:
    slots = Slots(8)
    assert [(c.slot, c.node) for c in slots.changes({"a": A, "b": B})] == [(1, "a"), (2, "b")]
    assert [*slots.changes({"a": A, "b": B})] == []
    assert [*slots.changes({"b": B})] == [Change(1, None, was="a")]
    assert [*slots.changes({"a": A, "b": B})] == [Change(3, "a", *A)]


def test_a_node_with_a_new_address_gets_a_new_server() -> None:
    slots = Slots(8)
    list(slots.changes({"a": A}))
    assert [*slots.changes({"a": C})] == [Change(1, None, was="a"), Change(1, "a", *C)]


def test_when_the_last_servers_are_taken_the_first_are_used_again() -> None:
    slots = Slots(3)
    for ready in ({"a": A, "b": B}, {"b": B}, {"a": A, "b": B}, {"a": A}):
        list(slots.changes(ready))
    assert [c.slot for c in slots.changes({"a": A, "b": B})] == [1]
    assert [*slots.changes({"a": A, "b": B, "c": C})] == [Change(2, "c", *C)]
    assert [*slots.changes({"a": A, "b": B, "c": C, "d": C})] == []


def test_what_was_not_carried_out_is_tried_again() -> None:
    slots = Slots(3)
    next(iter(slots.changes({"a": A})))
    assert [*slots.changes({"a": A})] == [Change(1, "a", *A)]


class Runtime(SocketServer):
    """HAProxy's socket for one test."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.told: list[str] = []
        self._answer, listener = answer, socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        super().__init__(listener)

    def _talk(self, connection: socket.socket) -> None:
        self.told.append(connection.recv(4096).decode().strip())
        connection.sendall(self._answer)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(tmp_path / "sock", b"\n")
    yield made
    made.close()


def test_what_haproxy_is_told(tmp_path: Path, runtime: Runtime) -> None:
    proxy = HaProxy(tmp_path / "sock")
    proxy.carry_out(Change(2, "a", *A))
    proxy.carry_out(Change(2, None, was="a"))
    assert runtime.told == [
        "set server nodes/node2 addr 10.0.0.1 port 3306",
        "set server nodes/node2 state ready",
        "set server nodes/node2 state maint",
        "shutdown sessions server nodes/node2",
    ]


STATISTICS = b"""# pxname,svname,qcur,status,addr,
mysql,FRONTEND,,OPEN,,
nodes,node1,0,UP,10.0.0.1:3306,
nodes,node2,0,DOWN 1/2,10.0.0.2:3306,
nodes,node3,0,UP 1/2,10.0.0.3:3306,
nodes,node4,0,MAINT,127.0.0.1:3306,
nodes,BACKEND,0,UP,,

"""


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        (STATISTICS, 0, "passes connections on to 10.0.0.1:3306, 10.0.0.3:3306"),
        (STATISTICS.replace(b"UP", b"MAINT"), 1, "no node of the cluster serves"),
    ],
)
def test_its_health(answer: bytes, status: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Runtime(control_socket(tmp_path), answer)
    assert proxy_health.main([], {"DBHANDLER_RUN_DIR": str(tmp_path)}) == status
    assert capsys.readouterr().out == told + "\n"
    made.close()


def test_its_health_without_a_haproxy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert proxy_health.main([], {"DBHANDLER_RUN_DIR": str(tmp_path)}) == 1
    assert "haproxy does not answer" in capsys.readouterr().out
    assert proxy_health.main(["--help"], {}) == 0
    assert proxy_health.main(["--now"], {}) == os.EX_USAGE


def test_a_refusal_is_an_error(tmp_path: Path) -> None:
    made = Runtime(tmp_path / "sock", b"No such server.\n")
    with pytest.raises(Unavailable, match="No such server"):
        HaProxy(tmp_path / "sock").carry_out(Change(99, "a", *A))
    made.close()


def test_a_haproxy_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="haproxy does not answer"):
        HaProxy(tmp_path / "sock").carry_out(Change(1, "a", *A))


def test_serf_away_leaves_the_servers_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    def away() -> object:
        raise Unavailable("no Serf agent answers")

    keeper = Keeper("shop", away, object())  # type: ignore[arg-type]
    keeper.look()
    keeper.look()
    assert caplog.messages == ["the servers stay as they are: no Serf agent answers"]


def test_the_configuration() -> None:
    assert "balance first\n" in configuration(Path("/x"), all_write=False)
    assert "balance leastconn\n" in configuration(Path("/x"), all_write=True)


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({}, "DBHANDLER_CLUSTER has to name the cluster"),
        ({"DBHANDLER_CLUSTER": "a b"}, "DBHANDLER_CLUSTER has to be"),
        ({"DBHANDLER_CLUSTER": "shop", "DBHANDLER_PROXY_WRITERS": "two"}, "has to be one or all"),
    ],
)
def test_wrong_settings(
    environ: dict[str, str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], {**environ, "DBHANDLER_RUN_DIR": str(tmp_path)}) == EX_CONFIG
    assert reason in capsys.readouterr().err


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], {}) == 0
    assert main(["x"], {}) == os.EX_USAGE
    assert "DBHANDLER_PROXY_WRITERS" in capsys.readouterr().out
