"""An owner gives others accounts: what is asked, in which box, and what stands in which state file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.client import Account, asking, list_accounts, renew, request_account, request_database, revoke_account
from dbhandler.client.connection import Connection
from dbhandler.client.state import State, StateFile
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, TryLater
from dbhandler.requests.box import Keys
from tests.support.applications import Answer, FakeSerf, server
from tests.support.owners import OwnersServer

PASSWORD = "the owner's password"


class Owner:
    """An owner with a state file, on a cluster of one server."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, keys = folder, {"a": Keys(folder / "key")}
        self.server = OwnersServer(keys["a"], PASSWORD)
        self.serf = FakeSerf([server("a", keys)], self.server)
        self.state = State("shop", "shop", PASSWORD, key=keys["a"].public)
        self.save()
        monkeypatch.setattr(asking, "connect_first", lambda _agents, _key: self.serf)

    @property
    def file(self) -> Path:
        return self.folder / "shop.json"

    @property
    def others(self) -> Path:
        """The state file of whom the owner gives an account."""
        return self.folder / "reports.json"

    def save(self, **more: str) -> None:
        StateFile(self.file).save(replace(self.state, **more))  # type: ignore[arg-type]

    def gives(self, role: str = "reader", ttl: int | None = None, **more: object) -> Connection:
        ways: dict[str, object] = {"state_file": self.others, "timeout": 0.0, **more}
        return request_account("shop", user="reports", role=role, owner_state_file=self.file, ttl=ttl, **ways)  # type: ignore[arg-type]


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    return Owner(tmp_path, monkeypatch)


def saved(path: Path) -> State:
    state = StateFile(path).load()
    assert state is not None
    return state


# --- giving ---


def test_the_owner_proves_himself_and_chooses_what_is_given(owner: Owner) -> None:
    connection = owner.gives("writer", 3600)
    [(query, box)] = owner.server.opened
    assert (query, box.user, box.password, box.operation) == ("grant_db", "shop", PASSWORD, "grant_db")
    assert (box.account, box.new_password, box.role, box.ttl) == ("reports", connection.password, "writer", 3600)
    assert box.expires and box.keep_old is None
    assert (connection.user, connection.host, connection.port, connection.ends_in) == (
        "reports",
        "10.0.0.97",
        3306,
        3600,
    )


