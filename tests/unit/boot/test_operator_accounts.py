"""The operator's commands about accounts, up to where a real server is needed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from dbhandler.audit.record import Entry
from dbhandler.boot import admin, operator_accounts
from dbhandler.boot.operator import _refusals_told
from dbhandler.boot.operator_accounts import AccountCommands, _kept
from dbhandler.client.state import State, StateFile
from dbhandler.engine import sql
from dbhandler.errors import Denied, InvalidRequest
from dbhandler.inventory import InState
from dbhandler.provisioning import (
    account_table,
    definers,
    drop_table,
    overview_sql,
    own_table,
    privilege_sql,
    registry_sql,
)
from dbhandler.provisioning.account_table import ADMIN, MAIN, Account
from dbhandler.provisioning.adopting import MOST
from dbhandler.provisioning.privilege_sql import Rules
from dbhandler.provisioning.registry import Registry
from dbhandler.requests.box import Keys
from dbhandler.settings.config import Config
from tests.support.fakes import RecordingServer

GIVEN = Account("ann", "shop", "reader")


class Server(RecordingServer):
    """With the database `shop`; what it knows of accounts and claims is in its replies."""

    def __init__(self) -> None:
        super().__init__({
            registry_sql.columns(): [("name",), ("owner",)],
            sql.database_exists("shop"): [(1,)],
            sql.databases(): [("shop",)],
            overview_sql.counts_logins("mariadb"): [(0, 0)],
            privilege_sql.contents("shop"): [(1,)],
        })  # fmt: skip
        self.passwords: dict[str, str] = {}

    def owned(self, user: str) -> Server:
        self.replies |= {
            registry_sql.entry("shop"): [("shop", user, None, "then", 99)],
            registry_sql.claims(): [("shop", user, None, "then", 99)],
            sql.account_exists(user): [(1,)],
            privilege_sql.databases_of(user): [("shop",)],
            overview_sql.users(): [(user, "%")],
            overview_sql.grants(): [(user, "%", "shop")],
        }
        return self

    def knows(self, account: Account) -> Server:
        text = f"SELECT {account_table._COLUMNS} FROM {account_table._TABLE} WHERE user = %s"
        row = (account.user, account.name, account.role, account.ends, account.old_until)
        self.replies |= {own_table.exists("dbhandler_boxes"): [(1,)], sql.Statement(text, (account.user,)): [row]}
        return self

    def accepts(self, user: str, password: str) -> bool:
        return self.passwords.setdefault(user, password) == password

    def changes(self) -> list[str]:
        verbs = ("CREATE USER", "GRANT", "DROP USER", "KILL", "DELETE FROM mysql.dbhandler_accounts", "ALTER USER")
        return [statement.text for statement in self.executed if statement.text.startswith(verbs)]


class Desk:
    """The commands, on a server that is played, with what the audit trail is told."""

    def __init__(self, server: Server, folder: Path, **environ: str) -> None:
        Keys(folder / InState.KEY)
        variables = {
            "DBHANDLER_ENGINE": "mariadb",
            "DBHANDLER_STATE_DIR": str(folder),
            "DBHANDLER_RUN_DIR": str(folder),
        }
        config = Config.from_environ(variables | environ)
        self.told: list[Entry] = []
        self.commands = AccountCommands(config, server, self.told.append)  # type: ignore[arg-type]

    def adopt(self, name: str = "shop", user: str | None = None) -> None:
        self.commands.adopt(argparse.Namespace(name=name, user=user))

    def revoke(self, name: str, user: str) -> None:
        self.commands.revoke(argparse.Namespace(name=name, user=user))

    def rotate(self, keep_old: int) -> None:
        self.commands.rotate(argparse.Namespace(keep_old=keep_old))

    def list(self, name: str | None = None, json: bool = False) -> None:
        self.commands.list(argparse.Namespace(name=name, json=json))


def claimed_by(server: Server, user: str) -> None:
    """The row in the registry, from the claim on."""
    server.replies[registry_sql.entry("shop")] = [("shop", user, None, "then", 0)]


def adoptable(server: Server, user: str) -> Server:
    server.replies |= {
        privilege_sql.other_holdings_of(user, "mariadb"): [(0,)],
        privilege_sql.global_privileges_of(user): [(0,)],
    }
    claimed_by(server, user)
    return server


# --- adopt ---


@pytest.mark.parametrize("user", [None, "clerk"])
def test_what_is_adopted_is_told_as_a_state_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], user: str | None
) -> None:
    server, name = Server(), user or "shop"
    desk = Desk(adoptable(server, name), tmp_path)
    desk.adopt(user=user)
    out, err = capsys.readouterr()
    (tmp_path / "state.json").write_text(out)
    state = StateFile(tmp_path / "state.json").load()
    assert state == State("shop", name, server.passwords[name], Keys(tmp_path / InState.KEY).public)
    assert err.startswith(f"dbhandler-admin: 'shop' is owned by the account '{name}' now: ") and err.count("\n") == 1
    assert server.changes()[-1] == sql.grant_database("shop", name).text
    assert desk.told == [Entry("adopt", "adopted", "shop", name, origin="operator")]


def test_what_runs_as_somebody_else_is_told_and_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = adoptable(Server(), "shop")
    server.replies[definers.defined("shop")] = [("view", "v", "root@localhost"), ("view", "w", "shop@%")]
    Desk(server, tmp_path).adopt()
    told = capsys.readouterr().err.splitlines()[1]
    assert told.endswith("the view 'v' runs as 'root@localhost', who does not exist") and "'w'" not in told


def refused(desk: Desk, server: Server, said: str, kind: type[Exception], act: str, *arguments: str) -> None:
    with pytest.raises(kind, match=said):
        getattr(desk, act)(*arguments)
    assert server.changes() == [] and desk.told == []


def test_what_has_an_owner_is_not_adopted(tmp_path: Path) -> None:
    server = Server().owned("clerk")
    refused(Desk(server, tmp_path), server, "belongs to the account 'clerk': reissue", Denied, "adopt")


def test_an_account_that_was_given_is_no_owner(tmp_path: Path) -> None:
    server = Server().knows(GIVEN)
    server.replies |= {
        privilege_sql.holders("shop", None, Rules()): [("ann", "%")],
        privilege_sql.holders("shop", None, Rules(), MOST): [("ann", "%")],
        sql.account_exists("ann"): [(1,)],
        privilege_sql.databases_of("ann"): [("shop",)],
        privilege_sql.other_holdings_of("shop", "mariadb"): [(0,)],
    }
    refused(Desk(server, tmp_path), server, "others hold privileges on the database 'shop': 'ann@%'", Denied, "adopt")


def test_what_is_being_dropped_is_left_alone(tmp_path: Path) -> None:
    server = Server().knows(GIVEN)
    text = f"SELECT {drop_table._COLUMNS} FROM {drop_table._TABLE} WHERE witness = ''"
    server.replies[sql.Statement(text)] = [("shop", "clerk", "", "a", 7, "locked", "", 1, "")]
    desk = Desk(server, tmp_path)
    refused(desk, server, "is being dropped", Denied, "adopt")
    refused(desk, server, "is being dropped", Denied, "revoke", "shop", "ann")


@pytest.mark.parametrize("name", ["mysql", "a b"])
def test_names_that_no_application_may_ask_for_are_not_adopted(tmp_path: Path, name: str) -> None:
    server = Server()
    refused(Desk(server, tmp_path), server, "name", InvalidRequest, "adopt", name)


# --- revoke ---


def test_an_account_that_was_given_is_taken_with_its_sessions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server().owned("clerk").knows(GIVEN)
    server.replies[privilege_sql.sessions()] = [
        (7, "ann", "10.0.0.1:4711", "shop", "Sleep", 0, "", None),
        (8, "clerk", "10.0.0.1:4712", "shop", "Sleep", 0, "", None),
    ]  # fmt: skip
    desk = Desk(server, tmp_path)
    desk.revoke("shop", "ann")
    ended = [statement.values for statement in server.executed if statement.text.startswith("KILL")]
    assert set(ended) == {(7,)}
    assert sql.drop_user("ann") in server.executed and sql.drop_user("clerk") not in server.executed
    # Whatever the owner does meanwhile, no account is left of which nobody knows.
    assert [text.split()[0] for text in server.changes()] == ["DROP", "KILL", "DELETE"] * 2
    assert desk.told == [Entry("revoke", "revoked", "shop", "ann", origin="operator")]
    assert capsys.readouterr().err.count("\n") == 1


def test_the_databases_own_account_is_not_taken(tmp_path: Path) -> None:
    server = Server().owned("clerk").knows(Account("clerk", "shop", MAIN, 5))
    desk = Desk(server, tmp_path)
    refused(desk, server, "'clerk' is the own account of 'shop': reissue .* --drop", Denied, "revoke", "shop", "clerk")


@pytest.mark.parametrize(
    "known", [Account("ann", "mall", "reader"), Account("ann", "", ADMIN), Account("x", "shop", "reader")]
)
def test_an_account_that_the_owner_has_not_given_is_not_taken(tmp_path: Path, known: Account) -> None:
    server = Server().owned("clerk").knows(known)
    said = "has given nobody an account 'ann': `list shop`"
    refused(Desk(server, tmp_path), server, said, InvalidRequest, "revoke", "shop", "ann")


# --- rotate ---


class Played:
    """In place of what changes the password."""

    asked: Any = None

    def __init__(self, server: object, user: str, now: Any, pending: Path) -> None:
        self.made = (user, now() > 0, pending.name)

    def change(self, keep_old: int) -> str:
        Played.asked = (*self.made, keep_old)
        return "the-new-password"


@pytest.mark.parametrize(("keep_old", "said"), [(600, "is valid for 600 s more"), (0, "is worth nothing now")])
def test_the_new_password_is_on_stdout_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, keep_old: int, said: str
) -> None:
    monkeypatch.setattr(operator_accounts, "AdminPassword", Played)
    desk = Desk(Server(), tmp_path, MYSQL_ADMIN_USER="boss")
    before = sorted(tmp_path.iterdir())
    desk.rotate(keep_old)
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "    mysql -uboss -pthe-new-password -h<host> -P<port>"
    assert err == f"dbhandler-admin: the account 'boss' has a new password; the former one {said}\n"
    assert Played.asked == ("boss", True, InState.ADMIN_PENDING, keep_old)
    assert desk.told == [Entry("rotate", "rotated", account="boss", origin="operator")]
    # The clock is the agent's to keep.
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("60", 60), ("10m", 600), ("7d", 604800)])
def test_how_long_it_is_kept(text: str, seconds: int) -> None:
    assert _kept(text) == seconds


@pytest.mark.parametrize("text", ["", "00", "59s", "-1m", "1y", "1.5h", "999999999w", "ten"])
def test_how_long_it_cannot_be_kept(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        _kept(text)


# --- list ---


def test_the_list_is_a_table_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(Server().owned("clerk"), tmp_path)
    desk.list()
    assert capsys.readouterr().out.splitlines()[1].split()[:5] == ["shop", "clerk", "main", "1", "min"]
    desk.list(json=True)
    [row] = json.loads(capsys.readouterr().out)
    assert (row["account"], row["age"]) == ("clerk", 99)
    with pytest.raises(InvalidRequest, match="there is no database 'never'"):
        desk.list("never")
    assert desk.told == []


# --- the command line ---


@pytest.mark.parametrize(("user", "account"), [("ann", "ann"), (None, None)])
def test_a_refusal_is_told_to_the_trail_with_the_account(user: str | None, account: str | None) -> None:
    told: list[Entry] = []
    options = argparse.Namespace(changes="revoke", name="shop", user=user)
    with pytest.raises(Denied), _refusals_told(options, told.append):
        raise Denied("no")
    assert told == [Entry("revoke", "denied", "shop", account, "no", "operator")]


@pytest.mark.parametrize(
    "arguments",
    [["adopt"], ["revoke", "shop"], ["rotate", "shop"], ["rotate", "--keep-old", "5s"], ["list", "a", "b"]],
)
def test_wrong_usage_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        admin.main(arguments, {})
    assert error.value.code == 64
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["list"], 69),
        (["list", "shop", "--json"], 69),
        (["adopt", "shop", "--user", "clerk"], 69),
        (["adopt", "mysql"], 64),
        (["revoke", "shop", "ann"], 69),
        (["rotate"], 69),
        (["rotate", "--keep-old", "0"], 69),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int
) -> None:
    environ = {"DBHANDLER_STATE_DIR": str(tmp_path), "DBHANDLER_RUN_DIR": str(tmp_path)}
    assert admin.main(arguments, environ) == status
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1


def test_the_registry_tells_all_claims() -> None:
    entries = Registry(Server().owned("clerk")).claims()  # type: ignore[arg-type]
    assert [(entry.name, entry.owner, entry.age) for entry in entries] == [("shop", "clerk", 99)]
