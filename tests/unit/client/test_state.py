import base64
import fcntl
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.client.state import State, StateFile
from dbhandler.errors import DbHandlerError, TryLater

STATE = State("shop", "clerk", "secret password", key=base64.b64encode(bytes(32)).decode())


def test_a_state_comes_back_from_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "state.json"
    StateFile(path).save(STATE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert StateFile(path).load() == STATE


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "absent").load() is None
    assert StateFile(None).load() is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"database": 1}',
        '{"database": "a"}',
        '{"x": "y"}',
        "\x00",
        "[" * 100_000,
        '{"database": "a", "user": "a", "password": "\\ud800"}',
        '{"database": "a\\n", "user": "a", "password": "b"}',
        '{"database": "a", "user": "a", "password": "b", "key": "short"}',
        '{"database": "a", "user": "a", "password": "b", "role": "root"}',
        '{"database": "a", "user": "a", "password": "b", "changed": "1"}',
        '{"database": "a", "user": "a", "password": "b", "changed": -1}',
        '{"database": "a", "user": "a", "password": "b", "changed": true}',
        '{"database": "a", "user": "a", "password": "b", "changed": null}',
        '{"database": "a", "user": "a", "password": 1}',
    ],
)
def test_a_foreign_file_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state"
    path.write_text(content)
    with pytest.raises(DbHandlerError, match="not written by dbhandler-request"):
        StateFile(path).load()
    assert path.read_text() == content


def test_an_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DbHandlerError, match="cannot be written"):
        StateFile(tmp_path / "file" / "state").save(STATE)


def test_of_several_that_begin_at_once_one_counts(tmp_path: Path) -> None:
    path, start = tmp_path / "new folder" / "state.json", threading.Barrier(8)

    def begin(number: int) -> State:
        start.wait(10)
        return StateFile(path).save_first(State("shop", "shop", f"password {number}"))

    with ThreadPoolExecutor(8) as pool:
        counting = set(pool.map(begin, range(8)))
    assert counting == {StateFile(path).load()}
    assert list(path.parent.iterdir()) == [path]


def test_a_given_account_comes_back_with_its_role_and_age(tmp_path: Path) -> None:
    state = replace(STATE, role="writer", changed=1_800_000_000)
    StateFile(tmp_path / "state").save(state)
    assert StateFile(tmp_path / "state").load() == state


def test_of_several_that_change_it_at_once_none_is_lost(tmp_path: Path) -> None:
    path, start = tmp_path / "state.json", threading.Barrier(8)
    StateFile(path).save(replace(STATE, changed=0))

    def count(_: int) -> None:
        start.wait(10)
        for _ in range(5):
            StateFile(path).update(lambda now: replace(now, changed=(now.changed or 0) + 1), STATE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))
    assert StateFile(path).load() == replace(STATE, changed=40)
    assert list(path.parent.iterdir()) == [path]


def test_what_stays_as_it_is_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    StateFile(path).save(STATE)
    before = path.stat().st_ino
    assert StateFile(path).update(lambda now: now, State("x", "x", "x")) == STATE
    assert path.stat().st_ino == before
    # Nothing is there yet: what counts otherwise is.
    assert StateFile(tmp_path / "new" / "state").update(lambda now: now, STATE) == STATE
    assert StateFile(tmp_path / "new" / "state").load() == STATE
    assert StateFile(None).update(lambda now: replace(now, changed=1), STATE) == replace(STATE, changed=1)


def test_a_folder_that_somebody_holds_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbhandler.client.state.PATIENCE", 0.0)
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        with pytest.raises(TryLater, match="another process holds the folder"):
            StateFile(tmp_path / "state").update(lambda now: now, STATE)
    finally:
        os.close(folder)
    assert StateFile(tmp_path / "state").update(lambda now: now, STATE) == STATE


def test_a_file_system_that_locks_no_folder_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr("fcntl.flock", refuse)
    assert StateFile(tmp_path / "state").update(lambda now: now, STATE) == STATE
    assert StateFile(tmp_path / "state").load() == STATE


def test_what_fails_under_the_lock_is_told_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with pytest.raises(DbHandlerError, match="cannot be read"):
        StateFile(tmp_path / "state").update(lambda now: now, STATE)


def test_without_a_file_the_own_state_counts() -> None:
    assert StateFile(None).save_first(STATE) == STATE


def test_the_repr_keeps_the_password() -> None:
    assert STATE.password not in repr(STATE)
