"""Small files that are whole or absent."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dbhandler import files


def test_a_private_file_holds_its_content_for_its_owner_only(tmp_path: Path) -> None:
    files.write_private(tmp_path / "f", "old")
    files.write_private(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "new"
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_file_that_cannot_be_synced_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_private(tmp_path / "f", "old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="no space"):
        files.write_private(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("links", [True, False])
def test_written_once_a_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", not_supported)
    assert files.write_private_once(tmp_path / "f", "first")
    assert not files.write_private_once(tmp_path / "f", "second")
    assert (tmp_path / "f").read_text() == "first"
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_what_a_link_fails_of_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "hardlink_to", lambda *_: no_space(None))
    with pytest.raises(OSError, match="no space"):
        files.write_private_once(tmp_path / "f", "text")
    assert not list(tmp_path.iterdir())


def test_removing_is_fine_with_an_absent_file(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    files.remove(tmp_path / "f")
    files.remove(tmp_path / "f")
    assert not list(tmp_path.iterdir())


def no_space(_: object) -> None:
    raise OSError(28, "no space")


def not_supported(*_: object) -> None:
    raise OSError(errno.EPERM, "not permitted")
