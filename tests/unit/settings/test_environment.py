"""A container's whole environment: typing mistakes, files, secrets; and the table of all settings."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dbhandler.errors import ConfigError
from dbhandler.handlers import create
from dbhandler.settings.config import Config
from dbhandler.settings.environment import hand_over_secrets, prepared, secrets_of, without_secrets
from dbhandler.settings.names import GIVEN, INTERNAL, KNOWN, SECRETS, SPENT_SECRETS
from dbhandler.settings.setting import read_setting

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "dbhandler"
CODE = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}

LINKED = {
    f"{alias}_{name}": value
    for alias in ("SERF_AGENT", "DBHANDLER", "SERF", "DBHANDLER_1", "MYSQL", "MYSQL_MASTER", "MARIADB_ROOT")
    for name, value in {
        "NAME": "/db/serf_agent",
        "PORT": "tcp://172.17.0.2:3306",
        "PORT_7946_TCP": "tcp://172.17.0.2:7946",
        "PORT_7946_TCP_ADDR": "172.17.0.2",
        "PORT_7946_UDP_PROTO": "udp",
        "PORT_3306_TCP_PORT_START": "3306",
        "ENV_SERF_ENCRYPT_KEY": "k",
        "ENV_GREETING": "two\nlines",
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "3306",
        "SERVICE_PORT_MYSQL": "3306",
    }.items()
}
"""What `docker run --link` and Kubernetes set, for aliases that look like ours."""


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("DBHANDLER_MAX_DATABSES", "DBHANDLER_MAX_DATABASES"),
        ("DBHANDLER_TRASH_DAY", "DBHANDLER_TRASH_DAYS"),
        ("DBHANDLER_ALLOWDROP", "DBHANDLER_ALLOW_DROP"),
        ("dbhandler_adopt", "DBHANDLER_ADOPT"),
        ("DBHANDER_MAX_DATABASES", "DBHANDLER_MAX_DATABASES"),
        ("SERF_JION", "SERF_JOIN"),
        ("SERF_ENCRYPTKEY_FILE", "SERF_ENCRYPT_KEY_FILE"),
        ("MYSQL_ROOT_PASSWROD", "MYSQL_ROOT_PASSWORD"),
        ("MARIADB_DATABSE", "MARIADB_DATABASE"),
    ],
)
def test_a_typing_mistake_is_told_with_the_nearest_name(wrong: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prepared({wrong: "hunter2", "PATH": "/bin"}, database=True)
    assert str(caught.value) == f"{wrong} is no setting: is {meant} meant?"


def test_a_name_like_no_other_is_told_and_all_of_them_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        prepared({"SERF_ZZZZZZZ": "", "SERF_JION": "x"})
    assert str(caught.value) == (
        "SERF_JION is no setting: is SERF_JOIN meant?; "
        "SERF_ZZZZZZZ is no setting (docs/reference/settings.md lists them all)"
    )


@pytest.mark.parametrize("name", sorted(INTERNAL))
def test_what_our_programs_tell_each_other_is_never_a_file(name: str) -> None:
    if f"{name}_FILE" not in INTERNAL:
        with pytest.raises(ConfigError, match=f"^{name}_FILE is no setting"):
            prepared({f"{name}_FILE": "/dev/null"})


@pytest.mark.parametrize(
    "name",
    ["REPLICATION_MODE", "MASTER_ROOT_PASSWORD_FILE", "MASTER_PORT_NUMBER", "INITDB_ARGS"],
)
def test_what_other_images_take_stops_the_database_only(name: str) -> None:
    for prefix in ("MARIADB", "MYSQL"):
        environ = {f"{prefix}_{name}": "x"}
        with pytest.raises(ConfigError, match=f"^{prefix}_{name} is not taken here"):
            prepared(environ, database=True)
        assert prepared(environ) == environ
        # Compose files set variables to nothing.
        assert prepared({f"{prefix}_{name}": ""}, database=True)


def test_others_variables_stop_nothing() -> None:
    clients = ("MYSQL_HOST", "MYSQL_PWD", "MYSQL_TCP_PORT", "MARIADB_VERSION", "MYSQL_MAJOR", "MYSQL_UNIX_PORT",
               "MYSQL_HOME", "MYSQL_TEST_LOGIN_FILE", "MYSQL_SHELL_VERSION", "MARIADB_TLS_DISABLE_PEER_VERIFICATION",
               "MYSQL_PS1", "MYSQL_HISTFILE", "SERFDOM", "DBHANDLERS", "HOME", "LD_PRELOAD", "DB_HOST")  # fmt: skip
    environ = LINKED | dict.fromkeys(clients, "x")
    assert prepared(environ, database=True) == environ


def test_serfs_handlers_have_serfs_variables() -> None:
    environ = {"SERF_EVENT": "user", "SERF_USER_LTIME": "1", "SERF_TAG_ROLE": "db", "SERF_SELF_NAME": "a"}
    assert prepared(environ) == environ
    with pytest.raises(ConfigError, match="SERF_TAG_ROLE is no setting"):
        prepared({"SERF_TAG_ROLE": "db"})


@pytest.mark.parametrize("name", sorted(GIVEN - {*SECRETS, *SPENT_SECRETS}))
def test_every_setting_may_be_given_as_a_file_and_is_a_value_from_then_on(name: str, tmp_path: Path) -> None:
    (tmp_path / "value").write_text("5\n")
    assert prepared({f"{name}_FILE": str(tmp_path / "value"), "A": "b"}, database=True) == {name: "5", "A": "b"}
    with pytest.raises(ConfigError, match=f"Both {name} and {name}_FILE are set"):
        prepared({f"{name}_FILE": str(tmp_path / "value"), name: "5"})


@pytest.mark.parametrize("name", [*SECRETS, *SPENT_SECRETS])
def test_secrets_and_the_copies_that_dockers_links_make_are_dropped(name: str) -> None:
    others = {"OTHER": "kept", f"{name}_FILE": "/run/secrets/x", f"WORDPRESS_{name}": "an application's own"}
    environ = {name: "hunter2", f"SERF_AGENT_ENV_{name}": "hunter2", f"DB_1_ENV_{name}": "hunter2"} | others
    assert without_secrets(environ) == others
    assert secrets_of(environ | {f"{name}_FILE": ""}) == {name: "hunter2"}
    assert prepared({f"{name}_FILE": "/run/secrets/x"}) == {f"{name}_FILE": "/run/secrets/x"}


def test_handing_over_twice_is_fine(tmp_path: Path) -> None:
    # The same container, started again.
    for value in ("old", "new"):
        handed = hand_over_secrets({"SERF_RPC_AUTH": value}, tmp_path / "secrets")
        assert Path(handed["SERF_RPC_AUTH_FILE"]).read_text() == value


# --- the table ---


def test_whoever_forgets_the_table_learns_it() -> None:
    with pytest.raises(LookupError, match=r"DBHANDLER_NEW is missing in settings/names\.py"):
        read_setting({}, "DBHANDLER_NEW")


def test_every_name_in_the_code_is_in_the_table_and_every_name_in_the_table_is_read() -> None:
    mentioned = {name for text in CODE.values() for name in re.findall(r'"((?:DBHANDLER|SERF)_[A-Z_]+)"', text)}
    foreign = {"SERF_EVENT", "SERF_QUERY_NAME", "SERF_USER_LTIME"}
    assert not mentioned - KNOWN - foreign
    elsewhere = "".join(
        text for name, text in CODE.items() if name not in ("settings/names.py", "settings/environment.py")
    )
    elsewhere += (ROOT / "container/supervisord.conf").read_text()
    elsewhere += (ROOT / "dbhandler/first_start/initdb.bash").read_text()
    unread = {name for name in KNOWN if name not in elsewhere and f'"{name.partition("_")[2]}"' not in elsewhere}
    # The account of that name is there anyway.
    assert unread == {"MARIADB_MYSQL_LOCALHOST_USER", "MYSQL_MYSQL_LOCALHOST_USER"}


def test_the_handler_reads_files_when_it_runs_by_hand(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "limit").write_text("0\n")
    (tmp_path / "form").write_text("json\n")
    environ = {"DBHANDLER_STATE_DIR": str(tmp_path), "DBHANDLER_RUN_DIR": str(tmp_path)}
    environ |= {"DBHANDLER_SPOOL_MAX_FILE": f"{tmp_path}/limit", "DBHANDLER_LOG_FORMAT_FILE": f"{tmp_path}/form"}
    (tmp_path / "spool").mkdir()
    with (tmp_path / "limit").open() as stdin:
        assert create.main([], environ, stdin.fileno()) == os.EX_TEMPFAIL
    assert '"message": "create_db not stored: 0 events wait already' in capfd.readouterr().err


def test_the_settings_of_the_examples_are_known() -> None:
    for path in (ROOT / "container").rglob("*.yaml"):
        names = set(re.findall(r"\b(?:DBHANDLER|SERF)_[A-Z_]+(?=: )", path.read_text()))
        prepared(dict.fromkeys(names, ""), database=True)


def test_a_config_reads_what_the_entry_point_hands_on(tmp_path: Path) -> None:
    (tmp_path / "value").write_text("7\n")
    environ = {f"{name}_FILE": str(tmp_path / "value") for name in ("DBHANDLER_SPOOL_MAX", "DBHANDLER_TRASH_DAYS")}
    config = Config.from_environ(prepared(environ | {"DBHANDLER_ENGINE": "mariadb"}))
    assert (config.spool_max, config.trash_days) == (7, 7)
