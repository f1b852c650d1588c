"""The command line: what is printed where, and the exit status."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from dbhandler.errors import Unavailable
from dbhandler.pool import cli
from dbhandler.pool.cli import DIFFERS, main
from dbhandler.serf.members import Member
from dbhandler.trust.pool import Pool
from dbhandler.trust.secret import new_secret, parse
from tests.support.directories import FakeLink, Tables, member, standing

SECRET = "B" * 42 + "E"
PLAIN = {"DBHANDLER_POOL_SECRET": SECRET, "SERF_RPC_ADDR": "127.0.0.1:7373"}
ENVIRON = {**PLAIN, "DBHANDLER_DIRECTORY": "dir"}


def test_keygen_prints_a_new_secret_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    made: list[bytes] = []
    for _ in range(2):
        assert main(["keygen"], {}) == os.EX_OK
        told = capsys.readouterr()
        assert (told.out.count("\n"), told.err) == (1, "")
        made += parse(told.out)
    assert made[0] != made[1]


def test_the_id_is_that_of_the_first_secret(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    new, old = new_secret(), new_secret()
    (tmp_path / "secret").write_text(f"{new}\n{old}\n")
    for environ in (
        {"DBHANDLER_POOL_SECRET": new},
        {"DBHANDLER_POOL_SECRET": f"{new} {old}"},
        {"DBHANDLER_POOL_SECRET_FILE": str(tmp_path / "secret")},
    ):
        assert main(["id"], environ) == os.EX_OK
        assert capsys.readouterr().out == f"{Pool(parse(new)).id}\n"


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "DBHANDLER_POOL_SECRET is not set: there is no pool to tell the id of"),
        (
            {"DBHANDLER_POOL_SECRET": "hunter2"},
            "DBHANDLER_POOL_SECRET is wrong: a secret is 32 bytes in base64url: dbhandler-pool keygen makes one",
        ),
    ],
)
def test_a_wrong_setting_is_a_sentence_that_quotes_nothing(
    environ: dict[str, str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["id"], environ) == os.EX_USAGE
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"dbhandler-pool: {sentence}\n")


def test_its_help_and_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], {}) == os.EX_OK
    assert "dbhandler-pool keygen" in capsys.readouterr().out
    assert main([], {}) == os.EX_USAGE
    assert "usage: dbhandler-pool" in capsys.readouterr().err
    for argv in (["keygen", "x"], ["dance\n"], ["id", "--force"]):
        assert main(argv, {}) == os.EX_USAGE
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("dbhandler-pool: no such command: ") and told.err.count("\n") == 1


# --- the servers of a pool with a directory ---


class FakeSerf:
    """A Serf agent with these members; it notes whom it is told to have left, and whether it was let go."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members, self.left, self.is_open = members, list[str](), True

    def __enter__(self) -> FakeSerf:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False

    def members(self) -> list[Member]:
        return list(self._members)

    def force_leave(self, node: str) -> None:
        self.left.append(node)


