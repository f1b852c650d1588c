"""What runs in a database with the rights of others."""

from __future__ import annotations

from dbhandler.provisioning import definers, overview_sql
from dbhandler.provisioning.definers import MOST, Thing
from tests.support.fakes import RecordingServer, Rows


def others(*things: tuple[object, ...], accounts: Rows | None = None) -> str | None:
    server = RecordingServer({definers.defined("shop"): list(things), overview_sql.users(): accounts or []})
    return definers.others(server, "shop", "clerk")  # type: ignore[arg-type]


def test_what_is_the_accounts_own_is_not_told() -> None:
    assert others() is None
    assert others(("view", "v", "clerk@%"), ("event", "e", "clerk@%")) is None


def test_others_are_told_in_one_sentence_and_whether_they_are_there() -> None:
    said = others(
        ("view", "v", "root@localhost"), ("view", "own", "clerk@%"), ("procedure", "p", "root@localhost"),
        ("trigger", "t", "gone@%"), ("function", "f", "clerk@localhost"), ("event", "e", "robots"),
        accounts=[("root", "localhost"), ("robots", ""), ("clerk", "%")],
    )  # fmt: skip
    assert said == (
        "in 'shop' not all runs with the rights of its account: the view 'v' and 1 more run as 'root@localhost'; the "
        "trigger 't' runs as 'gone@%', who does not exist; the function 'f' runs as 'clerk@localhost', who does not "
        "exist; the event 'e' runs as 'robots'"
    )


def test_of_many_some_are_named() -> None:
    things = [Thing("view", f"v{number}", f"u{number}@%") for number in range(MOST + 2)]
    said = definers.told("shop", things, frozenset())
    assert said.count(" runs as ") == MOST and said.endswith("; and as 2 other accounts")


def test_a_name_works_on_no_terminal() -> None:
    said = others(("view", "\x1b[2J", "a\nb@%"))
    assert said and said.isprintable()
