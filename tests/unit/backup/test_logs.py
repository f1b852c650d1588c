"""The log of one source on the backup's volume: written as it comes, cut off at any moment."""

from __future__ import annotations

import errno
import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbhandler import files
from dbhandler.backup import logfile, writer
from dbhandler.backup.binlog import Damaged, raw_events, read
from dbhandler.backup.history import Before, Latest, Moment, Through, Time, Unrecoverable
from dbhandler.backup.logs import Logs
from dbhandler.distant.position import Position

SAMPLES = Path(__file__).parent / "samples"
BEGAN = 1000.0
UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def raw(kind: int, body: bytes = b"", time: int = 1000) -> bytes:
    content = struct.pack("<IBIIIH", time, kind, 5, 23 + len(body), 0, 0) + body
    return content + struct.pack("<I", zlib.crc32(content))


DESCRIPTION = raw(15, struct.pack("<H50sIB", 4, b"11.8.9-MariaDB", 0, 19) + bytes([1] * 40) + b"\1")
XID = raw(16, bytes(8))


def gtid(number: int, time: int) -> bytes:
    return raw(162, struct.pack("<QIB6x", number, 0, 0), time)


def position(number: int) -> Position:
    return Position.parse(f"0-5-{number}" if number else "", "mariadb")


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path / "logs", "mariadb")


def begun(logs: Logs, number: int = 0, now: float = BEGAN) -> Logs:
    logs.begin(position(number), "db-1", now)
    logs.append(DESCRIPTION, now)
    return logs


def wrote(logs: Logs, number: int, now: float) -> None:
    logs.append(gtid(number, int(now)), now)
    logs.append(XID, now)


def held(paths: Sequence[Path], engine: str = "mariadb") -> list[str]:
    return [group.gtid for path in paths for group in read(path, engine)]


def numbers(paths: Sequence[Path]) -> list[int]:
    return [int(gtid.rpartition("-")[2]) for gtid in held(paths)]


def cut(logs: Logs, base: int, at: Moment, tmp_path: Path) -> list[int]:
    return numbers(logs.cut(position(base), at, tmp_path / "cut"))


def reopened(logs: Logs) -> Logs:
    return Logs(logs._folder, logs._engine)


def test_of_nothing_there_is_nothing(logs: Logs, tmp_path: Path) -> None:
    logs.settle()
    logs.sync()
    logs.heard(1.0)
    logs.expire(position(1))
    assert (logs.position, logs.files(), logs.spans()) == (None, [], [])
    with pytest.raises(Unrecoverable, match="known is nothing yet"):
        logs.cut(position(0), Latest(), tmp_path)
    with pytest.raises(Damaged, match="before the description"):
        logs.append(XID, 1.0)
    assert not (tmp_path / "logs").exists()


def test_what_is_appended_is_a_log_that_a_server_could_have_written(logs: Logs, tmp_path: Path) -> None:
    wrote(begun(logs), 1, 1000.5)
    path = tmp_path / "logs" / "00000001.log"
    assert path.read_bytes() == b"\xfebin" + DESCRIPTION + gtid(1, 1000) + XID
    assert str(logs.position) == "0-5-1"
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    noted = json.loads(path.with_suffix(".json").read_text())
    assert noted == {"engine": "mariadb", "from": "", "origin": "db-1", "began": 1000.0}


def test_whoever_reads_meanwhile_sees_whole_transactions(logs: Logs, tmp_path: Path) -> None:
    wrote(begun(logs), 1, 1000.5)
    logs.append(gtid(2, 1001), 1001.0)
    logs.append(raw(30, bytes(100_000)), 1001.0)
    for reader in (logs, reopened(logs)):
        assert str(reader.position) == "0-5-1"
        assert cut(reader, 0, Latest(), tmp_path) == [1]
        assert [(span.first, span.last, str(span.to_position)) for span in reader.spans()] == [
            (1000.0, 1000.5, "0-5-1")
        ]


