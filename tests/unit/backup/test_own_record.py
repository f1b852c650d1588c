"""What is remembered of restores that applications have asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.backup import own_record
from dbhandler.backup.own_record import OwnRecord


def test_a_restore_is_begun_and_done(tmp_path: Path) -> None:
    record = OwnRecord(tmp_path / "done.json")
    assert (record.begun("a"), record.is_done("a")) == (None, False)
    record.begin("a", "0-1-5")
    assert (record.begun("a"), record.is_done("a"), record.begun("b")) == ("0-1-5", False, None)
    record.end("a")
    later = OwnRecord(tmp_path / "done.json")
    assert (later.begun("a"), later.is_done("a")) == ("0-1-5", True)
    assert (tmp_path / "done.json").stat().st_mode & 0o777 == 0o600


def test_the_last_ones_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_record, "MOST", 3)
    record = OwnRecord(tmp_path / "done.json")
    for name in "abcad":
        record.begin(name, "")
    assert [name for name in "abcd" if record.begun(name) is not None] == ["a", "c", "d"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', '{"a": ["x"]}', '{"a": null}'])
def test_a_damaged_record_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "done.json").write_text(content)
    record = OwnRecord(tmp_path / "done.json")
    assert record.begun("a") is None and not record.is_done("a")
    record.begin("a", "x")
    assert record.begun("a") == "x"
