"""What is known of a source's backups, between two processes and two starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler import files
from dbhandler.backup.record import Record


def test_what_is_noted_is_there_for_others(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.note(stream="away", shipped=5.0)
    record.note(stream=None)
    assert Record(tmp_path).read() == {"stream": None, "shipped": 5.0}
    assert (tmp_path / "record.json").stat().st_mode & 0o777 == 0o600


def test_of_nothing_nothing_is_known(tmp_path: Path) -> None:
    assert Record(tmp_path).read() == {}
    assert Record(tmp_path / "missing").read() == {}


@pytest.mark.parametrize("content", ["", "[]", "{", "null", "\0"])
def test_a_damaged_one_is_as_good_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(content)
    record = Record(tmp_path)
    record.note(base=None)
    assert record.read() == {"base": None}


def test_what_is_known_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, written = Record(tmp_path), list[str]()
    monkeypatch.setattr(files, "write_private", lambda _path, content: written.append(content))
    record.note(stream=None, wrong=["a"])
    record.note(stream=None, wrong=["a"])
    record.note(wrong=["a"])
    record.note(wrong=[])
    assert written == ['{"stream": null, "wrong": ["a"]}', '{"stream": null, "wrong": []}']


def test_what_could_not_be_written_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _content: str) -> None:
        raise OSError(28, "No space left on device")

    record = Record(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(files, "write_private", full)
        with pytest.raises(OSError, match="No space"):
            record.note(stream="away")
    record.note(stream="away")
    assert record.read() == {"stream": "away"}


@pytest.mark.parametrize(
    ("noted", "proven"),
    [
        ({}, False),
        ({"base_proven": "a", "proven": 100.0, "wrong": []}, True),
        ({"base_proven": "a", "proven": 100}, True),
        ({"base_proven": "a", "proven": 99.9, "wrong": []}, False),
        ({"base_proven": "b", "proven": 100.0, "wrong": []}, False),
        ({"base_proven": "a", "proven": 100.0, "wrong": ["table x"]}, False),
        ({"base_proven": "a", "proven": "100"}, False),
    ],
)
def test_a_proof_is_of_one_base_and_fresh(noted: dict[str, object], proven: bool, tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.note(**noted)
    assert record.is_proven("a", 100.0) is proven
