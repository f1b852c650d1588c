"""One database's content in place of another's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dbhandler.engine import sql
from dbhandler.engine.sql import Statement
from dbhandler.errors import InvalidRequest, ServerError
from dbhandler.provisioning import drop_sql
from dbhandler.provisioning.dump import Header
from dbhandler.provisioning.replacing import Replacer
from dbhandler.requests.box import Credentials
from tests.support.fakes import RecordingServer, Rows

DEFAULTS = [("utf8mb4", "utf8mb4_bin")]


class Server(RecordingServer):
    """Has these databases; after each look at its changes another one has happened, for so many looks."""

    def __init__(self, *databases: str, busy: int = 0) -> None:
        super().__init__({drop_sql.now(): [("2026-01-01 00:00:09",)]})
        self.busy = busy
        for name in databases:
            self.replies |= {sql.database_exists(name): [(name,)], drop_sql.defaults(name): list(DEFAULTS)}

    def execute(self, statement: Statement) -> Rows:
        if statement == drop_sql.changes("shop"):
            self.busy -= 1
            return [("table", "t", None, f"2026-01-01 00:00:0{max(self.busy, 0)}")]
        return super().execute(statement)


class Played:
    """The restorer and the trash, with what was done."""

    folder = Path("/trash")

    def __init__(self, fails: int = 0) -> None:
        self.done: list[str] = []
        self.owners = {"shop": "clerk", "before": "before"}
        self._fails = fails

    def owner(self, name: str) -> str | None:
        return self.owners.get(name)

    @contextmanager
    def borrowed(self, account: Credentials) -> Iterator[None]:
        self.done.append(f"borrow {account.user}")
        yield
        self.done.append(f"give back {account.user}")

    def restore(self, dump: Path, database: str) -> None:
        self.done.append(f"load {dump.name} into {database}")
        if self._fails:
            self._fails -= 1
            raise ServerError("it cannot be loaded")

    def keep(self, header: Header, _attempt: str) -> str:
        self.done.append(f"dump {header.database} of {header.user}")
        return f"{header.database}.gz"

    def remove(self, name: str) -> None:
        self.done.append(f"remove {name}")


def replaced(server: Server, played: Played, database: str = "shop", by: str = "before") -> str:
    return Replacer(server, "mariadb", played, played).replace(database, by)  # type: ignore[arg-type]


def test_it_is_dumped_first_and_its_application_shut_out_meanwhile() -> None:
    server, played = Server("shop", "before"), Played()
    assert replaced(server, played) == "shop.gz"
    assert played.done == [
        "dump before of before", "borrow clerk", "dump shop of clerk", "load before.gz into shop", "give back clerk",
        "remove before.gz",
    ]  # fmt: skip
    assert [one for one in server.executed if "DROP" in one.text] == [sql.drop_database("shop")]


def test_what_cannot_be_loaded_leaves_what_was() -> None:
    server, played = Server("shop", "before"), Played(fails=1)
    with pytest.raises(ServerError, match="cannot be loaded"):
        replaced(server, played)
    assert played.done[3:5] == ["load before.gz into shop", "load shop.gz into shop"]
    assert played.done[-1] == "remove before.gz"


def test_while_somebody_writes_to_it_it_is_dumped_again_or_left_alone() -> None:
    server, played = Server("shop", "before", busy=3), Played()
    replaced(server, played)
    assert played.done.count("remove shop.gz") == 1
    server, played = Server("shop", "before", busy=9), Played()
    with pytest.raises(ServerError, match="writes to 'shop' meanwhile"):
        replaced(server, played)
    assert sql.drop_database("shop") not in server.executed
    assert played.done.count("remove shop.gz") == 3 and "remove before.gz" in played.done


@pytest.mark.parametrize(
    ("database", "by", "said"),
    [
        ("shop", "shop", "by another one"),
        ("never", "before", "there is no database 'never'"),
        ("shop", "never", "there is no database 'never'"),
        ("nobodys", "before", "has no account that was made on request"),
    ],
)
def test_what_cannot_be_changes_nothing(database: str, by: str, said: str) -> None:
    server, played = Server("shop", "before", "nobodys"), Played()
    with pytest.raises(InvalidRequest, match=said):
        replaced(server, played, database, by)
    assert played.done == []
