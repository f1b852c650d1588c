"""A server's own name in place of its address: only where it leads to the same server from here."""

from __future__ import annotations

import threading

import pytest

from dbhandler.client.lasting import addresses_of, lasting


@pytest.mark.parametrize(
    ("name", "host", "known", "result"),
    [
        ("db1", "10.0.0.5", {"db1": ["10.0.0.4", "10.0.0.5"]}, "db1"),
        ("db1", "fd00::5", {"db1": ["10.0.0.5", "fd00::5"]}, "db1"),
        ("db1", "10.0.0.5", {"db1": ["10.0.0.6"]}, "10.0.0.5"),
        ("db1", "10.0.0.5", {}, "10.0.0.5"),
        # What the owner has advertised is his word.
        ("db1", "db.example.org", {"db1": ["10.0.0.5"]}, "db.example.org"),
        # Docker resolves it, too, and it is gone with the container.
        ("0a1b2c3d4e5f", "10.0.0.5", {"0a1b2c3d4e5f": ["10.0.0.5"]}, "10.0.0.5"),
        ("no host/name", "10.0.0.5", {"no host/name": ["10.0.0.5"]}, "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5", {}, "10.0.0.5"),
    ],
)
def test_the_name_counts_where_it_leads_there(name: str, host: str, known: dict[str, list[str]], result: str) -> None:
    assert lasting(name, host, lambda asked: known.get(asked, [])) == result


def test_nobody_waits_for_a_resolver() -> None:
    never = threading.Event()

    def resolve(_name: str) -> list[str]:
        never.wait(20)
        return ["10.0.0.5"]

    assert lasting("db1", "10.0.0.5", resolve, patience=0.05) == "10.0.0.5"
    never.set()


def test_it_is_looked_up_here() -> None:
    assert "127.0.0.1" in addresses_of("localhost")
    assert addresses_of("no.such.host.invalid") == [] and addresses_of("\N{SNOWMAN}" * 80) == []
