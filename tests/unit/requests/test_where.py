"""Where a database may go, as it is asked for."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbhandler.errors import InvalidRequest
from dbhandler.requests.where import MOST_LABELS, Where, labels, parse

LONGEST = "a" * 32
MANY = [f"l{number}" for number in range(MOST_LABELS)]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", Where()),
        (" , ,", Where()),
        ("ssd", Where(frozenset({"ssd"}))),
        (" ssd , eu,ssd,", Where(frozenset({"ssd", "eu"}))),
        ("SSD,ssd", Where(frozenset({"SSD", "ssd"}))),
        ("engine=mysql", Where(engine="mysql")),
        ("engine=mariadb, engine=mariadb", Where(engine="mariadb")),
        ("ssd,engine=mysql,eu.west-1_b", Where(frozenset({"ssd", "eu.west-1_b"}), "mysql")),
        ("here", Where(here=True)),
        ("here,ssd", Where(frozenset({"ssd"}), here=True)),
        ("HERE", Where(frozenset({"HERE"}))),
        (LONGEST, Where(frozenset({LONGEST}))),
        (",".join([*MANY, "engine=mysql", "here"]), Where(frozenset(MANY), "mysql", here=True)),
    ],
)
def test_what_is_asked_for(text: str, where: Where) -> None:
    assert parse(text) == where


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("engine=oracle", "engine= in where is one of mariadb, mysql, not 'oracle'"),
        ("engine=", "engine= in where is one of mariadb, mysql, not ''"),
        ("engine=MySQL", "engine= in where is one of mariadb, mysql, not 'MySQL'"),
        ("engine=mysql,engine=mariadb", "engine= in where is one of mariadb, mysql, not 'mariadb,mysql'"),
        ("engine=mysql,engine=b,engine=a", "engine= in where is one of mariadb, mysql, not 'a'"),
        ("s d", "a label in where has 1 to 32 letters, digits, '_', '.' and '-': 's d'"),
        ("size=big", "a label in where has 1 to 32 letters, digits, '_', '.' and '-': 'size=big'"),
        ("Engine=mysql", "a label in where has 1 to 32 letters, digits, '_', '.' and '-': 'Engine=mysql'"),
        ("\u00fc", "a label in where has 1 to 32 letters, digits, '_', '.' and '-': '\\xfc'"),
        ("a\nb", "a label in where has 1 to 32 letters, digits, '_', '.' and '-': 'a\\nb'"),
        (f"{LONGEST}a", f"a label in where has 1 to 32 letters, digits, '_', '.' and '-': '{LONGEST}a'"),
        (",".join([*MANY, "x"]), "where has at most 16 labels, this one 17"),
    ],
)
def test_what_breaks_a_rule_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(text)
    assert str(caught.value) == sentence


def test_labels_are_named_by_where_they_stand() -> None:
    assert labels(" ssd,,eu ", "DBHANDLER_LABELS") == {"ssd", "eu"}
    for text, rule in (
        ("s/d", "a label in DBHANDLER_LABELS has "),
        (",".join([*MANY, "x"]), "DBHANDLER_LABELS has at"),
    ):
        with pytest.raises(InvalidRequest, match=re.escape(rule)):
            labels(text, "DBHANDLER_LABELS")


@pytest.mark.parametrize(
    ("where", "allowed"),
    [
        (Where(), True),
        (Where(frozenset({"ssd"})), True),
        (Where(frozenset({"ssd", "eu"}), "mysql"), True),
        (Where(frozenset({"ssd", "us"})), False),
        (Where(frozenset({"SSD"})), False),
        (Where(engine="mariadb"), False),
        (Where(frozenset({"ssd"}), "mariadb"), False),
    ],
)
def test_a_server_has_to_have_all_that_is_asked_for(where: Where, allowed: bool) -> None:
    assert where.allows(frozenset({"ssd", "eu", "backup"}), "mysql") == allowed


def test_nothing_is_asked_of_a_server_without_labels() -> None:
    assert Where().allows((), "mysql")
    assert not Where(frozenset({"ssd"})).allows((), "mysql")


words = st.sampled_from(["ssd", "engine=", "engine=mysql", "here", " ", "=", "é"])
anything = st.one_of(st.text(), st.lists(words).map(",".join))


@given(text=anything)
@example("engine=mysql\0,here")
@example("\ud800")
@example("engine=\ud800,x")
@example("," * 100_000)
@example("x" * 100_000)
def test_whatever_is_asked_for_is_understood_or_refused_in_one_line(text: str) -> None:
    try:
        found = parse(text)
    except InvalidRequest as error:
        assert str(error).isprintable() and str(error).isascii() and len(str(error)) < 800
        return
    assert len(found.labels) <= MOST_LABELS and found.engine in (None, "mariadb", "mysql")
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", label) for label in found.labels)


@given(text=anything)
def test_in_another_order_the_same_is_asked_for(text: str) -> None:
    with suppress(InvalidRequest):
        assert parse(",".join(reversed(text.split(",")))) == parse(text)
