"""What it means that restic has failed, and that no error quotes a secret."""

from __future__ import annotations

import io
import json

import pytest

from dbhandler.backup.restic_failure import CommandFailed, Incomplete, NoRepository, Said, WrongPassword
from dbhandler.errors import DbHandlerError, Unavailable

PLACE = "s3:https://s3.example/x"


def said(*lines: str) -> Said:
    return Said(io.BytesIO("\n".join(lines).encode()), "backup", PLACE, ["hunter2", "hunter2-longer", "abc"])


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (10, NoRepository, f"there is no repository at {PLACE}"),
        (11, Unavailable, f"the repository {PLACE} is locked by somebody else"),
        (12, WrongPassword, f"the repository {PLACE} was made with another password"),
        (127, DbHandlerError, "restic is not installed"),
        (1, Unavailable, f"the repository {PLACE}: restic backup has failed: without a word"),
        (-15, Unavailable, f"the repository {PLACE}: restic backup has failed: without a word"),
    ],
)
def test_its_exit_status(status: int, kind: type[DbHandlerError], sentence: str) -> None:
    error = said().error(status, b"")
    assert (type(error), str(error)) == (kind, sentence)


def test_what_it_could_not_read_comes_with_what_it_wrote() -> None:
    error = said("open x: permission denied").error(3, b"output")
    assert isinstance(error, Incomplete) and error.output == b"output"
    assert str(error) == f"the repository {PLACE}: not all could be read: 'open x: permission denied'"


@pytest.mark.parametrize(
    ("lines", "kind", "reason"),
    [
        (["Fatal: unable to save: no space left"], Unavailable, "unable to save: no space left"),
        (["connection refused", "context canceled"], Unavailable, "connection refused"),
        (["no matching ID found"], DbHandlerError, "no matching ID found"),
        (["ciphertext verification failed"], DbHandlerError, "ciphertext verification failed"),
        ([json.dumps({"message_type": "exit_error", "message": "Fatal: full\nmore"})], Unavailable, "full"),
        ([json.dumps({"error": {"message": "read-only"}})], Unavailable, "read-only"),
        (["{", "[]"], Unavailable, "[]"),
        (["", "   "], Unavailable, None),
    ],
)
def test_its_reason(lines: list[str], kind: type[DbHandlerError], reason: str | None) -> None:
    error = said(*lines).error(1, b"")
    wanted = "without a word" if reason is None else f"'{reason}'"
    assert (type(error), str(error).partition("has failed: ")[2]) == (kind, wanted)


def test_the_command_that_failed_says_why() -> None:
    error = said("subprocess mariadb-dump: Got error: 1045", "Fatal: command failed: exit status 2").error(1, b"")
    assert isinstance(error, CommandFailed)
    assert str(error) == "what was to be saved has failed: 'mariadb-dump: Got error: 1045'"
    silent = said('Fatal: failed to start command: exec: "x": executable file not found').error(1, b"")
    assert isinstance(silent, CommandFailed) and "executable file not found" in str(silent)


def test_no_secret_is_quoted_and_no_line_forged() -> None:
    error = said("401 for hunter2-longer and hunter2 and abc\x1b[2J").error(1, b"")
    assert "'401 for *** and *** and abc" in str(error) and str(error).isprintable()


def test_one_that_was_late() -> None:
    error = said("dial tcp: i/o timeout").late(180.0)
    assert isinstance(error, Unavailable)
    assert str(error) == f"the repository {PLACE}: restic backup was not done after 180 s: 'dial tcp: i/o timeout'"
    assert str(said().late(2.4)).endswith("was not done after 2 s")


def test_a_bucket_that_is_not_there_is_looked_for_in_vain() -> None:
    assert isinstance(said("Stat: The specified bucket does not exist", "retrying").late(20.0), NoRepository)


def test_of_very_much_the_end_counts() -> None:
    assert "the end" in str(said("x" * 100_000, "the end").error(1, b""))