def test_the_password_is_saved_before_anybody_is_asked(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill after the answer must not lose it."""
    seen: list[State] = []
    grant = owner.server._grant_db

    def granted(box: object) -> Answer:
        seen.append(saved(owner.others))
        return grant(box)  # type: ignore[arg-type]

    monkeypatch.setattr(owner.server, "_grant_db", granted)
    connection = owner.gives()
    [before] = seen
    assert before.password == connection.password != PASSWORD
    assert (before.role, before.key) == ("reader", owner.state.key)
    assert owner.others.stat().st_mode & 0o777 == 0o600


def test_the_owner_s_state_is_only_read(owner: Owner) -> None:
    before = owner.file.read_bytes()
    owner.gives(ttl=60)
    revoke_account("reports", owner_state_file=owner.file)
    renew(ttl=60, owner_state_file=owner.file)
    assert owner.file.read_bytes() == before


def test_later_the_account_needs_no_owner(owner: Owner) -> None:
    given = owner.gives(ttl=60)
    owner.file.unlink()
    assert request_database("shop", user="reports", state_file=owner.others, timeout=0) == given
    assert saved(owner.others).role == "reader"
    assert asking.rotate_password(state_file=owner.others, timeout=0).password != given.password


def test_asked_again_it_is_the_same_account_with_another_end(owner: Owner) -> None:
    first, again = owner.gives(ttl=60), owner.gives(ttl=None)
    assert first == again and owner.server.given == {"reports": ("reader", None)}


def test_without_a_state_file_it_cannot_be_had_again(owner: Owner) -> None:
    assert owner.gives(state_file=None).ca_file is None
    with pytest.raises(Denied, match="another password"):
        owner.gives(state_file=None)


def test_each_try_seals_a_box_of_its_own(owner: Owner) -> None:
    owner.server.lost = 2
    owner.gives(timeout=5.0)
    assert len(owner.server.boxes) == len(set(owner.server.boxes)) == 3
    assert len({box.new_password for box in owner.server.boxes_of("grant_db")}) == 1


def test_a_role_that_was_refused_is_not_noted(owner: Owner) -> None:
    owner.gives("writer")
    with pytest.raises(Denied, match="another role"):
        owner.gives("reader")
    assert saved(owner.others).role == "writer"
    assert revoke_account("reports", owner_state_file=owner.file)
    owner.gives("reader")
    assert saved(owner.others).role == "reader"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"role": "root"}, "a role is owner, writer, reader, not 'root'"),
        ({"owner_state_file": "absent.json"}, "no state file of a database that was made"),
        ({"name": "blog"}, "the state file is for 'shop' as 'shop'"),
        ({"state_file": "shop.json"}, "the state file is for 'shop' as 'shop'"),
    ],
)
def test_what_cannot_be_asked_is_not(owner: Owner, more: Mapping[str, str], sentence: str) -> None:
    more = {key: str(owner.folder / value) if key.endswith("file") else value for key, value in more.items()}
    wanted: dict[str, object] = {"name": "shop", "owner_state_file": owner.file, "state_file": owner.others, **more}
    with pytest.raises(InvalidRequest, match=sentence):
        request_account(user="reports", timeout=0, **wanted)  # type: ignore[arg-type]
    assert not owner.serf.asked and not owner.others.exists()


def test_an_account_that_was_given_gives_none(owner: Owner) -> None:
    owner.gives()
    for act in (
        lambda: request_account("shop", user="x", owner_state_file=owner.others, timeout=0),
        lambda: renew(ttl=1, owner_state_file=owner.others),
        lambda: list_accounts(owner_state_file=owner.others),
        lambda: revoke_account("x", owner_state_file=owner.others),
    ):
        with pytest.raises(InvalidRequest, match="'reports' was given by the owner"):
            act()


def test_names_that_no_query_carries_are_refused_at_once(owner: Owner) -> None:
    with pytest.raises(InvalidRequest, match="too long together"):
        revoke_account("漢" * 200, owner_state_file=owner.file, timeout=60)
    assert not owner.serf.asked


# --- passwords that are changed meanwhile ---


def test_the_owner_s_password_that_is_being_changed_is_waited_for(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.save(next_password="the password to be")
    with pytest.raises(TryLater, match="--rotate ends it"):
        owner.gives()

    def ends(_text: str) -> None:
        owner.save(password="the password to be")
        owner.server.passwords["shop"] = ["the password to be"]

    with pytest.raises(TryLater):
        list_accounts(owner_state_file=owner.file, timeout=0)
    assert list_accounts(owner_state_file=owner.file, timeout=5.0, progress=ends) == []


def test_a_change_of_the_account_s_password_is_ended_first(owner: Owner) -> None:
    owner.gives()
    StateFile(owner.others).save(replace(saved(owner.others), next_password="the password to be"))
    connection = owner.gives(ttl=60)
    assert (connection.password, saved(owner.others).password) == ("the password to be",) * 2
    assert saved(owner.others).next_password is None
    assert [query for query, _ in owner.server.opened] == ["grant_db", "rotate_db", "grant_db"]


def test_an_account_that_ended_in_the_middle_of_a_change_begins_with_the_new_password(owner: Owner) -> None:
    owner.gives(ttl=60)
    StateFile(owner.others).save(replace(saved(owner.others), next_password="the password to be"))
    revoke_account("reports", owner_state_file=owner.file)
    assert owner.gives(ttl=60).password == "the password to be"
    assert (saved(owner.others).password, saved(owner.others).next_password) == ("the password to be", None)


def test_a_password_that_was_changed_meanwhile_stays(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    owner.gives()
    newest, grant = "another process's password", owner.server._grant_db

    def slow(box: object) -> Answer:
        StateFile(owner.others).save(replace(saved(owner.others), password=newest))
        return grant(box)  # type: ignore[arg-type]

    monkeypatch.setattr(owner.server, "_grant_db", slow)
    assert owner.gives(ttl=60).password == saved(owner.others).password == newest


# --- taking, listing, renewing ---


def test_an_account_is_taken_away_once(owner: Owner) -> None:
    owner.gives()
    assert [revoke_account("reports", owner_state_file=owner.file) for _ in range(2)] == [True, False]
    [box, _] = owner.server.boxes_of("revoke_db")
    assert (box.user, box.password, box.account, box.new_password) == ("shop", PASSWORD, "reports", None)


def test_all_accounts_are_listed_however_many_answers_they_take(owner: Owner) -> None:
    owner.server.given = {f"app{number}": ("reader", number * 10 or None) for number in range(7)}
    owner.server.page = 3
    assert list_accounts(owner_state_file=owner.file) == [
        Account(f"app{number}", "reader", number * 10 or None) for number in range(7)
    ]
    assert [box.account for box in owner.server.boxes_of("accounts_db")] == [None, "app2", "app5"]


def test_no_accounts_are_an_empty_list(owner: Owner) -> None:
    assert list_accounts(owner_state_file=owner.file) == []


@pytest.mark.parametrize(
    "pages",
    [
        [{"count": 2, "accounts": []}],
        [{"count": 2}],
        [{"count": 3, "accounts": [["b", "reader", None], ["a", "reader", None]]}],
        [{"count": 3, "accounts": [["a", "reader", None], ["a", "reader", None]]}],
        [{"count": 2, "accounts": [["b", "reader", None]]}, {"count": 1, "accounts": [["a", "reader", None]]}],
        [{"count": 2, "accounts": [["b", "reader", None]]}] * 2,
    ],
)
def test_a_list_that_leads_nowhere_is_no_list(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, pages: list[Mapping[str, object]]
) -> None:
    told = iter(pages)
    monkeypatch.setattr(owner.server, "_accounts_db", lambda _box: {"status": "ok", **next(told)})
    with pytest.raises(DbHandlerError, match="'a' does not list the accounts one behind the other"):
        list_accounts(owner_state_file=owner.file)


def test_a_list_without_an_end_is_left(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    def more(box: object) -> Answer:
        number = int(getattr(box, "account", None) or 0) + 1
        return {"status": "ok", "count": 9, "accounts": [[f"{number:05}", "reader", None]]}

    monkeypatch.setattr(owner.server, "_accounts_db", more)
    monkeypatch.setattr("dbhandler.client.accounts.MOST_PAGES", 5)
    with pytest.raises(DbHandlerError, match="without an end"):
        list_accounts(owner_state_file=owner.file)
    assert len(owner.server.boxes) == 5


def test_a_database_is_renewed(owner: Owner) -> None:
    assert renew(ttl=60, owner_state_file=owner.file) == 60
    # Its own state file means the same.
    assert renew(ttl=90, owner_state_file=owner.file, state_file=owner.file) == 90
    assert [(box.user, box.ttl, box.account) for box in owner.server.boxes_of("renew_db")] == [
        ("shop", 60, None), ("shop", 90, None),
    ]  # fmt: skip


def test_an_account_is_renewed_by_its_state_file(owner: Owner) -> None:
    first = owner.gives("writer", 60)
    assert renew(ttl=90, owner_state_file=owner.file, state_file=owner.others) == 90
    box = owner.server.boxes_of("grant_db")[-1]
    assert (box.account, box.new_password, box.role, box.ttl) == ("reports", first.password, "writer", 90)
    assert owner.server.given == {"reports": ("writer", 90)} and not owner.server.boxes_of("renew_db")


def test_another_database_s_state_file_is_not_renewed(owner: Owner) -> None:
    StateFile(owner.others).save(replace(owner.state, database="blog"))
    with pytest.raises(InvalidRequest, match="the state file is for 'shop'"):
        renew(ttl=60, owner_state_file=owner.file, state_file=owner.others)
    assert not owner.serf.asked


def test_an_answer_of_another_kind_is_no_success(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner.server, "_renew_db", lambda _box: {"status": "exists"})
    with pytest.raises(DbHandlerError, match="says exists"):
        renew(ttl=60, owner_state_file=owner.file)


def test_who_asks_for_a_database_only_loads_no_more_than_that() -> None:
    program = (
        "import sys; from dbhandler.client import request_database\n"
        "print({'dbhandler.client.accounts', 'dbhandler.client.upkeep', 'ctypes'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_an_unknown_name_is_none_of_the_package() -> None:
    import dbhandler.client

    with pytest.raises(AttributeError, match="no attribute 'grant'"):
        dbhandler.client.grant  # noqa: B018
