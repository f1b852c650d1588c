import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dbhandler.client.state import State, StateFile
from dbhandler.errors import DbHandlerError

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


def test_without_a_file_the_own_state_counts() -> None:
    assert StateFile(None).save_first(STATE) == STATE


def test_the_repr_keeps_the_password() -> None:
    assert STATE.password not in repr(STATE)
