"""The command line: what is printed where, and the exit status."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import pytest

from dbhandler.errors import DbHandlerError, Denied, Unavailable
from dbhandler.requests.backup_state import BackupState, Trouble
from dbhandler.serf.presence import SerfPresence
from dbhandler.status import cli as status_cli
from dbhandler.status.backups import Backups, Row
from dbhandler.status.servers import ServerStatus

READY, DOWN = ServerStatus("a", True, "ready"), ServerStatus("b", True, "down")
FAILED, LEFT = ServerStatus("c", False, "failed"), ServerStatus("d", False, "left")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the cluster says, one element per time it is asked; an exception is raised."""
    queue: list[object] = []

    class Connection:
        def __enter__(self) -> Connection:
            return self

        def __exit__(self, *_: object) -> None: ...

    def ask(_serf: object, pools: object) -> object:
        answer = queue.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(status_cli, "connect_first", lambda addresses, key: Connection())
    monkeypatch.setattr(status_cli, "cluster_status", ask)
    monkeypatch.setattr(status_cli, "backups", lambda _serf, pools: Backups())
    return queue


@pytest.fixture
def backed_up(monkeypatch: pytest.MonkeyPatch) -> BackupState:
    """The backup of the server a, which is told with those of two others, and of a backup that does not answer."""
    state = BackupState("key-1", "a", 0, 60, 1, 30, Trouble.STREAM)
    seen = Backups([Row("b", None), Row("a", state)], 0, {"a": state}, ["the backup 'z' does not answer"])
    monkeypatch.setattr(status_cli, "backups", lambda _serf, pools: seen)
    return state


def run(*argv: str, out: io.StringIO | None = None) -> tuple[int, str]:
    out = out or io.StringIO()
    return status_cli.main(list(argv), {}, out, sleep=lambda _: None), out.getvalue()


@pytest.mark.parametrize(
    ("statuses", "expected"), [([READY], 0), ([READY, LEFT], 0), ([READY, FAILED], 1), ([READY, DOWN], 1)]
)
def test_the_exit_status_says_whether_all_servers_are_ready(
    answers: list[object], statuses: list[ServerStatus], expected: int
) -> None:
    answers.append(statuses)
    status, output = run()
    assert status == expected
    assert output.count("\n") == 1 + len(statuses)


def test_a_failed_server_is_told_with_what_forgets_it(
    answers: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    answers += [[READY, FAILED, ServerStatus("x\n$(y)", False, "failed")], [READY, LEFT]]
    assert run("--json")[0] == 1
    assert capsys.readouterr().err == (
        "dbhandler-status: failed: 'c', 'x\\n$(y)'; `dbhandler-pool forget NODE` forgets one that never comes back\n"
    )
    assert run("--json")[0] == 0
    assert capsys.readouterr().err == ""


def test_lines_fit_the_terminal(answers: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    long = [ServerStatus("a", True, "ready", last_error="x" * 300)]
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((90, 24)))

    def widest(out: io.StringIO, **environ: str) -> int:
        answers.append(long)
        status_cli.main([], environ, out)
        return max(map(len, out.getvalue().splitlines()))

    # A pipe's reader wants all of it, unless it says how wide it is.
    assert widest(io.StringIO()) > 300 and widest(io.StringIO(), COLUMNS="") > 300
    assert widest(io.StringIO(), COLUMNS="x") > 300 and widest(io.StringIO(), COLUMNS="0") > 300
    assert (widest(Terminal()), widest(Terminal(), COLUMNS="70"), widest(io.StringIO(), COLUMNS="40")) == (90, 70, 40)
    assert widest(io.StringIO(), COLUMNS="1") == 1


def test_dead_servers_alone_are_shown_and_are_no_success(
    answers: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    answers.append([FAILED])
    status, output = run()
    assert status == os.EX_UNAVAILABLE
    assert "failed" in output
    assert "no live database server" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "expected"),
    [(Denied("no"), 77), (Unavailable("no"), 69), (DbHandlerError("no"), 70), (KeyboardInterrupt(), 130)],
)
def test_an_error_is_one_sentence(
    answers: list[object], error: BaseException, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.append(error)
    assert run() == (expected, "")
    assert capsys.readouterr().err == ("" if expected == 130 else "dbhandler-status: no\n")


def test_json_is_one_line_with_an_object_per_server(answers: list[object]) -> None:
    answers.append([READY, DOWN])
    status, output = run("--json")
    assert (status, output.count("\n")) == (1, 1)
    assert [(row["node"], row["ready"], row["last_error"]) for row in json.loads(output)] == [
        ("a", True, None),
        ("b", False, None),
    ]


def test_the_backups_stand_below_the_servers(
    answers: list[object], backed_up: BackupState, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.append([READY])
    status, output = run()
    servers, backups = output.split("\n\n")
    # Whether the servers are ready is one matter, their backups are another.
    assert (status, servers.count("\n"), backups.count("\n")) == (0, 1, 3)
    assert backups.startswith("BACKUP OF ") and "its changes do not come" in backups
    assert capsys.readouterr().err == "dbhandler-status: the backup 'z' does not answer\n"


def test_the_backup_of_each_server_is_in_its_object(answers: list[object], backed_up: BackupState) -> None:
    answers.append([READY, DOWN])
    backed, other = json.loads(run("--json")[1])
    assert (backed["backup"]["last"], backed["backup"]["trouble"], other["backup"]) == (60, "stream", None)


def test_watching_goes_on_while_the_agent_is_away(answers: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    answers += [[READY], Unavailable("away"), [READY], KeyboardInterrupt()]
    status, output = run("--watch")
    assert (status, output.count("NODE"), output.count("\n\n")) == (130, 2, 3)
    # Each table under the time at which it was asked for.
    assert len(re.findall(r"(?m)^20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ$", output)) == 4
    assert capsys.readouterr().err == "dbhandler-status: away\n"


def test_a_terminal_is_cleared_between_two_tables(answers: list[object]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    answers += [[READY], [READY], KeyboardInterrupt()]
    output = run("--watch", "1", out=Terminal())[1]
    assert len(re.findall(re.escape(status_cli.CLEAR) + r"[-\d]+ [:\d]+Z\nNODE", output)) == 2
    answers += [[READY], KeyboardInterrupt()]
    assert status_cli.CLEAR not in run("--watch", "--json", out=Terminal())[1]


@pytest.mark.parametrize("argv", [["--watch", "x"], ["--watch", "0"], ["--watch", "nan"], ["extra"], ["--js"]])
def test_wrong_usage_is_a_sentence_and_64(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*argv)
    assert ended.value.code == os.EX_USAGE
    assert capsys.readouterr().err.count("\n") == 1


def test_a_wrong_address_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--rpc-addr", "host:port")[0] == os.EX_USAGE
    assert (
        "--rpc-addr has to be host[:port],… with IPv6 addresses in brackets, not 'host:port'" in capsys.readouterr().err
    )


def test_why_the_own_serf_agent_is_away_is_told(
    answers: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SerfPresence(tmp_path).note_end("it has ended")
    for argv, expected in (([], True), (["--rpc-addr", "elsewhere:1"], False)):
        answers.append(Unavailable("no Serf agent answers"))
        assert status_cli.main(argv, {"DBHANDLER_RUN_DIR": str(tmp_path)}, io.StringIO()) == os.EX_UNAVAILABLE
        assert capsys.readouterr().err.endswith("answers; it has ended\n") is expected
