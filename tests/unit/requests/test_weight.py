"""The order that everybody gives the same servers for a name."""

from __future__ import annotations

from collections import Counter

from dbhandler.requests.weight import weight

SERVERS = [f"key{number}" for number in range(5)]
NAMES = [f"shop{number}" for number in range(1000)]


def first(name: str, servers: list[str]) -> str:
    return max(servers, key=lambda server: weight(server, name))


def test_it_is_the_same_in_every_version() -> None:
    # Applications and servers of several versions are in one pool: another value is another server for each name.
    assert weight("key", "shop").hex() == "9204640cc89eca26d12f6c72a69e6574df54378f35ad06018f913b14b983d9ec"


def test_each_name_has_an_order_of_its_own_and_servers_share_the_names() -> None:
    assert len({tuple(sorted(SERVERS, key=lambda server: weight(server, name))) for name in NAMES}) > 100
    shares = Counter(first(name, SERVERS) for name in NAMES)
    assert len(shares) == 5 and all(150 <= count <= 250 for count in shares.values()), shares


def test_a_server_that_goes_gives_away_only_its_own_names() -> None:
    left = SERVERS[1:]
    for name in NAMES:
        if (before := first(name, SERVERS)) != SERVERS[0]:
            assert first(name, left) == before


def test_any_name_has_a_weight() -> None:
    for name in ("", "é\N{SNOWMAN}", "\udc80", "x" * 10_000):
        assert len(weight("key", name)) == 32
        assert len(weight(name, "shop")) == 32