class PlayedPool:
    """The servers a, with two databases, and b, whose server is away, with one; `serf` is the agent that is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        members = [member("a"), member("b", status="failed")]
        self.serf, self.tables = FakeSerf(members), Tables()
        self.link = FakeLink(self.tables, members)
        self.tables.give("a", "shop", "wiki")
        self.tables.give("b", "blog")
        self.tables.tell(standing("a", names=2), standing("b", names=1))
        monkeypatch.setattr(cli, "connect_first", lambda *_: self.serf)
        monkeypatch.setattr("dbhandler.directory.link.DirectoryLink", lambda *_: self.link)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> PlayedPool:
    return PlayedPool(monkeypatch)


Output = pytest.CaptureFixture[str]


def test_status_prints_a_line_for_each_server(pool: PlayedPool, capsys: Output) -> None:
    assert main(["status"], ENVIRON) == os.EX_OK
    told = capsys.readouterr()
    heading, first, second = told.out.splitlines()
    assert heading.startswith("SERVER") and first.startswith("node-a  ready ") and second.startswith("node-b  failed")
    assert told.err == "" and not pool.serf.is_open


def test_status_prints_one_line_for_machines(pool: PlayedPool, capsys: Output) -> None:
    assert main(["status", "--json"], ENVIRON) == os.EX_OK
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert [(one["server"], one["databases"]) for one in json.loads(out)["servers"]] == [("node-a", 2), ("node-b", 1)]


def test_check_tells_what_differs_by_its_exit_status_too(pool: PlayedPool, capsys: Output) -> None:
    assert main(["check"], ENVIRON) == DIFFERS == 1
    told = capsys.readouterr()
    expected = "'node-b' is failed, and databases wait for it: 1 (dbhandler-pool forget)\n"
    assert (told.out, told.err, pool.serf.is_open) == (expected, "", False)


def test_check_prints_nothing_where_nothing_differs(pool: PlayedPool, capsys: Output) -> None:
    pool.link.members[1] = member("b")
    assert main(["check"], ENVIRON) == os.EX_OK
    assert capsys.readouterr() == ("", "")


def test_forget_tells_what_is_given_up(pool: PlayedPool, capsys: Output) -> None:
    assert main(["forget", "node-b"], ENVIRON) == os.EX_OK
    told = capsys.readouterr()
    assert told.out.startswith("'node-b' is forgotten, and with it 1 databases: 'blog'. ")
    assert (told.out.count("\n"), told.err) == (1, "")
    assert (pool.serf.left, sorted(pool.tables.claimed)) == (["node-b"], ["shop", "wiki"])


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        ("node-a", "'node-a' lives: only what is lost for good is forgotten"),
        ("node-c", "nobody knows a server 'node-c'"),
        ("\x1b[2J", "nobody knows a server '\\x1b[2J'"),
        ("", "nobody knows a server ''"),
    ],
)
@pytest.mark.parametrize("environ", [PLAIN, ENVIRON], ids=["without a directory", "with one"])
def test_who_lives_or_is_unknown_is_not_forgotten(
    pool: PlayedPool, capsys: Output, node: str, sentence: str, environ: dict[str, str]
) -> None:
    assert main(["forget", node], environ) == os.EX_USAGE
    assert capsys.readouterr() == ("", f"dbhandler-pool: {sentence}\n")
    assert pool.serf.left == [] and len(pool.tables.claimed) == 3


def test_forget_needs_no_directory(pool: PlayedPool, capsys: Output) -> None:
    assert main(["forget", "node-b"], PLAIN) == os.EX_OK
    assert capsys.readouterr().out.startswith("'node-b' is forgotten: nobody waits for it")
    assert pool.serf.left == ["node-b"] and pool.tables.executed == []


@pytest.mark.parametrize("argv", [["status"], ["status", "--json"], ["check"]])
def test_without_a_directory_there_is_nothing_to_tell(pool: PlayedPool, capsys: Output, argv: list[str]) -> None:
    assert main(argv, PLAIN) == os.EX_USAGE
    sentence = "dbhandler-pool: DBHANDLER_DIRECTORY is not set: this pool has no directory\n"
    assert capsys.readouterr() == ("", sentence)


@pytest.mark.parametrize("argv", [["status"], ["check"], ["forget", "node-b"]])
def test_a_directory_that_is_away_changes_nothing(pool: PlayedPool, capsys: Output, argv: list[str]) -> None:
    pool.link.error = Unavailable("the directory of the pool, on 'dir', is away: no route")
    assert main(argv, ENVIRON) == os.EX_UNAVAILABLE
    assert capsys.readouterr() == ("", "dbhandler-pool: the directory of the pool, on 'dir', is away: no route\n")
    assert pool.serf.left == [] and len(pool.tables.claimed) == 3 and not pool.serf.is_open


@pytest.mark.parametrize(
    "argv", [["status", "--yaml"], ["check", "--json"], ["forget"], ["forget", "a", "b"], ["status", "--json", "x"]]
)
def test_another_usage_asks_nobody(pool: PlayedPool, capsys: Output, argv: list[str]) -> None:
    assert main(argv, ENVIRON) == os.EX_USAGE
    assert capsys.readouterr().err.startswith("dbhandler-pool: no such command: ")
    assert pool.serf.is_open and pool.serf.left == []


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"DBHANDLER_DIRECTORY": "dir", "SERF_RPC_ADDR": "x"}, "DBHANDLER_POOL_SECRET"),
        ({**ENVIRON, "DBHANDLER_LABELS": "s d"}, "DBHANDLER_LABELS"),
    ],
)
def test_a_wrong_setting_of_the_directory_is_named(
    pool: PlayedPool, capsys: Output, environ: dict[str, str], name: str
) -> None:
    assert main(["status"], environ) == os.EX_USAGE
    told = capsys.readouterr()
    assert name in told.err and told.err.count("\n") == 1 and told.out == ""
