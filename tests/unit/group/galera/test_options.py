"""With a pool's secret the nodes of a cluster speak TLS only, and with nodes of their pool alone."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from dbhandler.engine.binlog import number_of
from dbhandler.group.galera.options import numbering, provider_options, server_options, transfer_file
from dbhandler.group.node import Holds, Mode, Node

DATA = Path("/var/lib/mysql")
NODE = Node("aa", Mode.WAITING, Holds.EMPTY, name="a", host="192.0.2.1")


def provider(options: str) -> dict[str, str]:
    """Galera's own options as it reads them: the last word of a name counts."""
    return dict(part.split("=", 1) for part in options.split(";"))


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1"])
def test_nodes_with_files_for_it_speak_tls(host: str) -> None:
    plain, options = provider(provider_options(host)), provider(provider_options(host, DATA))
    assert {name: value for name, value in options.items() if name not in plain} == {
        "socket.ssl": "YES",
        "socket.ssl_key": "/var/lib/mysql/server-key.pem",
        "socket.ssl_cert": "/var/lib/mysql/server-cert.pem",
        "socket.ssl_ca": "/var/lib/mysql/pool-ca.pem",
    }
    assert plain.items() <= options.items()


def test_nodes_without_do_not() -> None:
    assert not any("ssl" in option for option in server_options("shop", NODE, ()))
    [options] = [option for option in server_options("shop", NODE, (), DATA) if "provider-options" in option]
    assert options == f"--wsrep-provider-options={provider_options(NODE.host, DATA)}" and "socket.ssl=YES" in options


def test_a_transfer_is_between_two_who_show_a_certificate_of_the_pool() -> None:
    file = configparser.ConfigParser()
    file.read_string(transfer_file(DATA))
    assert {name: dict(file[name]) for name in file.sections()} == {
        "sst": {
            "encrypt": "4",
            "tca": "/var/lib/mysql/pool-ca.pem",
            "tcert": "/var/lib/mysql/server-cert.pem",
            "tkey": "/var/lib/mysql/server-key.pem",
        }
    }


def test_all_nodes_number_the_clusters_changes_alike_and_each_its_own_apart() -> None:
    one, other = (numbering("shop", Node(id, Mode.WAITING, Holds.EMPTY)) for id in ("aa", "bb"))
    assert one[:2] == other[:2] != numbering("blog", NODE)[:2]
    assert one[2] == "--gtid-domain-id=170" != other[2]


@pytest.mark.parametrize("common", [True, False])
def test_a_nodes_own_numbers_are_never_the_clusters_nor_a_plain_servers(common: bool) -> None:
    id = f"{number_of('shop') if common else 0:08x}"
    [_, clusters, own] = numbering("shop", Node(id, Mode.WAITING, Holds.EMPTY))
    assert own.partition("=")[2] not in ("0", clusters.partition("=")[2])
