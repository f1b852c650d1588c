"""The official images' variables, and what they ask of a first start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.errors import ConfigError
from dbhandler.first_start.official import (
    FirstStart,
    Root,
    Source,
    User,
    complaint,
    first_start,
    for_scripts,
    root_password,
)

NOTHING = FirstStart(None, (), None, None, None)


def test_nothing_is_asked_for_by_default() -> None:
    assert first_start({"PATH": "/bin", "MYSQL_ADMIN_PASSWORD": "x"}) == NOTHING
    assert not NOTHING.asks_for_something


@pytest.mark.parametrize(
    ("environ", "root"),
    [
        ({"MYSQL_ROOT_PASSWORD": "a"}, Root("%", "a")),
        ({"MARIADB_ROOT_PASSWORD": "b", "MYSQL_ROOT_PASSWORD": "a"}, Root("%", "b")),
        ({"MYSQL_ROOT_PASSWORD": "a", "MYSQL_ROOT_HOST": "localhost"}, Root("localhost", "a")),
        ({"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": "0"}, Root("%", "")),
        ({"MYSQL_ALLOW_EMPTY_PASSWORD": "yes"}, Root("%", "")),
        ({"MYSQL_ALLOW_EMPTY_PASSWORD": "yes", "MYSQL_ROOT_PASSWORD": "a"}, Root("%", "a")),
        ({"MYSQL_RANDOM_ROOT_PASSWORD": "1"}, Root("%", random=True)),
        ({"MYSQL_RANDOM_ROOT_PASSWORD": "1", "MYSQL_ROOT_PASSWORD": "a"}, Root("%", random=True)),
        ({"MARIADB_ROOT_PASSWORD_HASH": "*H"}, Root("%", password_hash="*H")),
        ({"MYSQL_ROOT_PASSWORD": "a", "MYSQL_ONETIME_PASSWORD": "1"}, Root("%", "a", expired=True)),
    ],
)
def test_how_root_logs_in(environ: dict[str, str], root: Root) -> None:
    made = first_start(environ)
    assert made.root == root
    assert made.asks_for_something


@pytest.mark.parametrize(
    "other", ["MARIADB_ROOT_PASSWORD", "MYSQL_RANDOM_ROOT_PASSWORD", "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD"]
)
def test_a_hash_excludes_other_ways(other: str) -> None:
    with pytest.raises(ConfigError, match="MARIADB_ROOT_PASSWORD_HASH excludes"):
        first_start({"MARIADB_ROOT_PASSWORD_HASH": "*H", other: "x"})


@pytest.mark.parametrize(
    ("environ", "user"),
    [
        ({"MYSQL_USER": "u", "MYSQL_PASSWORD": "p"}, User("u", "%", "p")),
        ({"MYSQL_USER": "u", "MARIADB_PASSWORD": "p", "MARIADB_USER_HOST": "10.%"}, User("u", "10.%", "p")),
        ({"MARIADB_USER": "u", "MARIADB_PASSWORD_HASH": "*H"}, User("u", "%", password_hash="*H")),
    ],
)
def test_a_user(environ: dict[str, str], user: User) -> None:
    made = first_start(environ)
    assert (made.user, made.warnings) == (user, ())


@pytest.mark.parametrize(
    ("environ", "missing"),
    [({"MYSQL_USER": "u"}, "MYSQL_PASSWORD"), ({"MYSQL_PASSWORD": "p"}, "MYSQL_USER")],
)
def test_half_a_user_is_a_warning(environ: dict[str, str], missing: str) -> None:
    made = first_start(environ)
    assert made.user is None
    assert made.warnings == (f"{missing} is missing beside its counterpart: no user is made",)


def test_a_user_s_password_and_its_hash_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="MARIADB_PASSWORD_HASH and MARIADB_PASSWORD exclude each other"):
        first_start({"MYSQL_USER": "u", "MYSQL_PASSWORD": "p", "MARIADB_PASSWORD_HASH": "*H"})


@pytest.mark.parametrize(
    "environ",
    [
        {"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": ""},
        {"MYSQL_RANDOM_ROOT_PASSWORD": "", "MYSQL_DATABASE": "d"},
        {"MYSQL_ROOT_PASSWORD_FILE": "/dev/null"},
        {"MYSQL_ROOT_PASSWORD": "", "MARIADB_ROOT_PASSWORD_HASH": ""},
    ],
)
def test_a_way_to_log_in_that_is_set_to_nothing_is_a_typing_mistake(environ: dict[str, str]) -> None:
    found = complaint(environ)
    assert found and re.match(r"(MARIADB|MYSQL)_\w+ is set to nothing", found)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"MYSQL_DATABASE": ""},
        {"MYSQL_ALLOW_EMPTY_PASSWORD": "", "MARIADB_ROOT_PASSWORD": "x"},
        {"MYSQL_ROOT_PASSWORD": "", "MYSQL_ADMIN_PASSWORD": "x"},
        {"MYSQL_ROOT_PASSWORD": "", "DBHANDLER_ADMIN": "1"},
    ],
)
def test_who_has_another_way_or_asks_for_our_admin_has_made_none(environ: dict[str, str]) -> None:
    assert complaint(environ) is None


def test_what_else_is_asked_for() -> None:
    made = first_start({"MARIADB_HEALTHCHECK_GRANTS": "REPLICA MONITOR, PROCESS", "MYSQL_INITDB_SKIP_TZINFO": "1"})
    assert (made.health, made.zones, made.asks_for_something) == ("REPLICA MONITOR, PROCESS", False, True)
    assert first_start({"MARIADB_INITDB_SKIP_TZINFO": ""}) == NOTHING
    assert first_start({"MARIADB_MYSQL_LOCALHOST_USER": "1"}) == NOTHING
    [warning] = first_start({"MARIADB_MYSQL_LOCALHOST_GRANTS": "RELOAD"}).warnings
    assert "mysql@localhost" in warning


@pytest.mark.parametrize("wrong", ["USAGE ON *.* TO x; DROP TABLE y", "A,,B", "A;", "`A`", "A\nB"])
def test_privileges_are_words(wrong: str) -> None:
    with pytest.raises(ConfigError, match="MARIADB_HEALTHCHECK_GRANTS has to be privileges"):
        first_start({"MARIADB_HEALTHCHECK_GRANTS": wrong})


@pytest.mark.parametrize("prefix", ["MARIADB", "MYSQL"])
def test_both_ends_of_a_replication(prefix: str) -> None:
    def of(**named: str) -> FirstStart:
        return first_start({f"{prefix}_{name}": value for name, value in named.items()})

    source = of(REPLICATION_USER="r", REPLICATION_PASSWORD="p")
    assert (source.replica, source.source) == (User("r", "%", "p"), None)
    assert of(REPLICATION_USER="r", REPLICATION_PASSWORD_HASH="*H").replica == User("r", "%", None, "*H")
    replica = of(REPLICATION_USER="r", REPLICATION_PASSWORD="p", MASTER_HOST="db1")
    assert (replica.replica, replica.source) == (None, Source("db1", 3306, "r", "p"))
    assert of(REPLICATION_USER="r", REPLICATION_PASSWORD="p", MASTER_HOST="::1", MASTER_PORT="7").source == Source(
        "::1", 7, "r", "p"
    )
    assert "hunter2" not in repr(of(REPLICATION_USER="r", REPLICATION_PASSWORD="hunter2", MASTER_HOST="db1"))


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("REPLICATION_PASSWORD", "REPLICATION_USER is missing"),
        ("MASTER_HOST", "REPLICATION_USER is missing"),
        ("REPLICATION_USER", "needs MARIADB_REPLICATION_PASSWORD or"),
        ("REPLICATION_USER REPLICATION_PASSWORD REPLICATION_PASSWORD_HASH", "one of them"),
        ("REPLICATION_USER MASTER_HOST", "MASTER_HOST needs MARIADB_REPLICATION_PASSWORD"),
        ("REPLICATION_USER MASTER_HOST REPLICATION_PASSWORD_HASH", "not with its hash"),
        ("REPLICATION_USER MASTER_HOST REPLICATION_PASSWORD REPLICATION_PASSWORD_HASH", "not with its hash"),
        ("REPLICATION_USER REPLICATION_PASSWORD MASTER_PORT", "MASTER_PORT needs MARIADB_MASTER_HOST"),
        ("REPLICATION_USER REPLICATION_PASSWORD MASTER_HOST MASTER_PORT", "from 1 to 65535, not 'x'"),
    ],
)
def test_half_a_replication_is_none(named: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        first_start({f"MARIADB_{name}": "x" for name in named.split()})


def test_a_source_is_a_host_and_an_account_of_its_own() -> None:
    environ = {"MARIADB_REPLICATION_USER": "r", "MARIADB_REPLICATION_PASSWORD": "p", "MARIADB_MASTER_HOST": "a b"}
    with pytest.raises(ConfigError, match="MARIADB_MASTER_HOST has to be a host name"):
        first_start(environ)
    with pytest.raises(ConfigError, match="not 'root'"):
        first_start(environ | {"MARIADB_REPLICATION_USER": "Root"})


def test_root_is_no_regular_user() -> None:
    with pytest.raises(ConfigError, match="not for 'root'"):
        first_start({"MYSQL_USER": "Root", "MYSQL_PASSWORD": "p"})


def test_several_databases_and_how_they_are_made() -> None:
    environ = {"MYSQL_DATABASE": "a b", "MYSQL_DATABASES": " x  y x ", "MARIADB_CHARACTER_SET": "latin1"}
    made = first_start(environ | {"MYSQL_COLLATE": "latin1_bin"})
    # The official variable names one database, whatever is in the name.
    assert made.databases == ("a b", "x", "y")
    assert (made.charset, made.collation) == ("latin1", "latin1_bin")


def test_a_value_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("p'w\n")
    environ = {"MYSQL_ROOT_PASSWORD_FILE": str(tmp_path / "secret")}
    made = first_start(environ)
    assert made.root == Root("%", "p'w")
    assert root_password(environ) == "p'w"
    with pytest.raises(ConfigError, match=r"Both MYSQL_ROOT_PASSWORD and MYSQL_ROOT_PASSWORD_FILE are set"):
        first_start(environ | {"MYSQL_ROOT_PASSWORD": "x"})


def test_scripts_find_the_values_under_both_names(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s\n")
    found = for_scripts({"MYSQL_DATABASE": "d", "MARIADB_PASSWORD_FILE": str(tmp_path / "secret"), "OTHER": "x"})
    assert found == {"MYSQL_DATABASE": "d", "MARIADB_DATABASE": "d", "MYSQL_PASSWORD": "s", "MARIADB_PASSWORD": "s"}


@given(password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_no_password_is_shown(password: str) -> None:
    made = first_start({"MYSQL_ROOT_PASSWORD": password, "MYSQL_USER": "u", "MYSQL_PASSWORD": password})
    assert made.root and made.root.password == password
    assert repr(made) == repr(first_start({"MYSQL_ROOT_PASSWORD": "x", "MYSQL_USER": "u", "MYSQL_PASSWORD": "x"}))
