"""dbhandler-request where it is about roles, leases and the age of passwords: what goes together, what is asked, what
is printed; with a program, as real processes on a Serf agent that is played."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.client import accounts, asking
from dbhandler.client import cli as request_cli
from dbhandler.client.accounts import Account
from dbhandler.client.beside import Keeper
from dbhandler.client.connection import Connection
from dbhandler.client.options import parser
from dbhandler.client.state import State, StateFile
from dbhandler.requests.box import Keys
from tests.support.fakes import RpcServer
from tests.support.owners import OwnersServer, agent

CONNECTION = Connection("shop", "10.0.0.2", 3306, "reports", "a password", ends_in=3600)
PASSWORD = "the owner's password"
OWNER = ("--owner-state", "shop.json")
ROLE = ("shop", "--user", "reports", "--role", "reader")

Calls = list[tuple[str, Mapping[str, object]]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Records the library calls."""
    calls: Calls = []

    def recorder(module: object, name: str, result: object) -> None:
        def call(*arguments: object, **options: object) -> object:
            calls.append((name, {"arguments": arguments, **options}))
            return result

        monkeypatch.setattr(module, name, call)

    recorder(asking, "request_database", CONNECTION)
    recorder(asking, "rotate_password", CONNECTION)
    recorder(accounts, "request_account", CONNECTION)
    recorder(accounts, "revoke_account", True)
    recorder(accounts, "list_accounts", [Account("reports", "reader", 3600), Account("süd", "owner", None)])
    recorder(accounts, "renew", 86400)
    return calls


def run(*argv: str) -> tuple[int, str]:
    out = io.StringIO()
    return request_cli.main(list(argv), {"SERF_RPC_AUTH": "k"}, out), out.getvalue()


