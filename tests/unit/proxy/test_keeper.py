"""The proxy's servers: who gets which, what HAProxy is told, and what it is told of Serf."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dbhandler.errors import Unavailable
from dbhandler.proxy import keeper as proxy
from dbhandler.proxy.cluster import Keeper
from dbhandler.proxy.haproxy import Change, HaProxy, Slots
from dbhandler.proxy.keeper import main
from dbhandler.proxy.nodes import ready_nodes
from dbhandler.serf.members import Member
from dbhandler.serf.rpc import Serf
from tests.support.haproxy import Recording, Runtime
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
    # Of a MySQL group that lets one write, the others take no writes.
    members.append(member("2", galera=tag("2", "secondary")))
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


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(tmp_path / "sock", b"\n")
    yield made
    made.close()


def test_what_haproxy_is_told(tmp_path: Path, runtime: Runtime) -> None:
    proxy = HaProxy(tmp_path / "sock")
    proxy.carry_out(Change(2, "a", *A))
    proxy.carry_out(Change(2, None, was="a"))
    proxy.carry_out(Change(1, "b", *B, kind="alone"), "database.shop")
    proxy.hold("database.shop")
    proxy.let_go("database.shop")
    assert runtime.told == [
        "set server nodes/node2 addr 10.0.0.1 port 3306",
        "set server nodes/node2 state ready",
        "set server nodes/node2 state maint",
        "shutdown sessions server nodes/node2",
        "set server database.shop/alone1 addr 10.0.0.2 port 3306",
        "set server database.shop/alone1 state ready",
        "set maxconn frontend database.shop 0",
        "set maxconn frontend database.shop 1000000",
    ]


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


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({}, "DBHANDLER_CLUSTER has to name the cluster to pass connections on to, or DBHANDLER_PROXY_DATABASES"),
        ({"DBHANDLER_PROXY_DATABASES": " , "}, "DBHANDLER_CLUSTER has to name the cluster"),
        ({"DBHANDLER_PROXY_DATABASES": "shop,blog:0"}, "DBHANDLER_PROXY_DATABASES: a port is a number from 1 to 65535"),
        ({"DBHANDLER_PROXY_DATABASES": "shop:3306", "DBHANDLER_CLUSTER": "shop"}, "'3306' stands twice"),
        ({"DBHANDLER_CLUSTER": "a b"}, "DBHANDLER_CLUSTER has to be"),
        ({"DBHANDLER_CLUSTER": "shop", "DBHANDLER_PROXY_WRITERS": "two"}, "has to be one or all"),
    ],
)
def test_wrong_settings(
    environ: dict[str, str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], {**environ, "DBHANDLER_RUN_DIR": str(tmp_path)}) == os.EX_CONFIG
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["x"], "unrecognized arguments: x"),
        (["--database", "shop", "--database", "shop:1"], "--database: 'shop' stands twice"),
    ],
)
def test_a_wrong_usage(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments, {})
    assert ended.value.code == os.EX_USAGE and f"dbhandler-proxy: {reason}" in capsys.readouterr().err


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
    with pytest.raises(SystemExit) as ended:
        main(["--help"], {})
    out = capsys.readouterr().out
    assert not ended.value.code and "DBHANDLER_PROXY_WRITERS" in out and "--database NAME[:PORT]" in out


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Starts the proxy with a HAProxy that ends; returns the configuration that it got."""
    (tmp_path / "haproxy").write_text("#!/bin/sh\n")
    (tmp_path / "haproxy").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("signal.signal", lambda _number, _handler: None)

    def start(*arguments: str, **environ: str) -> str:
        given = {"DBHANDLER_RUN_DIR": str(tmp_path), "SERF_RPC_ADDR": "127.0.0.1:1", **environ}
        assert main(arguments, given) == os.EX_SOFTWARE
        return (tmp_path / "haproxy.cfg").read_text()

    return start


def ports(configured: str) -> list[tuple[str, str]]:
    return re.findall("^(?:frontend|listen) (.*)\n  bind :(.*)", configured, re.MULTILINE)


