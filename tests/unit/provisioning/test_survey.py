"""What is asked of a server to show who has what: a few statements, however many databases there are."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dbhandler.engine import sql
from dbhandler.errors import InvalidRequest
from dbhandler.provisioning import drop_sql, overview_sql, privilege_sql, registry_sql
from dbhandler.provisioning.overview import Row
from dbhandler.provisioning.registry import Registry
from dbhandler.provisioning.survey import Survey
from tests.support.fakes import RecordingServer, Rows


class Server(RecordingServer):
    """With the databases `shop`, which is clerk's, and `Empty`, and one session."""

    def __init__(self, engine: str = "mariadb", counts: Rows | None = None) -> None:
        super().__init__({
            registry_sql.columns(): [("name",), ("owner",)],
            registry_sql.claims(): [("shop", "clerk", None, "then", 5)],
            sql.databases(): [("shop",), ("Empty",)],
            overview_sql.users(): [("clerk", "%"), ("root", "localhost")],
            overview_sql.grants(): [("clerk", "%", "shop")],
            overview_sql.sizes(): [("shop", Decimal("32768"), 1700000000)],
            overview_sql.sizes_of("shop"): [("shop", Decimal("32768"), Decimal("1700000000.0"))],
            overview_sql.sizes_of("Empty"): [(None, 0, None)],
            overview_sql.counts_logins(engine): counts or [(0, 0) if engine == "mariadb" else (1,)],
            overview_sql.logins_by_performance_schema(): [("clerk", 4), ("root", 9)],
            overview_sql.logins_by_userstat(): [("clerk", 6)],
            privilege_sql.sessions(): [(7, "clerk", "10.0.0.1:4711", "shop", "Sleep", 0, "", None)],
        })  # fmt: skip
        self.engine = engine


def survey(server: Server) -> Survey:
    return Survey(server, Registry(server))  # type: ignore[arg-type]


def test_all_is_asked_at_once() -> None:
    server = Server()
    empty, shop = survey(server).rows()
    assert empty == Row("Empty", size=0)
    assert (shop.user, shop.age, shop.size, shop.connections, shop.logins) == ("clerk", 5, 32768, 1, None)
    assert len(server.executed) == len(set(server.executed)) <= 12
    assert drop_sql.fresh_times() not in server.executed


def test_one_database_is_looked_at_alone() -> None:
    server = Server()
    [shop] = survey(server).rows("shop")
    assert (shop.size, shop.last_write) == (32768, 1700000000)
    assert overview_sql.sizes() not in server.executed
    assert survey(server).rows("Empty") == [Row("Empty", size=0)]
    with pytest.raises(InvalidRequest, match="there is no database 'never'"):
        survey(Server()).rows("never")


@pytest.mark.parametrize(
    ("engine", "counts", "logins"),
    [
        ("mysql", [(1,)], 4),
        ("mysql", [(0,)], None),
        ("mariadb", [(0, 0)], None),
        ("mariadb", [(0, 1)], 6),
        ("mariadb", [(1, 1)], 4),
    ],
)
def test_logins_are_told_where_the_server_counts_them(engine: str, counts: Rows, logins: int | None) -> None:
    [shop] = survey(Server(engine, counts)).rows("shop")
    assert shop.logins == logins


def test_mysql_is_asked_for_what_is_and_not_for_what_it_remembers() -> None:
    server = Server("mysql")
    survey(server).rows()
    assert server.executed.index(drop_sql.fresh_times()) < server.executed.index(overview_sql.sizes())


def test_names_are_compared_as_the_server_does() -> None:
    server = Server()
    server.replies |= {
        privilege_sql.rules(): [("lower_case_table_names", "1")],
        **{privilege_sql.folded(name): [(name.lower(),)] for name in ("shop", "Empty")},
    }
    assert [row.database for row in survey(server).rows()] == ["empty", "shop"]
