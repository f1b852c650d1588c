"""Whom to trust: a secret is never quoted, and a slip never means that everybody is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.errors import ConfigError
from dbhandler.settings.config import Config
from dbhandler.settings.pool import pool_secrets, trusted_pools
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
