"""Where a command finds the Serf agent, and its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.errors import ConfigError
from dbhandler.serf.access import addresses, auth_key

LINK = {"SERF_AGENT_PORT_7373_TCP_ADDR": "172.17.0.2"}


@pytest.mark.parametrize(
    ("chosen", "environ", "expected"),
    [
        (None, {}, ("127.0.0.1:7373",)),
        (None, LINK, ("127.0.0.1:7373", "172.17.0.2:7373")),
        (None, {**LINK, "SERF_AGENT_PORT_7373_TCP_PORT": "7777"}, ("127.0.0.1:7373", "172.17.0.2:7777")),
        ("a,b:1", {}, ("a:7373", "b:1")),
        (None, {"SERF_RPC_ADDR": "a, b:1 [::1]:2,"}, ("a:7373", "b:1", "[::1]:2")),
        ("a", {"SERF_RPC_ADDR": "b:1"}, ("a:7373",)),
        (None, {"SERF_RPC_ADDR": "b:1", "SERF_RPC_BIND": "10.0.0.1:2"}, ("b:1",)),
        (None, {"SERF_RPC_BIND": "10.0.0.1:2", **LINK}, ("10.0.0.1:2",)),
        (None, {"SERF_RPC_BIND": "0.0.0.0:2"}, ("127.0.0.1:2",)),
        (None, {"SERF_RPC_BIND": "[::]:2"}, ("[::1]:2",)),
    ],
)
def test_what_is_tried(chosen: str | None, environ: dict[str, str], expected: tuple[str, ...]) -> None:
    assert addresses(chosen, environ) == expected


@pytest.mark.parametrize("wrong", ["h:", "h:x", ":1", "h:0", "h:65536", "h:" + "9" * 5000])
def test_what_is_no_address_is_refused(wrong: str) -> None:
    for name in ("SERF_RPC_ADDR", "SERF_RPC_BIND"):
        with pytest.raises(ConfigError, match=rf"^{name} has to be host\[:port\]"):
            addresses(None, {name: wrong})
    with pytest.raises(ConfigError, match=r"^--rpc-addr has to be host\[:port\]"):
        addresses(f"a,{wrong}", {})


def test_a_list_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^SERF_RPC_ADDR has to be host\[:port\]"):
        addresses(None, {"SERF_RPC_ADDR": " , "})


def test_the_address_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "address").write_text("a:1,b\n")
    assert addresses(None, {"SERF_RPC_ADDR_FILE": str(tmp_path / "address")}) == ("a:1", "b:7373")


def test_the_key_of_the_container_is_found_where_its_entry_point_has_put_it(tmp_path: Path) -> None:
    environ = {"DBHANDLER_RUN_DIR": str(tmp_path)}
    assert auth_key(environ) is None
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "SERF_RPC_AUTH").write_text("moved")
    assert auth_key(environ) == "moved"
    (tmp_path / "given").write_text("from a file\n")
    assert auth_key({**environ, "SERF_RPC_AUTH": "given"}) == "given"
    assert auth_key({**environ, "SERF_RPC_AUTH_FILE": str(tmp_path / "given")}) == "from a file"


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"SERF_RPC_AUTH_FILE=.*missing cannot be read"):
        auth_key({"SERF_RPC_AUTH_FILE": str(tmp_path / "missing")})