@pytest.mark.parametrize("name", ["mariadb.bin", "mariadb-plain.bin", "mysql.bin", "mysql-plain.bin"])
def test_a_real_log_comes_out_as_it_went_in(name: str, tmp_path: Path) -> None:
    engine = name.partition("-")[0].removesuffix(".bin")
    logs = Logs(tmp_path / "logs", engine)
    logs.begin(Position.parse("", engine), "db", 1.0)
    with (SAMPLES / name).open("rb") as file:
        raws = list(raw_events(file))
    for one in raws:
        logs.append(one, 2e9)
    logs.close()
    # MariaDB's tool would take a list of GTIDs for the beginning of all that it is given.
    expected = b"".join([b"\xfebin", *(one for one in raws if one[4] != 163)])
    assert logs.files()[0].path.read_bytes() == expected
    [path] = logs.cut(Position.parse("", engine), Latest(), tmp_path / "cut")
    assert path.read_bytes() == expected
    assert held([path], engine) == held([SAMPLES / name], engine)


def test_settling_cuts_off_what_is_no_whole_transaction(logs: Logs, tmp_path: Path) -> None:
    wrote(begun(logs), 1, 1000.5)
    logs.append(gtid(2, 1001), 1001.0)
    logs.settle()
    path = tmp_path / "logs" / "00000001.log"
    assert path.read_bytes() == b"\xfebin" + DESCRIPTION + gtid(1, 1000) + XID
    with pytest.raises(Damaged):
        logs.append(XID, 1002.0)
    wrote(begun(logs, 1, 1003.0), 2, 1003.5)
    assert numbers([file.path for file in logs.files()]) == [1, 2]
    assert len(logs.spans()) == 1


