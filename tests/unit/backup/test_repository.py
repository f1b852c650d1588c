"""The parts around a repository that need no restic: variables, locations, tags, and what restic tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.backup.passing import passes, passwords_in, place, secrets_of
from dbhandler.backup.repository import Repository
from dbhandler.backup.snapshot import Snapshot, as_snapshot, encode_tags, parse, summary
from dbhandler.errors import DbHandlerError

ENTRY = {"id": "ab" * 32, "time": "2026-01-02T04:04:05.123456789+01:00", "paths": ["/x"], "hostname": "dbhandler"}


@pytest.mark.parametrize(
    "name",
    [
        "RESTIC_REPOSITORY",
        "RESTIC_COMPRESSION",
        "RESTIC_REST_PASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "B2_ACCOUNT_KEY",
        "AZURE_ACCOUNT_NAME",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "OS_AUTH_URL",
        "ST_KEY",
        "RCLONE_CONFIG_X_TYPE",
        "HTTPS_PROXY",
        "http_proxy",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "HOME",
        "PATH",
        "SSH_AUTH_SOCK",
        "TMPDIR",
    ],
)
def test_what_restic_needs_is_handed_on(name: str) -> None:
    assert passes(name)


@pytest.mark.parametrize(
    "name",
    [
        "RESTIC_PASSWORD",
        "RESTIC_PASSWORD_FILE",
        "RESTIC_PASSWORD_COMMAND",
        "RESTIC_REPOSITORY_FILE",
        "RESTIC_FROM_PASSWORD",
        "RESTIC_KEY_HINT",
        "DBHANDLER_SECRET",
        "MARIADB_ROOT_PASSWORD",
        "LD_PRELOAD",
        "PATHS",
        "MY_AWS_KEY",
        "AWS_",
        "HOME\n",
    ],
)
def test_whatever_else_is_not(name: str) -> None:
    assert not passes(name)


@pytest.mark.parametrize(
    ("location", "shown", "passwords"),
    [
        ("/backup", "/backup", set()),
        ("s3:https://store.example/bucket", "s3:https://store.example/bucket", set()),
        ("sftp://me@host:22//srv", "sftp://me@host:22//srv", set()),
        ("sftp:me@host:/srv", "sftp:me@host:/srv", set()),
        ("rest:https://me:geheim@host:8000/x", "rest:https://me:***@host:8000/x", {"geheim"}),
        ("rest:https://me:ge@heim@host/x", "rest:https://me:***@host/x", {"ge@heim"}),
        ("rest:https://:geheim@host/x", "rest:https://:***@host/x", {"geheim"}),
        ("rest:http://host:8000/a@b", "rest:http://host:8000/a@b", set()),
    ],
)
def test_a_location_is_shown_without_its_password(location: str, shown: str, passwords: set[str]) -> None:
    assert place(location) == shown
    assert passwords_in(location) == passwords


def test_secrets_are_known_by_their_names() -> None:
    secret = {"AWS_SECRET_ACCESS_KEY": "value-1", "MYSQL_PWD": "value-2", "RCLONE_CONFIG_X_PASS": "value-3"}
    assert secrets_of(secret | {"AWS_DEFAULT_REGION": "here", "PATH": "/bin"}) == set(secret.values())


def test_tags_come_back_as_they_were() -> None:
    tags = {"kind": "base", "position": "0-1-2=3", "name": "Bücher 2"}
    assert as_snapshot(ENTRY | {"tags": encode_tags(tags)}).tags == tags


@given(st.dictionaries(st.text("ab=,- \n", min_size=1), st.text("ab=,- \n")))
def test_tags_come_back_as_they_were_or_are_refused(tags: dict[str, str]) -> None:
    try:
        encoded = encode_tags(tags)
    except DbHandlerError:
        return
    assert as_snapshot(ENTRY | {"tags": encoded}).tags == tags
    assert not any("," in tag or tag != tag.strip() for tag in encoded)


@pytest.mark.parametrize("tags", [{"a": "b,c"}, {"a,b": "c"}, {"a=b": "c"}, {"a": ""}, {"": "a"}, {"a": " b"}])
def test_a_tag_that_restic_would_change_is_refused(tags: dict[str, str]) -> None:
    with pytest.raises(DbHandlerError, match="cannot have the tag"):
        encode_tags(tags)


def test_a_snapshots_time_is_utc_whatever_zone_it_was_made_in() -> None:
    made = as_snapshot(ENTRY | {"tags": None, "summary": {"total_bytes_processed": 7}})
    assert made == Snapshot("ab" * 32, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), {}, ("/x",), 7)
    assert as_snapshot(ENTRY).size is None


def test_the_summary_is_found_behind_other_lines() -> None:
    told = {"message_type": "summary", "snapshot_id": "cd" * 32}
    output = b'{"message_type":"status"}\n' + json.dumps(told).encode() + b"\n"
    assert summary(output) == told


@pytest.mark.parametrize("output", [b"", b'{"message_type":"summary"}', b"[]", b'{"snapshot_id":"--x"}'])
def test_without_an_id_nothing_was_made(output: bytes) -> None:
    with pytest.raises(DbHandlerError, match="not told"):
        summary(output)


def test_an_answer_that_is_none_is_told() -> None:
    assert parse(b"") is None
    with pytest.raises(DbHandlerError, match="no JSON"):
        parse(b"{")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-x", "a b", "x" * 201])
def test_a_name_that_is_no_file_is_refused_before_anything_starts(tmp_path: Path, name: str) -> None:
    with pytest.raises(DbHandlerError, match="cannot be called"):
        Repository(str(tmp_path), ("secret",), tmp_path, {}).save_output(("true",), name, {})
