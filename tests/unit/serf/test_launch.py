"""How the Serf agent is started: no secret in its arguments or environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dbhandler.serf import launch as gossip

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


class Executed(Exception):
    """Stands for the program that replaces this process."""

    def __init__(self, arguments: list[str], environ: dict[str, str]) -> None:
        super().__init__(arguments)
        self.arguments, self.environ = arguments, environ


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    def execvpe(program: str, arguments: list[str], environ: dict[str, str]) -> None:
        if program.startswith("no-such"):
            raise FileNotFoundError(2, "No such file or directory", program)
        raise Executed(arguments, environ)

    monkeypatch.setattr(os, "execvpe", execvpe)
    return {"DBHANDLER_RUN_DIR": str(tmp_path / "run"), "KEPT": "yes"}


def started(environ: dict[str, str]) -> Executed:
    with pytest.raises(Executed) as caught:
        gossip.main([], environ)
    return caught.value


def configuration(tmp_path: Path) -> dict[str, object]:
    file = tmp_path / "run" / "serf.json"
    assert file.stat().st_mode & 0o777 == 0o600
    return dict(json.loads(file.read_text()))


def test_a_database_node_has_its_role_and_handlers(environ: dict[str, str], tmp_path: Path) -> None:
    executed = started(environ | {"SERF_NODE": "db1", "SERF_ADVERTISE": "10.0.0.1"})
    assert executed.arguments[:4] == [
        "dbhandler-serf-keeper",
        "serf",
        "agent",
        f"-config-file={tmp_path}/run/serf.json",
    ]
    for argument in (
        "-tag=role=db",
        "-event-handler=user:create_db=dbhandler-create",
        "-node=db1",
        "-advertise=10.0.0.1",
        "-bind=0.0.0.0:7946",
        "-rpc-addr=127.0.0.1:7373",
    ):
        assert argument in executed.arguments
    [queries] = [argument for argument in executed.arguments if argument.endswith("=dbhandler-query")]
    assert "query:create_db" in queries
    assert executed.environ["KEPT"] == "yes"


def test_the_handler_of_events_is_told_where_the_nodes_log_is(environ: dict[str, str]) -> None:
    assert started(environ).environ["DBHANDLER_LOG"] == f"/proc/{os.getppid()}/fd/2"


def test_serf_leaves_the_cluster_when_it_is_stopped(environ: dict[str, str], tmp_path: Path) -> None:
    started(environ)
    assert configuration(tmp_path) == {"leave_on_terminate": True, "log_level": "info"}


def test_keys_stand_in_the_private_file_and_nowhere_else(environ: dict[str, str], tmp_path: Path) -> None:
    secrets = {"SERF_ENCRYPT_KEY": KEY, "SERF_RPC_AUTH": "hunter2", "MYSQL_ADMIN_PASSWORD": "hunter2"}
    copies = {f"OTHER_ENV_{name}": value for name, value in secrets.items()}
    executed = started(environ | secrets | copies)
    content = configuration(tmp_path)
    assert content["rpc_auth"] == "hunter2"
    assert json.loads(Path(str(content["keyring_file"])).read_text()) == [KEY]
    assert not [text for text in ("hunter2", KEY) if text in str((executed.arguments, executed.environ))]


def test_beside_a_database_joining_is_the_agents_matter(environ: dict[str, str], tmp_path: Path) -> None:
    # The agent asks for missed events when it joins again, which Serf's own retry cannot.
    started(environ | {"SERF_JOIN": "a"})
    assert "retry_join" not in configuration(tmp_path)


def test_a_serf_agent_alone_joins_by_itself_and_takes_arguments(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(Executed) as caught:
        gossip.plain_agent(["-tag=x=y"], environ | {"SERF_JOIN": "a,b:1"})
    assert caught.value.arguments[:4] == ["dbhandler-serf-keeper", "--alone", "serf", "agent"]
    assert caught.value.arguments[-2:] == ["-tag=role=serf-agent", "-tag=x=y"]
    assert configuration(tmp_path)["retry_join"] == ["a:7946", "b:1"]


def test_a_serf_agent_alone_says_why_its_rpc_is_closed(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Executed):
        gossip.plain_agent([], environ)
    assert "set SERF_RPC_AUTH" in capsys.readouterr().err
    with pytest.raises(Executed) as caught:
        gossip.plain_agent([], environ | {"SERF_RPC_AUTH": "key"})
    assert capsys.readouterr().err == ""
    assert "-rpc-addr=0.0.0.0:7373" in caught.value.arguments


def test_another_command_runs_instead(environ: dict[str, str]) -> None:
    with pytest.raises(Executed) as caught:
        gossip.plain_agent(["serf", "members"], environ)
    assert caught.value.arguments == ["serf", "members"]


def test_a_command_that_does_not_exist_is_told_in_one_line(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert gossip.plain_agent(["no-such-command"], environ) != 0
    assert capsys.readouterr().err.endswith("[ERROR] [dbhandler]: 'no-such-command': No such file or directory\n")


def test_a_wrong_setting_stops_the_start(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert gossip.main([], environ | {"SERF_ENCRYPT_KEY": "hunter2"}) == os.EX_CONFIG
    error = capsys.readouterr().err
    assert "serf cannot start: SERF_ENCRYPT_KEY has to be" in error
    assert "hunter2" not in error


def test_several_gossip_keys_are_understood_and_the_first_is_sent_with(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring"
    gossip.write_keyring(keyring, [KEY, "other"])
    assert json.loads(keyring.read_text()) == [KEY, "other"]
    assert keyring.stat().st_mode & 0o777 == 0o600


def test_what_serf_has_made_of_its_keys_stays_while_the_settings_are_in_it(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring"
    keyring.write_text(json.dumps(["new", KEY]))
    gossip.write_keyring(keyring, [KEY])
    assert json.loads(keyring.read_text()) == ["new", KEY]
    gossip.write_keyring(keyring, ["third"])
    assert json.loads(keyring.read_text()) == ["third"]
    keyring.write_text("damaged")
    gossip.write_keyring(keyring, [KEY])
    assert json.loads(keyring.read_text()) == [KEY]


def test_without_a_key_there_is_no_keyring(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring"
    keyring.write_text(json.dumps([KEY]))
    gossip.write_keyring(keyring, [])
    assert not keyring.exists()
