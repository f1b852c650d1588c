"""Which options switch the binary log on, and under which number a server logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.engine import binlog
from dbhandler.settings.config import Config
from dbhandler.trust.secret import new_secret

ENGINES = ["mariadb", "mysql"]


def config(state: Path, engine: str = "mariadb", **environ: str) -> Config:
    return Config.from_environ({"DBHANDLER_ENGINE": engine, "DBHANDLER_STATE_DIR": str(state), **environ})


@pytest.mark.parametrize("engine", ENGINES)
def test_where_nobody_says_anything_the_server_does_as_it_likes(tmp_path: Path, engine: str) -> None:
    plain = config(tmp_path, engine)
    assert binlog.options(plain) == binlog.first_start_options(plain) == []
    assert binlog.identified(["server", "--x"], plain) == ["server", "--x"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pools_secret_switches_it_on(tmp_path: Path, engine: str) -> None:
    pooled = config(tmp_path, engine, DBHANDLER_POOL_SECRET=new_secret())
    assert (
        "--log-bin=binlog" in binlog.options(pooled) == binlog.options(config(tmp_path, engine, DBHANDLER_BINLOG="1"))
    )
    # Passwords of init scripts are in no log.
    assert binlog.first_start_options(pooled) == ["--skip-log-bin"]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_owner_can_switch_it_off(tmp_path: Path, engine: str) -> None:
    off = config(tmp_path, engine, DBHANDLER_POOL_SECRET=new_secret(), DBHANDLER_BINLOG="0")
    assert binlog.options(off) == ["--skip-log-bin"]
    assert binlog.identified(["server"], off) == ["server"]


def test_a_clusters_node_takes_numbers_as_they_come(tmp_path: Path) -> None:
    assert "--gtid-strict-mode" in binlog.options(config(tmp_path, DBHANDLER_BINLOG="1"))
    node = config(tmp_path, DBHANDLER_BINLOG="1", DBHANDLER_CLUSTER="shop")
    assert "--log-bin=binlog" in binlog.options(node)
    assert "--gtid-strict-mode" not in binlog.options(node)


def number(state: Path, **environ: str) -> int:
    [program, option, *rest] = binlog.identified(
        ["server", "--server-id=7"], config(state, DBHANDLER_BINLOG="1", **environ)
    )
    assert (program, rest) == ("server", ["--server-id=7"]), "the owner's comes last, and so wins"
    assert option.startswith("--server-id=")
    return int(option.partition("=")[2])


def test_the_number_stays_with_the_state_and_is_no_other_servers(tmp_path: Path) -> None:
    states = [tmp_path / name for name in "abc"]
    for state in states:
        state.mkdir()
    numbers = [number(state) for state in states]
    assert [number(state) for state in states] == numbers
    assert len(set(numbers)) == 3
    assert all(1 < one < 1 << 32 for one in numbers)


@pytest.mark.parametrize("damaged", ["", "0", "-1", "9999999999", "\udcff", "word"])
def test_a_damaged_file_stops_no_server(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "server-id").write_bytes(damaged.encode(errors="surrogateescape"))
    assert 0 < number(tmp_path) < 1 << 32


def test_the_nodes_of_a_cluster_have_one_number(tmp_path: Path) -> None:
    one, same, other = (number(tmp_path / "none", DBHANDLER_CLUSTER=name) for name in ("shop", "shop", "blog"))
    assert one == same != other


def test_ours_come_before_the_owners_options_and_after_the_option_file() -> None:
    assert binlog.inserted(["mariadbd", "--x"], ["--ours"]) == ["mariadbd", "--ours", "--x"]
    assert binlog.inserted(["mariadbd", "--defaults-file=f", "--x"], ["--ours"])[1] == "--defaults-file=f"


FORMAT = b"\xfebin" + bytes(4) + b"\x0f" + bytes(12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("flags", "cut"), [(1, True), (0, False)])
def test_a_log_that_was_cut_is_needed_once_more(tmp_path: Path, engine: str, flags: int, cut: bool) -> None:
    (tmp_path / "binlog.index").write_text("./binlog.000001\n./binlog.000002\n")
    (tmp_path / "binlog.000001").write_bytes(FORMAT + b"\1\0...")
    (tmp_path / "binlog.000002").write_bytes(FORMAT + bytes([flags]) + b"\0...")
    off = config(tmp_path, engine, DBHANDLER_BINLOG="0", DBHANDLER_DATA_DIR=str(tmp_path))
    assert ("--log-bin=binlog" in binlog.recovery_options(off)) is cut
    on = config(tmp_path, engine, DBHANDLER_BINLOG="1", DBHANDLER_DATA_DIR=str(tmp_path))
    assert binlog.recovery_options(on) == []


@pytest.mark.parametrize("index", [None, "", "./binlog.000001\n", "./binlog.000002\n"])
def test_no_log_or_half_a_one_is_not_needed(tmp_path: Path, index: str | None) -> None:
    (tmp_path / "binlog.000001").write_bytes(FORMAT)
    if index is not None:
        (tmp_path / "binlog.index").write_text(index)
    assert binlog.recovery_options(config(tmp_path, DBHANDLER_DATA_DIR=str(tmp_path))) == []
