"""Which databases get which ports, and what HAProxy is told of them at its start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbhandler.errors import InvalidRequest
from dbhandler.proxy.configuration import configuration, database_of, section_of
from dbhandler.proxy.published import Published, published


@pytest.mark.parametrize(
    ("texts", "taken", "ports"),
    [
        (["shop"], [], {"shop": 3306}),
        (["shop", "blog"], [], {"shop": 3306, "blog": 3307}),
        (["shop:3307", "blog:3308"], [], {"shop": 3307, "blog": 3308}),
        (["shop", "blog:3306", "wiki"], [], {"shop": 3307, "blog": 3306, "wiki": 3308}),
        ([" shop", "blog "], [3306, 3308], {"shop": 3307, "blog": 3309}),
    ],
)
def test_who_names_no_port_gets_the_first_that_is_free(
    texts: list[str], taken: list[int], ports: dict[str, int]
) -> None:
    assert published(texts, taken) == tuple(Published(name, port) for name, port in ports.items())


def test_a_name_with_a_colon() -> None:
    assert published(["a:b:3310", "c:d"]) == (Published("a:b", 3310), Published("c:d", 3306))


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([""], "a name has 1 to 64 characters"),
        (["x" * 65], "a name has 1 to 64 characters"),
        ([":3306"], "a name has 1 to 64 characters"),
        (["shop:0"], "a port is a number from 1 to 65535, not 0"),
        (["shop:65536"], "not 65536"),
        (["shop", "shop:3309"], "^'shop' stands twice"),
        (["shop:3309", "blog:3309"], "^'3309' stands twice"),
        (["shop:3305"], "^'3305' stands twice"),
    ],
)
def test_what_cannot_be(texts: list[str], reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        published(texts, [3305])


@pytest.mark.parametrize("name", ["shop", "a$b", "a-b_c.d", "a b", "a~b", "a:b", "a%b", "sch\u00f6n", "\n  bind :1"])
def test_no_name_is_more_than_a_name_to_haproxy(name: str) -> None:
    section = section_of(name)
    assert re.fullmatch("[A-Za-z0-9_.:-]+", section) and database_of(section) == name
    assert database_of("nodes") is None


def test_the_configuration_of_a_cluster() -> None:
    assert "balance first\n" in (one := configuration(Path("/x"), True))
    assert "balance leastconn\n" in configuration(Path("/x"), True, all_write=True)
    assert "\nlisten" not in one and one.count("server-template") == 1


def test_the_configuration_of_databases() -> None:
    text = configuration(Path("/x"), False, databases=[Published("shop", 3306), Published("a$", 3309)])
    assert re.findall("^listen (.*)\n  bind :(.*)", text, re.MULTILINE) == [
        ("database.shop", "3306"), ("database.a:24", "3309"),
    ]  # fmt: skip
    assert (
        "\nfrontend" not in text and text.count("server-template alone 1-4") == text.count("server-template node") == 2
    )
    assert configuration(Path("/x"), True, databases=[Published("shop", 3307)]).count("balance first") == 2
