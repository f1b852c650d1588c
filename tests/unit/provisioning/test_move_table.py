"""What a server notes of databases that move: nobody works on them meanwhile, whatever is killed."""

from __future__ import annotations

import pytest

from dbhandler.errors import Busy, Elsewhere
from dbhandler.provisioning import privilege_sql
from dbhandler.provisioning.drop_table import DropTable
from dbhandler.provisioning.move_table import COMING, GONE, STOPPED, Marker, MoveTable
from dbhandler.provisioning.own_table import exists
from tests.support.fakes import RecordingServer
from tests.support.moves import Machine

KEPT = {"users": ["it's", "ü"], "events": [{"text": 'CREATE EVENT `%s` DO SELECT "\\"'}]}


@pytest.fixture
def server() -> Machine:
    return Machine("a")


@pytest.fixture
def table(server: Machine) -> MoveTable:
    return MoveTable(server)  # type: ignore[arg-type]


def test_what_is_noted_is_read_as_it_was_until_it_is_forgotten(table: MoveTable) -> None:
    first, second = Marker("shop", COMING, "1", "node", KEPT), Marker("Shop", GONE, "2", "other")
    table.put(first)
    table.put(second)
    assert table.all() == [first, second]
    assert (table.of("shop"), table.of("Shop"), table.of("SHOP")) == (first, second, None)
    table.put(Marker("shop", STOPPED, "3", "n"))
    assert table.of("shop") == Marker("shop", STOPPED, "3", "n")
    table.forget("shop")
    assert table.all() == [second]


def test_where_names_are_folded_one_is_found_by_any_form(server: Machine, table: MoveTable) -> None:
    server.replies[privilege_sql.rules()] = [("lower_case_table_names", "1")]
    server.replies[privilege_sql.folded("SHOP")] = [("shop",)]
    table.put(Marker("shop", COMING, "1", "node"))
    assert table.of("SHOP") == Marker("shop", COMING, "1", "node")
    with pytest.raises(Busy):
        table.check_here("SHOP")


def test_reading_and_forgetting_make_no_table() -> None:
    server = RecordingServer({exists("dbhandler_moves"): []})
    table = MoveTable(server)  # type: ignore[arg-type]
    assert table.all() == [] and table.of("shop") is None and table.others() == frozenset()
    table.forget("shop")
    table.check_here("shop")
    assert set(server.executed) == {exists("dbhandler_moves")}
    table.put(Marker("shop", COMING, "1", "n"))
    assert server.executed[-2].text.startswith("CREATE TABLE IF NOT EXISTS mysql.dbhandler_moves ")
    assert "utf8mb4_bin PRIMARY KEY" in server.executed[-2].text


def test_values_are_no_part_of_a_statement() -> None:
    server = RecordingServer({exists("dbhandler_moves"): [(1,)]})
    MoveTable(server).put(Marker("x'`%s", COMING, "1", "n'", KEPT))  # type: ignore[arg-type]
    assert server.executed[-1].text == "REPLACE INTO mysql.dbhandler_moves VALUES (%s, %s, %s, %s, %s)"


@pytest.mark.parametrize("check", ["table", "drops"])
def test_nobody_works_on_a_database_that_moves(server: Machine, table: MoveTable, check: str) -> None:
    checked = table.check_here if check == "table" else DropTable(server).check_free  # type: ignore[arg-type]
    for side in (COMING, STOPPED):
        table.put(Marker("shop", side, "1", "node"))
        with pytest.raises(Busy, match="'shop' is being moved: ask again"):
            checked("shop")
    table.put(Marker("shop", GONE, "1", "no\nde"))
    with pytest.raises(Elsewhere, match="'shop' has moved to 'no\\\\nde'") as caught:
        checked("shop")
    assert caught.value.server == "no\nde"
    checked("shop2")


def test_what_is_here_and_anothers_is_not_told_as_this_servers(table: MoveTable) -> None:
    for name, side in (("a", COMING), ("b", STOPPED), ("c", GONE)):
        table.put(Marker(name, side, "1", "n"))
    assert table.others() == {"a", "c"}
