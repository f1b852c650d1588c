"""Settings: each wrong one stops the start with one sentence that names the variable and no secret."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from dbhandler.errors import ConfigError
from dbhandler.settings.config import Config, MetricsSettings
from dbhandler.settings.names import AGENT, DATABASE, SECRETS
from dbhandler.settings.pool import Part
from dbhandler.settings.serf import serf_settings
from dbhandler.settings.setting import read_setting

KEY = base64.b64encode(bytes(32)).decode()
LINK = {"SERF_AGENT_PORT_7946_TCP_ADDR": "172.17.0.2", "SERF_AGENT_PORT_7946_TCP_PORT": "7946"}


def config(**environ: str) -> Config:
    return Config.from_environ({"DBHANDLER_ENGINE": "mariadb", **environ})


def refused(**environ: str) -> str:
    """The sentence with which settings are refused; it is one line and names the variable."""
    with pytest.raises(ConfigError) as caught:
        config(**environ)
    assert str(caught.value).isprintable()
    assert any(name.removesuffix("_FILE") in str(caught.value) for name in environ)
    return str(caught.value)


def test_the_defaults_are_those_of_the_image() -> None:
    defaults = config()
    assert (str(defaults.data_dir), str(defaults.state_dir)) == ("/var/lib/mysql", "/var/lib/dbhandler")
    assert str(defaults.socket) == "/run/dbhandler/mysqld.sock"
    assert (defaults.admin_user, defaults.admin_password) == ("admin", None)
    assert (defaults.serf.bind, defaults.serf.rpc_bind) == ("0.0.0.0:7946", "127.0.0.1:7373")
    assert (defaults.serf.join, defaults.serf.encrypt_keys, defaults.serf.rpc_auth) == ((), (), None)


def test_an_empty_variable_is_as_good_as_none() -> None:
    # Compose files set variables to nothing.
    assert config(MYSQL_ADMIN_PASSWORD="", MYSQL_ADMIN_USER="", SERF_JOIN="", DBHANDLER_NAME_PATTERN="") == config()


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_come_from_a_file_without_its_line_end(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f" {KEY} x\r\n")
    assert read_setting({f"{name}_FILE": str(tmp_path / "secret")}, name) == f" {KEY} x"


def test_an_empty_file_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    assert config(MYSQL_ADMIN_PASSWORD_FILE=str(tmp_path / "secret")).admin_password is None


# The repository's is no server's.
OURS = [name for name in SECRETS if name in DATABASE or name in AGENT]
"""A database has no use for the backup's."""


