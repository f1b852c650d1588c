"""How large a database is: its files, and what in them is free."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from dbhandler.engine import sql
from dbhandler.provisioning import drop_sql, overview_sql, quota_sql
from dbhandler.provisioning.sizes import SHARED_AT_FIRST, Sizes, folder
from tests.support.fakes import RecordingServer


class Server(RecordingServer):
    """With these databases, and the free room in each."""

    def __init__(self, engine: str = "mariadb", **free: int) -> None:
        super().__init__({sql.databases(): [(name,) for name in free]})
        for name, size in free.items():
            self.replies[quota_sql.free(name)] = [(Decimal(size),)]
        self.engine = engine


def files(data_dir: Path, folder: str, **sizes: int) -> None:
    (data_dir / folder).mkdir()
    for name, size in sizes.items():
        (data_dir / folder / f"{name}.ibd").write_bytes(bytes(size))


def measured(server: Server, data_dir: Path, least: int = 0, most_free: int = 1000) -> dict[str, int]:
    return dict(Sizes(server, data_dir).measured(least, most_free))  # type: ignore[arg-type]


def test_a_database_is_its_files_without_what_is_free_in_them(tmp_path: Path) -> None:
    files(tmp_path, "shop", a=300, b=200)
    files(tmp_path, "my@002dblog", t=50)
    server = Server("mariadb", **{"shop": 120, "my-blog": 0})
    assert measured(server, tmp_path) == {"shop": 380, "my-blog": 50}


def test_what_is_small_is_not_asked_for_free_room(tmp_path: Path) -> None:
    files(tmp_path, "shop", a=300)
    files(tmp_path, "blog", a=301)
    server = Server(shop=100, blog=100)
    assert measured(server, tmp_path, least=300) == {"shop": 300, "blog": 201}
    assert quota_sql.free("shop") not in server.executed


def test_tables_that_are_filled_and_emptied_in_turn_take_no_whole_disk(tmp_path: Path) -> None:
    files(tmp_path, "shop", a=300, b=300, c=300)
    server = Server(shop=800)
    assert measured(server, tmp_path, most_free=300) == {"shop": 600}


def test_neither_what_is_being_rebuilt_nor_a_note_of_the_server_counts(tmp_path: Path) -> None:
    files(tmp_path, "shop", a=10)
    (tmp_path / "shop" / "#sql-alter-1-2.ibd").write_bytes(bytes(500))
    (tmp_path / "shop" / "db.opt").write_bytes(bytes(65))
    assert measured(Server(shop=0), tmp_path) == {"shop": 10}


def test_one_that_is_gone_meanwhile_takes_nothing_and_free_room_makes_none_smaller_than_that(tmp_path: Path) -> None:
    files(tmp_path, "blog", a=10)
    server = Server(shop=0, blog=11)
    assert measured(server, tmp_path) == {"shop": 0, "blog": 0}


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_mysql_is_asked_for_what_is_and_not_for_what_it_remembers(tmp_path: Path, engine: str) -> None:
    files(tmp_path, "shop", a=300)
    server = Server(engine, shop=0)
    measured(server, tmp_path)
    assert (drop_sql.fresh_times() in server.executed) is (engine == "mysql")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("shop_2", "shop_2"), ("a-b$c", "a@002db@0024c"), ("Shop", "Shop"), ("a@b.c", "a@0040b@002ec")],
)
def test_the_folder_of_a_database(name: str, expected: str) -> None:
    assert folder(name) == expected


def test_of_a_name_that_is_not_ascii_the_engine_tells_what_it_knows(tmp_path: Path) -> None:
    server = Server(größe=0)
    server.replies[overview_sql.sizes_of("größe")] = [("größe", Decimal(700), None)]
    assert measured(server, tmp_path) == {"größe": 700}


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_who_puts_tables_among_those_of_all_has_all_that_is_there(tmp_path: Path, engine: str) -> None:
    files(tmp_path, "shop", a=300)
    files(tmp_path, "my@002dblog", t=50)
    server = Server(engine, **{"shop": 200, "my-blog": 0})
    sizes = Sizes(server, tmp_path)  # type: ignore[arg-type]

    def measured(shared: int) -> dict[str, int]:
        with (tmp_path / "ibdata1").open("wb") as file:
            file.truncate(SHARED_AT_FIRST + shared)
        server.executed.clear()
        return dict(sizes.measured(0, 1000))

    for shared, asked in ((0, False), (1, True), (1, False)):
        assert measured(shared) == {"shop": 100, "my-blog": 50}
        assert (quota_sql.sharing() in server.executed) is (asked and engine == "mysql")
    server.replies[quota_sql.sharing()] = [("my@002dblog",)]
    for shared in (500, 500):
        # In MariaDB it was the server's owner.
        assert measured(shared) == {"shop": 100, "my-blog": 550 if engine == "mysql" else 50}
    server.replies[quota_sql.sharing()] = []
    assert measured(500) == {"shop": 100, "my-blog": 50}
