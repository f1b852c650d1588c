"""The head of the chain, as it stands in its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.audit import head as heads
from dbhandler.audit.head import Head
from dbhandler.audit.record import Entry, line_of

LINE = line_of(Entry("create_db", "created"), 7, "0" * 64, "db", 0.0)


@pytest.mark.parametrize("head", [Head(), Head(lost=3), Head(LINE), Head(LINE, written=False, lost=12)])
def test_what_is_stored_is_loaded(head: Head, tmp_path: Path) -> None:
    heads.store(tmp_path / "head", head)
    assert heads.load(tmp_path / "head") == head
    assert (tmp_path / "head").stat().st_mode & 0o777 == 0o600


def test_a_line_that_waits_becomes_one_that_is_written(tmp_path: Path) -> None:
    heads.store(tmp_path / "head", Head(LINE, written=False, lost=2))
    heads.mark_written(tmp_path / "head")
    assert heads.load(tmp_path / "head") == Head(LINE, lost=2)


def test_without_a_file_there_is_none(tmp_path: Path) -> None:
    assert heads.load(tmp_path / "head") is None


@pytest.mark.parametrize("text", ["", "written", "written x\n", "done 0\n", f"pending 0\n{LINE}x\n", "\xe9 0\n"])
def test_a_damaged_one_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "head").write_text(text)
    with pytest.raises(ValueError):
        heads.load(tmp_path / "head")


def test_where_the_chain_stands() -> None:
    assert (Head(LINE).number, Head(LINE).surely, Head(LINE, written=False).surely) == (7, 7, 6)
    assert LINE.endswith(f'"hash": "{Head(LINE).hash}"}}')
    # What the first line follows on nobody can guess.
    assert Head().number == 0 and Head().hash != Head().hash