def test_each_database_has_a_port(started: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    both = [("database.shop", "3306"), ("database.blog", "3308")]
    assert ports(started("--database", "shop", "--database", "blog:3308")) == both
    assert ports(started(DBHANDLER_PROXY_DATABASES="shop, blog:3308")) == both
    told = capsys.readouterr().err
    assert "can pass for a server of 'shop' at port 3306, 'blog' at port 3308" in told
    assert "haproxy ended with status 0 for 'shop' at port 3306" in told
    # What is asked for on the command line is all.
    assert ports(started("--database", "wiki", DBHANDLER_PROXY_DATABASES="shop")) == [("database.wiki", "3306")]
    # Beside a cluster, which has 3306.
    assert ports(started("--database", "shop", DBHANDLER_CLUSTER="c")) == [("mysql", "3306"), ("database.shop", "3307")]


def test_a_keeper_that_fails_ends_haproxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nobody would miss what it did."""
    (tmp_path / "haproxy").write_text("#!/bin/sh\ntouch $DBHANDLER_TEST_SOCKET; exec sleep 60\n")
    (tmp_path / "haproxy").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DBHANDLER_TEST_SOCKET", str(tmp_path / "haproxy.sock"))
    monkeypatch.setattr("signal.signal", lambda _number, _handler: None)
    monkeypatch.setattr(Keeper, "look", lambda _self: vars()["x"])
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    environ = {"DBHANDLER_RUN_DIR": str(tmp_path), "DBHANDLER_CLUSTER": "shop", "SERF_RPC_ADDR": "127.0.0.1:1"}
    assert main([], environ) == os.EX_SOFTWARE


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
    def fails(*_: object) -> int:
        raise KeyError("secret")

    monkeypatch.setattr(proxy, "_plan", fails)
    assert main([], {}) == os.EX_SOFTWARE
    assert capsys.readouterr().err.endswith("[ERROR] [dbhandler]: the proxy has failed (KeyError)\n")


class PlayedSerf:
    """An agent with these members."""

    def __init__(self, *members: Member) -> None:
        self.known = list(members)

    def members(self) -> list[Member]:
        return self.known


def test_a_node_that_proves_nothing_gets_no_slot() -> None:
    good, moving = proven(member("a")), proven(member("b", host="10.0.0.2"), CHANGING)
    rogues = [member("e"), proven(member("f"), THEIRS)]
    serf, haproxy = PlayedSerf(*rogues, good, moving), Recording()
    keeper = Keeper("shop", lambda: serf, haproxy, [OURS.id])  # type: ignore[arg-type, return-value]
    keeper.look()
    assert haproxy.changes == [Change(1, "a", *A), Change(2, "b", *B)]
    # One that was good and says now what it cannot prove loses its own.
    serf.known = [member("a"), moving]
    keeper.look()
    assert haproxy.changes[2:] == [Change(1, None, was="a")]


def test_without_a_pool_every_node_gets_a_slot() -> None:
    serf, haproxy = PlayedSerf(member("e"), proven(member("f", host="10.0.0.2"), THEIRS)), Recording()
    Keeper("shop", lambda: serf, haproxy).look()  # type: ignore[arg-type, return-value]
    assert haproxy.changes == [Change(1, "e", *A), Change(2, "f", *B)]


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
    started: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given: list[object] = []

    def made(cluster: str, connect: Callable[[], Serf], haproxy: HaProxy, pools: Sequence[str]) -> Keeper:
        given.append(pools)
        return Keeper(cluster, connect, haproxy, pools)

    monkeypatch.setattr(proxy, "Keeper", made)
    started(DBHANDLER_CLUSTER="shop", **environ)
    assert given == [pools]
    assert ("can pass for a server of the cluster shop" in capsys.readouterr().err) is warned


def test_a_wrong_pool_stops_its_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"DBHANDLER_RUN_DIR": str(tmp_path), "DBHANDLER_CLUSTER": "shop", "SERF_RPC_ADDR": "127.0.0.1:1"}
    for wrong in ("x", " "):
        assert main([], {**environ, "DBHANDLER_POOL": wrong}) == os.EX_CONFIG
        assert "DBHANDLER_POOL has to be the id of a pool" in capsys.readouterr().err