@given(data=st.data())
@settings(max_examples=60)
def test_wherever_a_process_was_killed_the_next_one_goes_on(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    logs = Logs(tmp_path_factory.mktemp("killed"), "mariadb")
    begun(logs)
    for number in range(1, 4):
        wrote(logs, number, 1000.0 + number)
    logs.sync()
    path, noted = logs.files()[0].path, logs.files()[0].times
    os.truncate(path, size := data.draw(st.integers(0, path.stat().st_size)))
    os.truncate(noted, data.draw(st.integers(0, noted.stat().st_size)))
    if data.draw(st.booleans()):
        path.write_bytes(path.read_bytes() + data.draw(st.binary(max_size=40)))
    again = reopened(logs)
    again.settle()
    whole = [number for number in (1, 2, 3) if size >= 4 + len(DESCRIPTION) + number * len(gtid(1, 1) + XID)]
    if size < 4 + len(DESCRIPTION):
        assert again.position is None
        return
    assert numbers([file.path for file in again.files()]) == whole
    assert str(again.position) == (f"0-5-{whole[-1]}" if whole else "")
    wrote(begun(again, len(whole), 2000.0), len(whole) + 1, 2000.0)
    assert numbers([file.path for file in again.files()]) == [*whole, len(whole) + 1]
    assert len(again.spans()) == 1


def test_a_file_in_which_nothing_came_leaves_no_trace_but_since_when(logs: Logs) -> None:
    begun(logs)
    for moment in (1010.0, 1020.0):
        begun(logs, 0, moment)
    assert [file.number for file in logs.files()] == [3]
    assert logs.spans()[0].first == 1000.0
    begun(logs, 7, 1030.0)
    spans = [(span.first, str(span.from_position)) for span in logs.spans()]
    assert spans == [(1000.0, ""), (1030.0, "0-5-7")]


def test_a_beginning_without_any_event_is_none(logs: Logs) -> None:
    logs.begin(position(1), "db-1", 1.0)
    assert str(logs.position) == "0-5-1"
    logs.close()
    assert list(logs._folder.iterdir()) == []


def test_what_is_no_event_is_not_written(logs: Logs) -> None:
    wrote(begun(logs), 1, 1000.5)
    size = logs.files()[0].path.stat().st_size
    with pytest.raises(Damaged):
        logs.append(XID[:-1] + b"\0", 1001.0)
    assert logs.files()[0].path.stat().st_size == size


def test_on_a_full_disk_what_was_written_before_stays(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote(begun(logs), 1, 1000.5)

    def full(file: object, waiting: bytearray) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_written", full)
        logs.append(gtid(2, 1001), 1001.0)
        with pytest.raises(OSError, match="No space"):
            logs.append(XID, 1001.0)
        logs.settle()
    assert str(logs.position) == str(reopened(logs).position) == "0-5-1"
    assert numbers([logs.files()[0].path]) == [1]


def test_what_was_synced_is_on_the_disk_with_its_name(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote(begun(logs), 1, 1000.5)
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
    )
    logs.sync()
    assert synced == ["00000001.log", "00000001.times", "logs"]
    synced.clear()
    logs.sync()
    assert synced == ["00000001.log", "00000001.times"]


def test_a_transaction_of_mariadb_counts_for_when_it_came_within_its_second(logs: Logs) -> None:
    begun(logs)
    for number, (second, now) in enumerate([(1000, 1000.25), (1001, 1000.9), (1002, 1007.0)], 1):
        logs.append(gtid(number, second), now)
        logs.append(XID, now)
    assert [time for _, time in logs.groups(0, 2000)] == [1000.25, 1001.0, 1002.999999]
    assert [group.gtid for group, _ in logs.groups(1000.3, 1001.0)] == ["0-5-2"]
    assert list(logs.groups(1500, 2000)) == []


def test_when_something_came_is_noted_64_times_a_second_at_most_and_as_exactly(logs: Logs) -> None:
    begun(logs)
    times = [1000 + number / 1000 for number in range(1, 101)]
    for number, now in enumerate(times, 1):
        wrote(logs, number, now)
    wrote(logs, 101, 1005.0)
    logs.sync()
    found = [time for _, time in reopened(logs).groups(0, 2000)]
    assert all(0 <= late - now < writer.GRAIN for late, now in zip(found, [*times, 1005.0], strict=True))
    assert len(list(logfile.arrival_times(logs.files()[0].times))) <= 15


def test_while_the_source_rests_the_last_moment_grows(logs: Logs) -> None:
    wrote(begun(logs), 1, 1000.5)
    assert logs.spans()[0].last == 1000.5
    logs.heard(1000.7)
    assert logs.spans()[0].last == 1000.5
    logs.heard(1002.0)
    logs.heard(1002.4)
    assert (logs.spans()[0].last, reopened(logs).spans()[0].last) == (1002.4, 1002.0)
    logs.append(gtid(2, 1003), 1003.0)
    logs.heard(1004.0)
    assert logs.spans()[0].last == 1002.4
    logs.append(XID, 1003.0)
    assert logs.spans()[0].last == 1003.0
    logs.heard(1005.0)
    logs.close()
    assert (logs.spans()[0].last, reopened(logs).spans()[0].last) == (1005.0, 1005.0)


def test_after_a_kill_the_rest_counts_unless_the_log_has_lost_something(logs: Logs) -> None:
    wrote(begun(logs), 1, 1000.5)
    logs.heard(1002.0)
    again = reopened(logs)
    again.settle()
    assert again.spans()[0].last == 1002.0
    file = again.files()[0]
    file.create(file.begin)
    assert reopened(logs).files()[0].closed() is None
    os.truncate(file.path, file.path.stat().st_size - 1)
    lost = reopened(logs)
    lost.settle()
    assert lost.spans()[0].last == 1000.0


@pytest.fixture
def written(logs: Logs) -> Logs:
    """Transactions 1 to 6 at 1001.5 to 1006.5, two in each file, and after a gap 11 to 12 at 1011.5, 1012.5."""
    for first in (1, 3, 5, 11):
        begun(logs, first - 1, 999.0 + first)
        for number in (first, first + 1):
            wrote(logs, number, 1000.5 + number)
    logs.heard(1020.0)
    return logs


@pytest.fixture(params=["in this process", "in another one"])
def read_by(request: pytest.FixtureRequest, written: Logs) -> Logs:
    return written if request.param == "in this process" else reopened(written)


def test_files_that_go_on_are_one_range(read_by: Logs) -> None:
    assert [(span.first, span.last, str(span.from_position), str(span.to_position)) for span in read_by.spans()] == [
        (1000.0, 1006.5, "", "0-5-6"), (1010.0, 1020.0, "0-5-10", "0-5-12"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("base", "at", "expected"),
    [
        (0, Time(1000.0), []),
        (0, Time(1001.4), []),
        (0, Time(1001.5), [1]),
        (0, Time(1003.9), [1, 2, 3]),
        (0, Time(1006.5), [1, 2, 3, 4, 5, 6]),
        (3, Time(1003.5), []),
        (3, Time(1005.0), [3, 4]),
        (4, Time(1005.6), [5]),
        (0, Through("0-5-3"), [1, 2, 3]),
        (3, Through("0-5-3"), []),
        (2, Through("0-5-2"), []),
        (0, Before("0-5-3"), [1, 2]),
        (2, Before("0-5-3"), []),
        (2, Before("0-5-6"), [3, 4, 5]),
        (0, position(4), [1, 2, 3, 4]),
        (4, position(4), []),
        (10, Latest(), [11, 12]),
        (11, Latest(), [11, 12]),
        (12, Latest(), []),
        (12, Time(1019.0), []),
        (10, position(10), []),
    ],
)
def test_up_to_a_moment(base: int, at: Moment, expected: list[int], read_by: Logs, tmp_path: Path) -> None:
    assert cut(read_by, base, at, tmp_path) == expected


@pytest.mark.parametrize(
    ("base", "at"),
    [
        (0, Time(999.9)),
        (0, Time(1006.6)),
        (0, Time(1015.0)),
        (0, Latest()),
        (4, Time(1003.9)),
        (4, Through("0-5-3")),
        (4, Before("0-5-4")),
        (4, position(3)),
        (0, Through("0-5-7")),
        (0, Through("0-6-3")),
        (0, Before("0-5-7")),
        (0, position(7)),
        (8, Latest()),
        (13, Latest()),
        (10, Through("0-5-10")),
        (0, Through("x")),
        (0, Through(f"{UUID}:1")),
    ],
)
def test_a_moment_that_cannot_be_had_is_refused(base: int, at: Moment, read_by: Logs, tmp_path: Path) -> None:
    with pytest.raises(Unrecoverable) as refused:
        cut(read_by, base, at, tmp_path)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "cut").exists()


def test_the_refusal_tells_what_there_is(written: Logs, tmp_path: Path) -> None:
    with pytest.raises(Unrecoverable) as refused:
        cut(written, 0, Time(5.0), tmp_path)
    assert str(refused.value).endswith(
        "known is 1970-01-01 00:16:40.000000 to 1970-01-01 00:16:46.500000 and 1970-01-01 00:16:50.000000 to "
        "1970-01-01 00:17:00.000000"
    )


def test_the_first_transaction_that_is_later_ends_what_is_restored(logs: Logs, tmp_path: Path) -> None:
    begun(logs)
    for number, second in enumerate((1001, 1005, 1003), 1):
        logs.append(gtid(number, second), 1006.0)
        logs.append(XID, 1006.0)
    assert cut(logs, 0, Time(1004.0), tmp_path) == [1]
    assert cut(logs, 0, Time(1005.999999), tmp_path) == [1, 2, 3]


def test_whole_files_are_linked_and_a_living_one_is_not(written: Logs, tmp_path: Path) -> None:
    first, second = written.cut(position(0), Through("0-5-3"), tmp_path / "cut")
    assert (first.stat().st_nlink, second.stat().st_nlink) == (2, 1)
    [living] = written.cut(position(10), Latest(), tmp_path / "cut")
    wrote(written, 13, 1030.0)
    assert numbers([living]) == [11, 12]


def test_where_there_are_no_links_files_are_copied(
    written: Logs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", none)
    assert cut(written, 0, Time(1006.5), tmp_path) == [1, 2, 3, 4, 5, 6]
    # What an interrupted one has left there does not matter.
    assert cut(written, 0, Through("0-5-1"), tmp_path) == [1]


def test_of_a_source_that_went_back_the_time_of_a_base_tells_which_history_it_is_of(logs: Logs, tmp_path: Path) -> None:
    for began in (1000.0, 2000.0):
        begun(logs, 0, began)
        wrote(logs, 1, began + 1)
        wrote(logs, 2, began + 2)
    assert [span.first for span in logs.spans()] == [1000.0, 2000.0]
    [old] = logs.cut(position(1), Through("0-5-2"), tmp_path / "cut", taken=1001.5)
    [new] = logs.cut(position(1), Through("0-5-2"), tmp_path / "cut", taken=2001.5)
    assert (old.name, new.name) == ("00000001.log", "00000002.log")
    with pytest.raises(Unrecoverable):
        logs.cut(position(1), Through("0-5-2"), tmp_path / "cut", taken=1.0)


@pytest.mark.parametrize(
    ("number", "left"),
    [(0, [1, 2, 3, 4]), (1, [1, 2, 3, 4]), (2, [2, 3, 4]), (5, [3, 4]), (8, [4]), (11, [4]), (12, [4]), (99, [4])],
)
def test_what_no_base_needs_is_removed_but_for_the_last(number: int, left: list[int], read_by: Logs) -> None:
    read_by.expire(position(number))
    assert [file.number for file in read_by.files()] == left
    names = {path.stem for path in read_by._folder.iterdir()} - {"rest"}
    assert names == {f"{number:08}" for number in left}


def test_the_history_before_a_source_was_made_anew_goes_with_its_last_base(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "mysql")
    for number, server in enumerate([UUID, UUID.replace("3e11", "4e11")]):
        logs.begin(Position.parse(f"{server}:1-5", "mysql"), "db", 1000.0 + number)
        with (SAMPLES / "mysql.bin").open("rb") as file:
            for one in raw_events(file):
                logs.append(one, 2e9)
    logs.expire(Position.parse(f"{UUID}:1-5", "mysql"))
    assert len(logs.files()) == 2
    logs.expire(Position.parse(f"{UUID.replace('3e11', '4e11')}:1-5", "mysql"))
    assert [file.number for file in logs.files()] == [2]


def test_a_closed_file_is_not_read_again(written: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    written.close()
    read_files: list[Path] = []

    def noted(path: Path, engine: str) -> Iterator[object]:
        read_files.append(path)
        return read(path, engine)

    monkeypatch.setattr(logfile, "read", noted)
    again = reopened(written)
    assert str(again.position) == "0-5-12"
    assert len(again.spans()) == 2
    assert read_files == []


def test_what_is_noted_of_a_file_is_read_once(written: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    written.close()
    before = written.spans()
    monkeypatch.setattr(files, "read_json", None)
    assert written.spans() == before


@pytest.mark.parametrize("text", ["", "[]", '{"engine": "mysql"}', '{"engine": "mariadb", "from": 5}', "[" * 100_000])
def test_a_damaged_note_is_told(text: str, written: Logs) -> None:
    written.files()[0].note.write_text(text)
    with pytest.raises(Damaged, match="is damaged"):
        reopened(written).spans()


def test_what_lies_there_beside_is_no_log(written: Logs) -> None:
    for name in ("x.log", "123.log", "00000099.log"):
        (written._folder / name).write_text("x")
    assert [file.number for file in written.files()] == [1, 2, 3, 4]


@given(
    times=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=12).map(sorted),
    at=st.floats(0, 30),
    base=st.integers(0, 12),
    each=st.integers(1, 5),
)
@settings(max_examples=60)
def test_any_moment_of_any_log(
    times: list[float], at: float, base: int, each: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    logs = Logs(folder / "logs", "mariadb")
    for number, time in enumerate(times):
        if number % each == 0:
            begun(logs, number, 1000.0 + time)
        wrote(logs, number + 1, 1000.0 + time)
    logs.heard(1031.0)
    effective = [time for _, time in logs.groups(0, 2000)]
    inside = sum(time <= 1000.0 + at for time in effective)
    base = min(base, len(times))
    if logs.spans()[0].first > 1000.0 + at or base > inside:
        with pytest.raises(Unrecoverable):
            cut(logs, base, Time(1000.0 + at), folder)
        return
    paths = logs.cut(position(base), Time(1000.0 + at), folder / "cut")
    assert [number for number in numbers(paths) if number > base] == list(range(base + 1, inside + 1))


def test_what_begins_anew_does_not_go_on_from_what_was_even_at_the_same_position(logs: Logs) -> None:
    wrote(begun(logs), 1, 1001.0)
    logs.begin(position(1), "a", 1100.0, anew=True)
    logs.append(DESCRIPTION, 1100.0)
    # What is begun again without a word stays anew.
    logs.begin(position(1), "a", 1200.0)
    logs.append(DESCRIPTION, 1200.0)
    wrote(logs, 2, 1201.0)
    logs.settle()
    for one in (logs, reopened(logs)):
        assert [(span.first, str(span.to_position)) for span in one.spans()] == [(BEGAN, "0-5-1"), (1100.0, "0-5-2")]
        assert [one.goes_on_from(position(1), taken) for taken in (1050.0, 1150.0)] == [False, True]


def test_before_anything_has_come_nothing_goes_on(logs: Logs) -> None:
    assert not logs.goes_on_from(position(1), 1.0)
