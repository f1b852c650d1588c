"""The proxy's servers: who gets which, what HAProxy is told, and what it is told of Serf."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbhandler.errors import Unavailable
from dbhandler.proxy import health as proxy_health
from dbhandler.proxy import keeper as proxy
from dbhandler.proxy.haproxy import Change, HaProxy, Slots, configuration, control_socket
from dbhandler.proxy.keeper import Keeper, main, ready_nodes
from dbhandler.serf.members import Member
from tests.support.fakes import SocketServer
from tests.support.pools import CHANGING, OURS, THEIRS, proven

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
    assert main([], {**environ, "DBHANDLER_RUN_DIR": str(tmp_path)}) == os.EX_CONFIG
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(("writers", "balance"), [(None, "first"), ("one", "first"), ("all", "leastconn")])
def test_its_setting_says_who_gets_connections(
    writers: str | None, balance: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a HAProxy that notes how it was called, and ends."""
    program = tmp_path / "haproxy"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("signal.signal", lambda _number, _handler: None)
    environ = {"DBHANDLER_RUN_DIR": str(tmp_path), "DBHANDLER_CLUSTER": "shop", "SERF_RPC_ADDR": "127.0.0.1:1"}
    environ |= {"DBHANDLER_PROXY_WRITERS": writers} if writers else {}
    assert main([], environ) == os.EX_SOFTWARE
    # In the foreground, with the file that was written.
    flags, file = (tmp_path / "called").read_text().split(" -f ")
    assert (flags, f"balance {balance}\n" in Path(file.strip()).read_text()) == ("-db", True)


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], {}) == 0
    assert main(["x"], {}) == os.EX_USAGE
    assert "DBHANDLER_PROXY_WRITERS" in capsys.readouterr().out


def test_no_secret_stays_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc keeps what a process was started with: the proxy starts itself once more, and HAProxy inherits nothing."""
    started: list[dict[str, str]] = []

    def execve(_program: str, _arguments: list[str], environ: dict[str, str]) -> None:
        started.append(environ)
        raise OSError(2, "stop here", "x")

    monkeypatch.setattr(os, "execve", execve)
    environ = {"DBHANDLER_RUN_DIR": str(tmp_path), "SERF_RPC_AUTH": "hunter2", "A_ENV_SERF_RPC_AUTH": "hunter2"}
    assert main([], environ) == os.EX_CONFIG
    [handed] = started
    assert handed == {"DBHANDLER_RUN_DIR": str(tmp_path), "SERF_RPC_AUTH_FILE": f"{tmp_path}/secrets/SERF_RPC_AUTH"}
    assert Path(handed["SERF_RPC_AUTH_FILE"]).read_text() == "hunter2"
    # What is started again has none, so it goes on (and ends here, for want of a cluster's name).
    assert main([], handed) == os.EX_CONFIG and len(started) == 1


def test_a_defect_is_one_line_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_environ: object) -> int:
        raise KeyError("secret")

    monkeypatch.setattr(proxy, "_run", fails)
    assert main([], {}) == os.EX_SOFTWARE
    assert capsys.readouterr().err.endswith("[ERROR] [dbhandler]: the proxy has failed (KeyError)\n")


class PlayedSerf:
    """An agent with these members."""

    def __init__(self, *members: Member) -> None:
        self.known = list(members)

    def members(self) -> list[Member]:
        return self.known


class RecordingProxy:
    """A HAProxy that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Change] = []

    def carry_out(self, change: Change) -> None:
        self.told.append(change)


def test_a_node_that_proves_nothing_gets_no_slot() -> None:
    good, moving = proven(member("a")), proven(member("b", host="10.0.0.2"), CHANGING)
    rogues = [member("e"), proven(member("f"), THEIRS)]
    serf, haproxy = PlayedSerf(*rogues, good, moving), RecordingProxy()
    keeper = Keeper("shop", lambda: serf, haproxy, [OURS.id])  # type: ignore[arg-type, return-value]
    keeper.look()
    assert haproxy.told == [Change(1, "a", *A), Change(2, "b", *B)]
    # One that was good and says now what it cannot prove loses its own.
    serf.known = [member("a"), moving]
    keeper.look()
    assert haproxy.told[2:] == [Change(1, None, was="a")]


def test_without_a_pool_every_node_gets_a_slot() -> None:
    serf, haproxy = PlayedSerf(member("e"), proven(member("f", host="10.0.0.2"), THEIRS)), RecordingProxy()
    Keeper("shop", lambda: serf, haproxy).look()  # type: ignore[arg-type, return-value]
    assert haproxy.told == [Change(1, "e", *A), Change(2, "f", *B)]


@pytest.mark.parametrize(
    ("environ", "pools", "warned"),
    [
        ({}, (), True),
        ({"DBHANDLER_POOL": f"{OURS.id} {THEIRS.id}"}, (OURS.id, THEIRS.id), False),
    ],
)
def test_its_pool_is_the_setting_s_and_none_is_warned_of(
    environ: dict[str, str],
    pools: tuple[str, ...],
    warned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given: list[object] = []
    (tmp_path / "haproxy").write_text("#!/bin/sh\n")
    (tmp_path / "haproxy").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("signal.signal", lambda _number, _handler: None)
    monkeypatch.setattr(proxy, "Keeper", lambda _cluster, _connect, _proxy, pools: given.append(pools))
    main(
        [], {"DBHANDLER_RUN_DIR": str(tmp_path), "DBHANDLER_CLUSTER": "shop", "SERF_RPC_ADDR": "127.0.0.1:1"} | environ
    )
    assert given == [pools]
    assert ("can pass for a node of the cluster shop" in capsys.readouterr().err) is warned


def test_a_wrong_pool_stops_its_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"DBHANDLER_RUN_DIR": str(tmp_path), "DBHANDLER_CLUSTER": "shop", "SERF_RPC_ADDR": "127.0.0.1:1"}
    for wrong in ("x", " "):
        assert main([], {**environ, "DBHANDLER_POOL": wrong}) == os.EX_CONFIG
        assert "DBHANDLER_POOL has to be the id of a pool" in capsys.readouterr().err
