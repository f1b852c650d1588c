"""Whom to trust: a secret is never quoted, and a slip never means that everybody is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.errors import ConfigError
from dbhandler.settings.config import Config
from dbhandler.settings.pool import DirectorySettings, directory_settings, pool_secrets, trusted_pools
from dbhandler.settings.setting import Reader
from dbhandler.trust.pool import Pool
from dbhandler.trust.secret import parse

NEW, OLD = "B" * 42 + "E", "C" * 42 + "I"
BOTH = Pool((*parse(NEW), *parse(OLD)))


def test_without_a_setting_there_is_no_pool() -> None:
    for environ in ({}, {"DBHANDLER_POOL": "", "DBHANDLER_POOL_SECRET": ""}):
        assert (pool_secrets(environ), trusted_pools(environ)) == ((), ())


def test_secrets_come_from_the_variable_or_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{NEW}\n{OLD}\n")
    assert pool_secrets({"DBHANDLER_POOL_SECRET": f"{NEW} {OLD}"}) == BOTH.secrets
    assert pool_secrets({"DBHANDLER_POOL_SECRET_FILE": str(tmp_path / "secret")}) == BOTH.secrets


@pytest.mark.parametrize("text", [" ", "hunter2", f"{NEW} hunter2", f"{NEW} {NEW}", f"{NEW},{OLD}", NEW[:-1]])
def test_a_wrong_secret_is_refused_without_being_quoted(text: str) -> None:
    for read in (pool_secrets, trusted_pools):
        with pytest.raises(ConfigError, match=r"^DBHANDLER_POOL_SECRET is wrong: ") as caught:
            read({"DBHANDLER_POOL_SECRET": text})
        assert "hunter2" not in str(caught.value) and NEW[:-1] not in str(caught.value)


def test_who_knows_the_secret_believes_all_of_its_pools() -> None:
    assert trusted_pools({"DBHANDLER_POOL_SECRET": f"{NEW} {OLD}"}) == BOTH.ids


def test_what_is_named_counts_more_than_the_secret() -> None:
    environ = {"DBHANDLER_POOL": BOTH.ids[1], "DBHANDLER_POOL_SECRET": NEW}
    assert trusted_pools(environ) == (BOTH.ids[1],)
    assert trusted_pools({"DBHANDLER_POOL": f" {BOTH.ids[1]}\n{BOTH.id} "}) == BOTH.ids[::-1]


@pytest.mark.parametrize("text", [" ", "\n", "hunter2", f"{BOTH.id}=", BOTH.id[:-1], f"{BOTH.id},{BOTH.id}", "ü" * 43])
def test_a_wrong_id_is_refused_and_never_means_everybody(text: str) -> None:
    for environ in ({"DBHANDLER_POOL": text}, {"DBHANDLER_POOL": text, "DBHANDLER_POOL_SECRET": NEW}):
        with pytest.raises(ConfigError, match=r"^DBHANDLER_POOL has to be the id of a pool") as caught:
            trusted_pools(environ)
        assert str(caught.value).isprintable()


def test_one_wrong_id_among_good_ones_is_refused() -> None:
    with pytest.raises(ConfigError, match="not 'x'"):
        trusted_pools({"DBHANDLER_POOL": f"{BOTH.id} x"})


def test_a_server_s_settings_hold_the_secrets_and_never_show_them() -> None:
    config = Config.from_environ({"DBHANDLER_ENGINE": "mariadb", "DBHANDLER_POOL_SECRET": NEW})
    assert config.pool_secrets == parse(NEW)
    assert repr(parse(NEW)[0]) not in repr(config) and "pool_secrets" not in repr(config)
    with pytest.raises(ConfigError, match="DBHANDLER_POOL_SECRET is wrong"):
        Config.from_environ({"DBHANDLER_ENGINE": "mariadb", "DBHANDLER_POOL_SECRET": "hunter2"})


# --- the directory ---


def directory(**environ: str) -> DirectorySettings | None:
    return directory_settings(Reader({"DBHANDLER_POOL_SECRET": NEW, **environ}))


def refused(**environ: str) -> str:
    """The sentence with which a setting about the directory is refused."""
    with pytest.raises(ConfigError) as caught:
        directory(**environ)
    assert str(caught.value).isprintable() and NEW not in str(caught.value)
    return str(caught.value)


def test_a_pool_has_no_directory_unless_it_is_named() -> None:
    assert directory() is None
    assert directory(DBHANDLER_DIRECTORY="", DBHANDLER_LABELS="", DBHANDLER_MAX_BYTES="") is None
    assert directory_settings(Reader({})) is None
    assert Config.from_environ({"DBHANDLER_ENGINE": "mariadb", "DBHANDLER_POOL_SECRET": NEW}).directory is None


def test_the_directory_has_a_name_and_this_server_labels_and_a_limit(tmp_path: Path) -> None:
    assert directory(DBHANDLER_DIRECTORY="db1") == DirectorySettings("db1", frozenset(), 0)
    full = {"DBHANDLER_DIRECTORY": "db1", "DBHANDLER_LABELS": " ssd, eu,", "DBHANDLER_MAX_BYTES": "1000"}
    wanted = DirectorySettings("db1", frozenset({"ssd", "eu"}), 1000)
    assert directory(**full) == wanted
    environ = {"DBHANDLER_ENGINE": "mariadb", "DBHANDLER_POOL_SECRET": NEW, **full}
    assert Config.from_environ(environ).directory == wanted
    (tmp_path / "name").write_text("db1\n")
    assert directory(DBHANDLER_DIRECTORY_FILE=str(tmp_path / "name")) == DirectorySettings("db1")


@pytest.mark.parametrize("name", ["DBHANDLER_LABELS", "DBHANDLER_MAX_BYTES"])
def test_what_nobody_would_read_without_a_directory_is_refused(name: str, tmp_path: Path) -> None:
    sentence = (
        "DBHANDLER_LABELS and DBHANDLER_MAX_BYTES need DBHANDLER_DIRECTORY: without a directory nobody reads them"
    )
    assert refused(**{name: "5"}) == sentence
    assert refused(**{f"{name}_FILE": str(tmp_path / "missing")}) == sentence


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "x" * 129])
def test_a_directory_is_named_as_a_member_may_be(name: str) -> None:
    assert refused(DBHANDLER_DIRECTORY=name).startswith(
        "DBHANDLER_DIRECTORY has to be the name of a server or cluster of the pool, not '"
    )


def test_a_directory_needs_a_pool() -> None:
    sentence = "DBHANDLER_DIRECTORY needs DBHANDLER_POOL_SECRET: by it the servers of a pool know each other"
    # To believe a pool is not to be one of its servers.
    for more in ({}, {"DBHANDLER_POOL": BOTH.id}):
        assert refused(DBHANDLER_DIRECTORY="db1", DBHANDLER_POOL_SECRET="", **more) == sentence


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ("s d", "a label in DBHANDLER_LABELS has 1 to 32 letters, digits, '_', '.' and '-': 's d'"),
        ("engine=mysql", "a label in DBHANDLER_LABELS has 1 to 32 letters, digits, '_', '.' and '-': 'engine=mysql'"),
        (",".join(f"l{number}" for number in range(17)), "DBHANDLER_LABELS has at most 16 labels, this one 17"),
    ],
)
def test_a_wrong_label_is_a_sentence(labels: str, sentence: str) -> None:
    assert refused(DBHANDLER_DIRECTORY="db1", DBHANDLER_LABELS=labels) == sentence


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "1G", "x", str(2**60 + 1)])
def test_a_limit_is_a_number_of_bytes(value: str) -> None:
    sentence = f"DBHANDLER_MAX_BYTES has to be a whole number from 1 to {2**60}, not '{value}'"
    assert refused(DBHANDLER_DIRECTORY="db1", DBHANDLER_MAX_BYTES=value) == sentence


@pytest.mark.parametrize("user", ["dbhandler_directory", "Dbhandler_Directory"])
def test_the_directorys_account_is_not_the_administrators(user: str) -> None:
    with pytest.raises(ConfigError, match=r"^MYSQL_ADMIN_USER has to be .* none of .*dbhandler_directory, .* not "):
        Config.from_environ({"DBHANDLER_ENGINE": "mariadb", "MYSQL_ADMIN_USER": user})
