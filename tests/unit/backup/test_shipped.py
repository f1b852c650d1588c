"""What goes to the repository, and comes back on a new volume."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.backup.restic_failure import NoRepository
from dbhandler.backup.shipped import KIND, bring_back, ship, thin
from dbhandler.errors import Unavailable
from tests.support.repository import PlayedRepository


def test_the_last_ones_stay(tmp_path: Path) -> None:
    repository = PlayedRepository()
    base = repository.add(b"dump", kind="base")
    for _ in range(4):
        ship(repository, tmp_path)  # type: ignore[arg-type]
    last = repository.snapshots(kind=KIND)[-2:]
    thin(repository)  # type: ignore[arg-type]
    assert list(repository.kept) == [base, *last]


def test_a_new_volume_gets_what_was_shipped_last(tmp_path: Path) -> None:
    repository, folder = PlayedRepository(), tmp_path / "sources"
    for _ in range(2):
        last = repository.add(b"", kind=KIND)
    bring_back(repository, folder)  # type: ignore[arg-type]
    assert (folder / "shipped").read_text() == last.id


def test_a_volume_that_is_in_use_stays_as_it_is(tmp_path: Path) -> None:
    repository = PlayedRepository()
    repository.add(b"", kind=KIND)
    bring_back(repository, tmp_path)  # type: ignore[arg-type]
    assert repository.done == []


@pytest.mark.parametrize(("failure", "told"), [("nothing there", ""), ("away", "is missing: away")])
def test_without_a_repository_it_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, failure: str, told: str
) -> None:
    repository, kind = PlayedRepository(), NoRepository if not told else Unavailable
    repository.fails["open"] = kind(failure)
    bring_back(repository, tmp_path / "sources")  # type: ignore[arg-type]
    assert told in caplog.text and bool(caplog.text) == bool(told) and not (tmp_path / "sources").exists()