# --- what goes together ---


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (ROLE, "--role, --copy-of, --list-accounts, --revoke and --renew need --owner-state FILE"),
        (("--list-accounts",), "need --owner-state FILE"),
        (("--revoke", "reports"), "need --owner-state FILE"),
        (("--renew", "--ttl", "1h"), "need --owner-state FILE"),
        ((*ROLE[3:], *OWNER), "the name of a database is missing"),
        (("shop", "--role", "reader", *OWNER), "--role needs --user USER, the name of the account that is asked for"),
        ((*ROLE, *OWNER, "--charset", "latin1"), "--role and --copy-of go with none of --charset, --collation"),
        (("shop", *OWNER), "--owner-state goes with --role, --copy-of, --list-accounts, --revoke or --renew"),
        (("--rotate", "--state", "s", *OWNER), "--owner-state goes with"),
        (("--renew", *OWNER), "--renew needs --ttl TIME, after which the end is to be"),
        (("--list-accounts", *OWNER, "--", "app"), "no COMMAND goes with --list-accounts, --revoke and --renew"),
        (("--renew", "--ttl", "1h", *OWNER, "--", "app"), "no COMMAND goes with"),
        (("--list-accounts", *OWNER, "--format", "dsn"), "--list-accounts prints a table, or with --format json JSON"),
        (("--list-accounts", *OWNER, "--ttl", "1h"), "--ttl goes with the request for a database or an account, or"),
        (("--rotate", "--state", "s", "--ttl", "1h"), "--ttl goes with the request"),
        (("shop", "--ttl", "1h", "--", "app"), "--ttl with a COMMAND needs --state FILE"),
        ((*ROLE, *OWNER, "--ttl", "1h", "--", "app"), "--ttl with a COMMAND needs --state FILE"),
        (("shop", "--rotate-every", "7d"), "--rotate-every needs --state FILE, which says how old the password is"),
        (("--rotate", "--state", "s", "--rotate-every", "7d"), "--rotate-every goes with the request for a database"),
        (("--renew", "--ttl", "1h", *OWNER, "--rotate-every", "7d"), "--rotate-every goes with the request"),
        (("shop", "--keep-old", "1h"), "--keep-old goes with --rotate or --rotate-every"),
        (("--drop", "--state", "s", "--keep-old", "1h"), "--keep-old goes with --rotate or --rotate-every"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_one_sentence(
    asked: Calls, argv: Sequence[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*argv) == (64, "")
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("dbhandler-request: ") and sentence in line and not asked


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("shop", "--ttl", "0"), "argument --ttl: a time is a number above 0 with s, m, h, d or w behind it, not '0'"),
        (("shop", "--ttl", "soon"), "argument --ttl: a time is a number"),
        (("shop", "--ttl", "99999w"), "argument --ttl: a time is at most 3660d, not '99999w'"),
        (("shop", "--state", "s", "--rotate-every", "0d"), "argument --rotate-every: a time is a number above 0"),
        (("--rotate", "--state", "s", "--keep-old", "-1"), "argument --keep-old"),
        ((*ROLE[:3], "--role", "root", *OWNER), "argument --role: invalid choice: 'root'"),
        ((*ROLE, *OWNER, "--rotate"), "not allowed with argument"),
        (("--renew", "--list-accounts", *OWNER), "not allowed with argument"),
    ],
)
def test_a_wrong_value_is_told_with_its_rule(
    asked: Calls, argv: Sequence[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*argv)
    [line] = capsys.readouterr().err.splitlines()
    assert ended.value.code == 64 and sentence in line and not asked


# --- what is asked, and printed ---


def test_an_account_is_asked_for_and_printed_as_any_other(asked: Calls) -> None:
    status, output = run(*ROLE, *OWNER, "--state", "r.json", "--ttl", "1h", "--rpc-addr", "h:1", "--format", "dsn")
    assert (status, output) == (0, CONNECTION.dsn + "\n")
    [(name, options)] = asked
    assert name == "request_account" and options["arguments"] == ("shop",)
    assert (options["user"], options["role"], options["ttl"]) == ("reports", "reader", 3600)
    assert (str(options["owner_state_file"]), str(options["state_file"])) == ("shop.json", "r.json")
    assert (options["rpc_addr"], options["rpc_auth"], options["timeout"]) == ("h:1", "k", 300.0)


def test_the_accounts_are_a_table_or_json(asked: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbhandler.client.sharing.time.time", lambda: 1_800_000_000.0)
    listed = (
        "ACCOUNT  ROLE    ENDS (UTC)\n"
        "reports  reader  2027-01-15 09:00:00\n"
        "süd      owner   -\n"
    )  # fmt: skip
    assert run("--list-accounts", *OWNER) == (0, listed)
    status, output = run("--list-accounts", *OWNER, "--format", "json")
    assert status == 0 and json.loads(output) == [
        {"user": "reports", "role": "reader", "ends_in": 3600}, {"user": "süd", "role": "owner", "ends_in": None},
    ]  # fmt: skip


def test_an_account_is_revoked(asked: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--revoke", "reports", *OWNER) == (0, "revoked 'reports'\n")
    assert asked[0][1]["arguments"] == ("reports",)
    monkeypatch.setattr(accounts, "revoke_account", lambda *_, **__: False)
    assert run("--revoke", "re", *OWNER) == (0, "there is no account 're' that the owner has given\n")


def test_a_renewal_says_until_when(asked: Calls, tmp_path: Path) -> None:
    key = "A" * 43 + "="
    own, other = tmp_path / "shop.json", tmp_path / "reports.json"
    StateFile(own).save(State("shop", "shop", PASSWORD, key=key))
    StateFile(other).save(State("shop", "reports", PASSWORD, key=key, role="reader"))
    status, output = run("--renew", "--ttl", "1d", "--owner-state", str(own))
    assert status == 0
    assert re.fullmatch(r"the database 'shop' ends at [-0-9]{10} [:0-9]{8} UTC, unless it is renewed again\n", output)
    assert "the account 'reports' ends" in run("shop", "--renew", "--ttl", "1d", "--owner-state", str(own), "--state",
                                               str(other))[1]  # fmt: skip
    assert [(options["ttl"], options["state_file"]) for _, options in asked] == [(86400, None), (86400, other)]


def test_a_name_that_is_not_the_owner_s_is_refused(
    asked: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    StateFile(tmp_path / "s").save(State("shop", "shop", PASSWORD, key="A" * 43 + "="))
    assert run("blog", "--revoke", "reports", "--owner-state", str(tmp_path / "s")) == (64, "")
    assert "the state file is for 'shop'" in capsys.readouterr().err and not asked


@pytest.mark.parametrize(
    ("argv", "kept"), [((), 600), (("--keep-old", "1h"), 3600), (("--keep-old", "0"), 0), (("--keep-old", "0s"), 0)]
)
def test_how_long_a_former_password_stays_valid(asked: Calls, argv: Sequence[str], kept: int) -> None:
    assert run("--rotate", "--state", "s", *argv)[0] == 0
    assert asked[0][1]["keep_old"] == kept


def test_a_database_with_an_end(asked: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(run("shop", "--ttl", "1d", "--format", "json")[1])["ends_in"] == 3600
    assert asked[0][1]["ttl"] == 86400 and not capsys.readouterr().err


def test_a_database_that_has_no_end_gets_none(
    asked: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asking, "request_database", lambda *_, **__: replace(CONNECTION, ends_in=None))
    status, output = run("shop", "--ttl", "1d", "--format", "json")
    assert status == 0 and "ends_in" not in json.loads(output)
    assert capsys.readouterr().err == "dbhandler-request: 'shop' has no end: --ttl counts where a database is made\n"


def test_nothing_to_see_to_is_no_reason_to_stay(asked: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[Sequence[str]] = []
    monkeypatch.setattr(os, "execvpe", lambda _file, argv, _environ: executed.append(argv))
    monkeypatch.setattr(asking, "request_database", lambda *_, **__: replace(CONNECTION, ends_in=None))
    run("shop", "--ttl", "1d", "--state", "s.json", "--", "app")
    assert executed == [["app"]]


# --- with a program ---

LONG = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(*(f"{name}={value}" for name, value in os.environ.items() if name.startswith(("DB_", "SERF_"))), flush=True)
# No longer than the test, whatever becomes of that.
time.sleep(120)
"""


class Wrapped:
    """dbhandler-request with a program, on a cluster of one server, with an owner's state file."""

    def __init__(self, folder: Path) -> None:
        keys = Keys(folder / "key")
        self.folder, self.server = folder, OwnersServer(keys, PASSWORD)
        self.agent: RpcServer = agent(self.server)
        StateFile(folder / "shop.json").save(State("shop", "shop", PASSWORD, key=keys.public, changed=int(time.time())))
        self.processes: list[subprocess.Popen[str]] = []
        self.is_away = False

    def start(self, *argv: str, program: str = LONG) -> subprocess.Popen[str]:
        main = "import sys; from dbhandler.client.cli import main; sys.exit(main())"
        process = subprocess.Popen(
            [sys.executable, "-c", main, "shop", *argv, "--rpc-addr", self.agent.address, "--timeout", "20",
             "--", sys.executable, "-c", program],
            cwd=self.folder, env={**os.environ, "PYTHONPATH": str(Path.cwd()), "SERF_RPC_AUTH": "the cluster's key"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def account(self, name: str) -> State:
        state = StateFile(self.folder / name).load()
        assert state is not None
        return state

    def until(self, happened: Callable[[], object]) -> None:
        """Waits for something to be so."""
        deadline = time.monotonic() + 30
        while not happened():
            assert time.monotonic() < deadline and self.processes[-1].poll() is None
            time.sleep(0.02)

    def close(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        if not self.is_away:
            self.leave()

    def leave(self) -> None:
        """Has the Serf agent go away."""
        self.is_away = True
        self.agent.close()


@pytest.fixture
def wrapped(tmp_path: Path) -> Iterator[Wrapped]:
    made = Wrapped(tmp_path)
    yield made
    made.close()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Has the program end, once it runs; what it ends with, and what was printed."""
    assert process.stdout
    first = process.stdout.readline()
    process.terminate()
    out, err = process.communicate(timeout=30)
    return process.returncode, first + out, err


def test_an_account_s_lease_is_renewed_while_the_program_lives(wrapped: Wrapped) -> None:
    process = wrapped.start("--user", "reports", "--role", "writer", *OWNER, "--state", "reports.json", "--ttl", "1s")
    wrapped.until(lambda: len(wrapped.server.boxes_of("grant_db")) >= 4)
    status, out, err = ended(process)
    assert (status, err) == (7, "")
    grants = wrapped.server.boxes_of("grant_db")
    assert {(box.account, box.role, box.ttl, box.new_password) for box in grants} == {
        ("reports", "writer", 1, wrapped.account("reports.json").password)
    }
    assert f"DB_PASSWORD={wrapped.account('reports.json').password}" in out and "DB_USER=reports" in out
    # What opens the cluster, and what proves the owner, is not the program's.
    assert "SERF_RPC_AUTH" not in out and "key" not in out and PASSWORD not in out


def test_a_database_s_own_lease_is_renewed_by_its_state(wrapped: Wrapped) -> None:
    wrapped.server.ttl = 1
    process = wrapped.start("--state", "shop.json", "--ttl", "1s")
    wrapped.until(lambda: len(wrapped.server.boxes_of("renew_db")) >= 3)
    assert ended(process)[::2] == (7, "")
    [create] = wrapped.server.boxes_of("create_db")
    assert create.ttl == 1 and {box.ttl for box in wrapped.server.boxes_of("renew_db")} == {1}


@pytest.mark.parametrize(
    ("argv", "owner"),
    [
        ((*ROLE, *OWNER), "shop.json"),
        (("shop",), "own.json"),
        (("shop", "--copy-of", "blog", "--owner-state", "blog.json"), "own.json"),
    ],
)
def test_who_renews_is_whose_the_database_is(asked: Calls, argv: Sequence[str], owner: str) -> None:
    options = parser().parse_args([*argv, "--ttl", "1h", "--state", "own.json"])
    keeper = Keeper(options, {"rpc_addr": "h:1", "rpc_auth": "k"}, None, print, print)
    [chore] = keeper._renewals(CONNECTION)
    assert chore.act() == 1200
    [(name, how)] = asked
    assert (name, how["ttl"], how["timeout"], how["rpc_addr"]) == ("renew", 3600, 15.0, "h:1")
    assert (str(how["owner_state_file"]), str(how["state_file"])) == (owner, "own.json")


def test_a_server_that_is_away_does_not_end_the_program(wrapped: Wrapped) -> None:
    process = wrapped.start("--user", "reports", "--role", "reader", *OWNER, "--state", "reports.json", "--ttl", "1s")
    wrapped.until(lambda: wrapped.server.boxes_of("grant_db"))
    wrapped.leave()
    assert process.stderr
    assert process.stderr.readline().startswith("dbhandler-request: the lease cannot be renewed: ")
    status, _, _ = ended(process)
    assert status == 7


def test_a_password_is_changed_while_the_program_lives_and_its_files_with_it(wrapped: Wrapped) -> None:
    process = wrapped.start("--state", "shop.json", "--rotate-every", "1s", "--keep-old", "5m", "--files", "values")
    wrapped.until(lambda: len(wrapped.server.boxes_of("rotate_db")) >= 2)
    file = wrapped.folder / "values" / "DB_PASSWORD"
    wrapped.until(
        lambda: file.read_text() == wrapped.server.passwords["shop"][0] == wrapped.account("shop.json").password
    )
    status, out, err = ended(process)
    assert status == 7 and file.read_text() not in out
    assert set(err.splitlines()) == {"dbhandler-request: the password is changed, and so are the files in values"}
    assert {box.keep_old for box in wrapped.server.boxes_of("rotate_db")} == {300}


def test_a_password_that_is_too_old_is_changed_before_the_program_starts(wrapped: Wrapped) -> None:
    StateFile(wrapped.folder / "shop.json").save(replace(wrapped.account("shop.json"), changed=1))
    process = wrapped.start("--state", "shop.json", "--rotate-every", "1w")
    status, out, err = ended(process)
    assert (status, err) == (7, "") and f"DB_PASSWORD={wrapped.server.passwords['shop'][0]}" in out
    assert len(wrapped.server.boxes_of("rotate_db")) == 1


def test_without_a_program_a_password_is_changed_if_it_is_due(
    wrapped: Wrapped, capsys: pytest.CaptureFixture[str]
) -> None:
    state = wrapped.folder / "shop.json"
    command = ("shop", "--state", str(state), "--rotate-every", "1w", "--rpc-addr", wrapped.agent.address, "--format")
    assert PASSWORD in run(*command, "json")[1]
    StateFile(state).save(replace(wrapped.account("shop.json"), changed=1))
    password = json.loads(run(*command, "json")[1])["password"]
    assert password == wrapped.account("shop.json").password == wrapped.server.passwords["shop"][0] != PASSWORD
    assert len(wrapped.server.boxes_of("rotate_db")) == 1 and not capsys.readouterr().err


def test_an_account_that_was_given_renews_nothing_by_itself(
    wrapped: Wrapped, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--state", str(wrapped.folder / "r.json"), "--rpc-addr", wrapped.agent.address, "--ttl", "1h")
    assert run(*ROLE, "--owner-state", str(wrapped.folder / "shop.json"), *given)[0] == 0
    assert run(*ROLE[:3], *given, "--", "app") == (64, "")
    assert "was given by an owner: --ttl needs --role and --owner-state FILE" in capsys.readouterr().err


def test_both_at_once(wrapped: Wrapped) -> None:
    """The lease of an account whose password is changed."""
    process = wrapped.start("--user", "reports", "--role", "reader", *OWNER, "--state", "reports.json", "--ttl", "1s",
                            "--rotate-every", "1s")  # fmt: skip
    wrapped.until(lambda: len(wrapped.server.boxes_of("rotate_db")) >= 2)
    before = len(wrapped.server.boxes_of("grant_db"))
    wrapped.until(lambda: len(wrapped.server.boxes_of("grant_db")) >= before + 2)
    status, _, err = ended(process)
    assert status == 7 and "cannot" not in err and "that of before is valid for 600 s more" in err
    assert "denied" not in err and wrapped.server.given == {"reports": ("reader", 1)}