@pytest.mark.parametrize("name", [*OURS, "MYSQL_ADMIN_USER", "SERF_JOIN"])
def test_a_variable_and_its_file_exclude_each_other(name: str) -> None:
    sentence = refused(**{name: "hunter2", f"{name}_FILE": "/dev/null"})
    assert sentence == f"Both {name} and {name}_FILE are set (but are exclusive)"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert refused(MYSQL_ADMIN_PASSWORD_FILE=missing) == (
        f"MYSQL_ADMIN_PASSWORD_FILE={missing} cannot be read: No such file or directory"
    )
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "is not text" in refused(MYSQL_ADMIN_PASSWORD_FILE=str(tmp_path / "binary"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DBHANDLER_ENGINE", "postgres"),
        ("MYSQL_ADMIN_USER", "root"),
        ("MYSQL_ADMIN_USER", "MySQL"),
        ("MYSQL_ADMIN_USER", "dbhandler_Backup"),
        ("DBHANDLER_BINLOG", "on"),
        ("MYSQL_ADMIN_USER", "a'b"),
        ("MYSQL_ADMIN_USER", "a\n"),
        ("MYSQL_ADMIN_USER", "a" * 33),
        ("DBHANDLER_NAME_PATTERN", "[a-"),
        ("DBHANDLER_MAX_DATABASES", "many"),
        ("DBHANDLER_MAX_DATABASES", "-1"),
        ("DBHANDLER_MAX_DATABASES", "1.5"),
        ("DBHANDLER_MAX_DATABASES", "\N{SUPERSCRIPT TWO}"),
        ("DBHANDLER_QUOTA_BYTES", "-1"),
        ("DBHANDLER_QUOTA_BYTES", "5G"),
        ("DBHANDLER_MAX_USER_CONNECTIONS", "-1"),
        ("DBHANDLER_REQUIRE_SEALED", "yes"),
        ("DBHANDLER_ALLOW_DROP", "2"),
        ("DBHANDLER_ALLOW_RESTORE", "yes"),
        ("DBHANDLER_ADVERTISE_PORT", "65536"),
        ("DBHANDLER_ADVERTISE_PORT", "0"),
        ("DBHANDLER_REQUIRE_TLS", "yes"),
        ("DBHANDLER_TLS_NAMES", "a/b"),
        ("DBHANDLER_TLS_NAMES", "db,https://db"),
        ("DBHANDLER_TLS_NAMES", "*.example.org"),
        ("DBHANDLER_TLS_NAMES", "d\u00fc"),
        ("DBHANDLER_TLS_NAMES", "[fd00::7]"),
        ("DBHANDLER_METRICS", "9104"),
        ("DBHANDLER_METRICS", ":0"),
        ("DBHANDLER_METRICS", ":65536"),
        ("DBHANDLER_METRICS", ":" + "9" * 5000),
        ("DBHANDLER_METRICS", "host:"),
        ("DBHANDLER_METRICS", "fd00::7:9104"),
        ("DBHANDLER_METRICS", "a b:9104"),
        ("DBHANDLER_METRICS", ":9104\n"),
        ("SERF_JOIN", ":7946"),
        ("SERF_JOIN", "host:"),
        ("SERF_JOIN", "host:0"),
        ("SERF_JOIN", "host:99999"),
        ("SERF_JOIN", "fd00::7"),
        ("SERF_RPC_BIND", "0.0.0.0:7373"),
        ("SERF_RPC_BIND", "[::]:7373"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_name(name: str, value: str) -> None:
    assert refused(**{name: value}).startswith(name)


@pytest.mark.parametrize("key", ["hunter2hunter2", base64.b64encode(b"short").decode(), "pässword"])
def test_a_wrong_gossip_key_is_refused_without_being_quoted(key: str) -> None:
    sentence = refused(SERF_ENCRYPT_KEY=key)
    assert sentence.startswith("SERF_ENCRYPT_KEY")
    assert key not in sentence


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", None), (":9104", MetricsSettings("", 9104)), ("10.0.0.1:1", MetricsSettings("10.0.0.1", 1)),
        ("[fd00::7]:9104", MetricsSettings("fd00::7", 9104)), ("https://:9104", MetricsSettings("", 9104, tls=True)),
    ],
)  # fmt: skip
def test_metrics_are_off_unless_there_is_an_address(value: str, expected: MetricsSettings | None) -> None:
    assert config(DBHANDLER_METRICS=value).metrics == expected


def test_the_binary_log_is_on_where_there_may_be_a_backup(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("A" * 43)
    pooled = {"DBHANDLER_POOL_SECRET_FILE": str(tmp_path / "secret")}
    assert config().binlog is config(DBHANDLER_BINLOG="", DBHANDLER_POOL_SECRET="").binlog is None
    assert config(**pooled).binlog is config(**pooled, DBHANDLER_BINLOG="1").binlog is True
    assert config(**pooled, DBHANDLER_BINLOG="0").binlog is config(DBHANDLER_BINLOG="0").binlog is False


@pytest.mark.parametrize("prefix", ["MARIADB", "MYSQL"])
def test_source_and_replica_write_a_binary_log(prefix: str) -> None:
    source, replica = {f"{prefix}_REPLICATION_USER": "r"}, {f"{prefix}_MASTER_HOST": "db1"}
    assert (config(**source).part, config(**source).binlog) == (Part.SOURCE, True)
    assert (config(**source, **replica).part, config(**source, **replica).binlog) == (Part.REPLICA, True)
    assert config(**source, **replica, DBHANDLER_BINLOG="0").binlog is False
    with pytest.raises(ConfigError, match="DBHANDLER_BINLOG=0 excludes MARIADB_REPLICATION_USER"):
        config(**source, DBHANDLER_BINLOG="0")


@pytest.mark.parametrize(("other", "value"), [("DBHANDLER_CLUSTER", "shop"), ("DBHANDLER_RESTORE", "db@latest")])
def test_a_replica_has_the_data_of_its_source_and_no_others(other: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"MARIADB_MASTER_HOST and {other} exclude each other"):
        config(MARIADB_MASTER_HOST="db1", DBHANDLER_POOL_SECRET="A" * 43, **{other: value})


@pytest.mark.parametrize(
    ("upgrade", "disable", "made"),
    [(None, None, (False, True)), ("0", "0", (False, True)), ("1", "yes", (True, True)), ("yes", "1", (True, False))],
)
def test_an_upgrade_is_wanted_as_in_the_official_image(
    upgrade: str | None, disable: str | None, made: tuple[bool, bool]
) -> None:
    given = {"MARIADB_AUTO_UPGRADE": upgrade, "MARIADB_DISABLE_UPGRADE_BACKUP": disable}
    read = config(**{name: value for name, value in given.items() if value is not None})
    assert (read.auto_upgrade, read.upgrade_backup) == made


def test_what_to_join_may_be_written_in_several_ways() -> None:
    join = config(SERF_JOIN="a,b:1234 , [fd00::7],[fd00::8]:99 a:7946\nc").serf.join
    assert join == ("a:7946", "b:1234", "[fd00::7]:7946", "[fd00::8]:99", "c:7946")


def test_dockers_link_says_what_to_join_as_in_the_tutorial() -> None:
    assert config(**LINK).serf.join == ("172.17.0.2:7946",)
    assert config(SERF_JOIN="a", **LINK).serf.join == ("a:7946", "172.17.0.2:7946")
    assert config(SERF_AGENT_PORT_7946_TCP_ADDR="172.17.0.2").serf.join == ("172.17.0.2:7946",)


def test_rpc_opens_beyond_loopback_only_with_a_key() -> None:
    assert serf_settings({"SERF_RPC_AUTH": "key"}).rpc_bind == "127.0.0.1:7373"
    assert serf_settings({"SERF_RPC_AUTH": "key"}, serves_rpc=True).rpc_bind == "0.0.0.0:7373"
    assert serf_settings({}, serves_rpc=True).rpc_bind == "127.0.0.1:7373"
    assert serf_settings({"SERF_RPC_AUTH": "key", "SERF_RPC_BIND": "10.0.0.1:1"}).rpc_bind == "10.0.0.1:1"
    assert serf_settings({"SERF_RPC_BIND": "[::1]:1"}).rpc_bind == "[::1]:1"


def test_the_owners_rules_are_read() -> None:
    policy = config(
        DBHANDLER_NAME_PATTERN="app_.*",
        DBHANDLER_MAX_DATABASES="10",
        DBHANDLER_MAX_USER_CONNECTIONS="20",
        DBHANDLER_QUOTA_BYTES="0",
        DBHANDLER_REQUIRE_SEALED="1",
        DBHANDLER_ALLOW_DROP="0",
        DBHANDLER_ALLOW_RESTORE="1",
        MYSQL_ADMIN_USER="boss",
    ).policy
    assert policy.name_pattern.pattern == "app_.*"
    assert (policy.max_databases, policy.max_user_connections, policy.quota_bytes) == (10, 20, 0)
    assert (policy.require_sealed, policy.allow_drop, policy.allow_restore) == (True, False, True)
    assert policy.admin_user == "boss"


def test_tls_is_offered_and_not_demanded_unless_the_owner_says_so() -> None:
    assert config().policy.require_tls is False and config().tls_names == ()
    assert config(DBHANDLER_REQUIRE_TLS="1").policy.require_tls is True
    names = config(DBHANDLER_TLS_NAMES="db.example.org, fd00::7,10.0.0.7\nmy_db ,").tls_names
    assert names == ("db.example.org", "fd00::7", "10.0.0.7", "my_db")


def test_an_advertised_host_fits_into_the_tags_of_a_clusters_node() -> None:
    known = {"DBHANDLER_ENGINE": "mariadb", "DBHANDLER_ADVERTISE_HOST": "host." + "h" * 60}
    assert Config.from_environ(known).advertise_host
    with pytest.raises(ConfigError, match="at most 64 characters in a cluster"):
        Config.from_environ(known | {"DBHANDLER_CLUSTER": "shop"})
