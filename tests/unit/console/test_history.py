"""What was, in its file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from dbhandler.console import history as module
from dbhandler.console.history import FILE, LEVELS, MOST_SERIES, History

NOW = 1_800_000_000
DAY = 86400


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_values_come_back_as_they_were(history: History) -> None:
    for number in range(4):
        history.add(NOW + 15 * number, {"a": float(number), "b": 7.0})
    found = history.read(["a", "b", "c"], NOW, NOW + 3600)
    assert found["a"] == [(NOW, 0.0), (NOW + 15, 1.0), (NOW + 30, 2.0), (NOW + 45, 3.0)]
    assert found["b"][-1] == (NOW + 45, 7.0) and found["c"] == []
    assert history.names("a") == ["a"] and history.names("") == ["a", "b"]


def test_what_is_far_back_is_a_mean(history: History) -> None:
    for number in range(8):
        history.add(NOW + 15 * number, {"a": float(number)})
    assert history.read(["a"], NOW, NOW + 20 * 3600)["a"] == [(NOW, 3.5)]
    assert history.read(["a"], NOW - 13 * DAY, NOW + DAY)["a"] == [(NOW, 3.5)]


def test_a_new_start_goes_on_with_it(history: History, tmp_path: Path) -> None:
    history.add(NOW, {"a": 1.0})
    again = History(tmp_path)
    again.add(NOW + 15, {"a": 2.0})
    assert len(again.read(["a"], NOW, NOW + 60)["a"]) == 2


def test_what_is_too_old_goes_and_its_series_with_it(history: History) -> None:
    history.add(NOW, {"old": 1.0})
    history.add(NOW + LEVELS[0].kept + module.PRUNED, {"a": 1.0})
    assert history.read(["old"], NOW, NOW + 60)["old"] == []
    assert len(history.read(["old"], NOW, NOW + DAY)["old"]) == 1
    history.add(NOW + 15 * DAY, {"a": 1.0})
    assert history.names("") == ["a"]


def test_made_up_series_do_not_fill_it(history: History) -> None:
    history.add(NOW, {"total": 1.0, **{f"server/{number}": 1.0 for number in range(3 * MOST_SERIES)}})
    history.add(NOW + 15, {"late": 1.0})
    assert len(history.names("")) == MOST_SERIES and history.names("late") == []
    assert history.names("total") == ["total"]


def test_fourteen_days_of_all_series_stay_below_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SERIES", 20)
    history = History(tmp_path)
    connection = sqlite3.connect(tmp_path / FILE)
    rows = [
        (level.step, series, NOW + number * level.step, 1.5, 8)
        for level in LEVELS for series in range(20) for number in range(level.kept // level.step)
    ]  # fmt: skip
    connection.executemany("INSERT INTO points VALUES (?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    assert (tmp_path / FILE).stat().st_size * MOST_SERIES / 20 < module.MOST_BYTES
    assert history.names("") == []


def test_a_damaged_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 500)
    history = History(tmp_path)
    history.add(NOW, {"a": 1.0})
    assert history.read(["a"], NOW, NOW + 60)["a"] and "damaged, and set aside" in caplog.text
    assert len(list(tmp_path.iterdir())) == 2


def test_without_a_folder_it_complains_once_and_goes_on_when_there_is_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history = History(tmp_path / "later")
    for _ in range(3):
        history.add(NOW, {"a": 1.0})
    assert history.read(["a"], NOW, NOW + 60) == {"a": []}
    assert caplog.text.count("what was cannot be kept") == 1
    (tmp_path / "later").mkdir()
    history.add(NOW, {"a": 1.0})
    assert history.read(["a"], NOW, NOW + 60)["a"]


def test_a_file_that_is_full_is_told(
    history: History, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 4096 * 6)
    for number in range(2000):
        history.add(NOW + 15 * number, {"a": 1.0})
    assert "full" in caplog.text
