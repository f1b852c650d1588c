"""Binary logs, read without a server: samples of real ones, and what nobody should ever write.

The samples were written by MariaDB 11.8.9 and MySQL 9.7.4 for statements of all kinds; what mariadb-binlog and
mysqlbinlog say of them is what is expected here.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbhandler.backup import binlog
from dbhandler.backup.binlog import HEADER, Assembler, Damaged, Group, complete_end, event, raw_events, read
from dbhandler.distant import events
from dbhandler.distant.events import Kind
from dbhandler.distant.position import Position

SAMPLES = Path(__file__).parent / "samples"
NAMES = sorted(path.name for path in SAMPLES.glob("*.bin"))
UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def engine_of(name: str) -> str:
    return name.split("-")[0].removesuffix(".bin")


def groups(name: str) -> dict[str, Group]:
    return {group.gtid: group for group in read(SAMPLES / name, engine_of(name))}


def tail(groups: dict[str, Group]) -> dict[str, Group]:
    """By the end of the GTID alone: a server's UUID says nothing."""
    return {gtid.partition(":")[2] or gtid: group for gtid, group in groups.items()}


def raw(
    kind: int, body: bytes = b"", *, server: int = 5, time: int = 1000, checksum: bool = True, flags: int = 0
) -> bytes:
    size = 19 + len(body) + 4 * checksum
    content = struct.pack("<IBIIIH", time, kind, server, size, 0, flags) + body
    return content + struct.pack("<I", zlib.crc32(content)) * checksum


def description(algorithm: int = 1) -> bytes:
    return raw(Kind.FORMAT, struct.pack("<H50sIB", 4, b"11.8.9-MariaDB", 0, 19) + bytes([1] * 40) + bytes([algorithm]))


def gtid(number: int, flags: int = 0, domain: int = 0, time: int = 1000, checksum: bool = True) -> bytes:
    return raw(Kind.MARIADB_GTID, struct.pack("<QIB6x", number, domain, flags), time=time, checksum=checksum)


def query(text: str, schema: str = "a", kind: int = Kind.QUERY, checksum: bool = True) -> bytes:
    head = struct.pack("<IIBHH", 1, 0, len(schema), 0, 3) + b"\0\0\0" + schema.encode() + b"\0"
    return raw(kind, head + text.encode(), checksum=checksum)


def mysql_gtid(number: int, tagless: int = Kind.MYSQL_GTID, micro: int = 1_000_123_456) -> bytes:
    server = bytes.fromhex(UUID.replace("-", ""))
    return raw(tagless, struct.pack("<B16sqBqq", 1, server, number, 2, 0, 1) + micro.to_bytes(7, "little"))


def table(schema: str, name: str) -> bytes:
    names = bytes([len(schema)]) + schema.encode() + b"\0" + bytes([len(name)]) + name.encode() + b"\0"
    return raw(Kind.TABLE_MAP, bytes(8) + names + b"\0")


def xid() -> bytes:
    return raw(Kind.XID, bytes(8))


def fed(engine: str, *raws: bytes) -> list[Group]:
    assembler = Assembler(engine)
    return [group for group in map(assembler.feed, [description(), *raws]) if group]


@pytest.mark.parametrize("name", NAMES)
def test_a_real_log_is_read_to_its_end(name: str) -> None:
    path = SAMPLES / name
    assert complete_end(path, engine_of(name)) == path.stat().st_size
    ends = [group.end for group in read(path, engine_of(name))]
    assert ends == sorted(ends)
    assert len(ends) >= 5


@pytest.mark.parametrize("name", NAMES)
def test_each_transaction_of_a_real_log_is_told_once_and_in_order(name: str) -> None:
    position = Position.parse("", engine_of(name))
    for found in read(SAMPLES / name, engine_of(name)):
        assert not position.holds(found.gtid)
        position = position.after(found.gtid)


@pytest.mark.parametrize("name", ["mariadb.bin", "mariadb-packed.bin", "mariadb-plain.bin"])
def test_what_mariadb_did(name: str) -> None:
    found = groups(name)
    assert list(found)[:33] == [f"0-5-{number}" for number in range(1, 34)]
    assert (found["0-5-1"].statement, found["0-5-1"].schema) == ("create database a", "a")
    assert (found["0-5-4"].statement, found["0-5-4"].tables) == (None, frozenset({"a.t"}))
    # A savepoint, a rollback to it, and a rollback that leaves what MyISAM has written.
    assert found["0-5-10"].tables == {"a.t"}
    assert [found[f"0-5-{number}"].tables for number in (8, 9, 11)] == [{"a.m"}] * 3
    assert str(found["0-5-13"].statement).startswith("CREATE DEFINER=`root`@`localhost` trigger tr after insert on t")
    assert found["0-5-15"].tables == {"a.t", "a.o"}
    # XA: prepared, and then committed or rolled back; and in one phase.
    assert (found["0-5-18"].statement, found["0-5-18"].tables) == (None, frozenset({"a.t", "a.o"}))
    assert [found[f"0-5-{number}"].statement for number in (19, 21)] == [
        "XA COMMIT X'78',X'',1",
        "XA ROLLBACK X'79',X'',1",
    ]
    assert found["0-5-22"].statement is None
    # One transaction with its statement and its rows.
    assert str(found["0-5-26"].statement).startswith("CREATE TABLE `sel`")
    assert found["0-5-26"].tables == {"a.sel"}
    assert found["0-5-33"].statement == "DROP TABLE `m`,`sel` /* generated by server */"
    assert not any(one.precise for one in found.values())


def test_other_domains_and_servers_and_statements_of_mariadb() -> None:
    found = groups("mariadb-second.bin")
    assert list(found) == [*(f"0-5-{number}" for number in range(34, 41)), "3-5-1", "3-9-2", "0-5-41", "0-5-42"]
    assert found["0-5-38"].statement == "insert into t(s) values('stmt1')"
    assert found["0-5-40"].statement == "create table impl(i int)"
    assert found["3-9-2"].tables == {"a.t", "a.o"}


@pytest.mark.parametrize("name", ["mysql.bin", "mysql-plain.bin"])
def test_what_mysql_did(name: str) -> None:
    found = tail(groups(name))
    numbers = [number for number in found if number.isdecimal()]
    # 23 is also the number of a transaction of another server.
    assert numbers == [str(number) for number in range(1, 33)]
    assert [number for number in found if number not in numbers] == [
        "some_tag:1", "some_tag:2", "some_tag:3", "b_tag:1", "x:77",
    ]  # fmt: skip
    assert (found["1"].statement, found["1"].schema) == ("create database a", "a")
    assert (found["5"].statement, found["5"].tables) == (None, frozenset({"a.t"}))
    assert [found[number].tables for number in ("6", "7", "11")] == [{"a.m"}, {"a.m"}, {"a.t", "a.o"}]
    assert (found["14"].statement, found["14"].tables) == (None, frozenset({"a.t", "a.o"}))
    assert [found[number].statement for number in ("15", "17")] == ["XA COMMIT X'78',X'',1", "XA ROLLBACK X'79',X'',1"]
    assert found["22"].tables == {"a.sel"}
    # Packed: which tables stands inside.
    assert [(found[number].statement, found[number].tables) for number in ("27", "28")] == [(None, frozenset())] * 2
    assert found["some_tag:1"].tables == {"a.t", "a.o"}
    assert found["some_tag:2"].statement == "create table tagged(i int)"
    assert all(one.precise for one in found.values())
    times = [one.time for one in groups(name).values()]
    assert times == sorted(times)
    assert any(round(time % 1, 6) for time in times)


def test_the_set_that_mysql_writes_is_the_one_we_encode() -> None:
    with (SAMPLES / "mysql-second.bin").open("rb") as file:
        [previous] = [found for found in (event(one, True) for one in raw_events(file)) if found.kind == 35]
    position = Position.parse("", "mysql")
    for found in read(SAMPLES / "mysql.bin", "mysql"):
        position = position.after(found.gtid)
    assert ":b_tag:1:some_tag:1-3" in str(position)
    assert position.encoded() == previous.body


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_a_file_that_is_being_written_says_so_and_is_read(engine: str) -> None:
    path = SAMPLES / f"{engine}-live.bin"
    assert path.read_bytes()[4 + 17] & 0x01
    assert list(read(path, engine))


def test_an_event_says_what_it_is() -> None:
    found = event(raw(2, b"body", time=7, server=9, flags=0x80), True)
    assert (found.kind, found.time, found.server_id, found.size, found.position, found.flags, found.body) == (
        2, 7, 9, 27, 0, 0x80, b"body",
    )  # fmt: skip
    assert event(raw(2, b"body", checksum=False), False).body == b"body"


@pytest.mark.parametrize(
    "wrong",
    [b"", raw(2)[:10], raw(2) + b"x", raw(2)[:-1], raw(2, b"body")[:-1] + b"\0", raw(2, checksum=False)],
    ids=["nothing", "short", "long", "cut", "checksum", "no checksum"],
)
def test_a_damaged_event_is_refused(wrong: bytes) -> None:
    with pytest.raises(Damaged):
        event(wrong, True)


def test_a_description_has_its_own_checksum_whatever_was_before() -> None:
    assert event(description(), False) == event(description(), True)
    with pytest.raises(Damaged, match="checksum"):
        event(description()[:-1] + b"\0", False)
    # While its file is written a flag is set that the checksum does not know.
    in_use = bytearray(description())
    in_use[17] |= 1
    assert event(bytes(in_use), False).flags == 1
    with pytest.raises(Damaged, match="not known"):
        event(description(7), True)


def test_a_log_without_checksums_is_read() -> None:
    assembler = Assembler("mariadb")
    raws = [description(0), gtid(1, checksum=False), query("COMMIT", checksum=False)]
    assert [group.gtid for group in map(assembler.feed, raws) if group] == ["0-5-1"]


def test_nothing_is_read_before_the_description_but_in_which_file_it_is() -> None:
    assembler = Assembler("mariadb")
    assert assembler.feed(raw(Kind.ROTATE, b"12345678bl.000001", checksum=False)) is None
    assert not assembler.described
    with pytest.raises(Damaged, match="description"):
        assembler.feed(gtid(1))
    assembler.feed(description())
    assert assembler.described


def test_events_between_transactions_complete_nothing() -> None:
    assert fed("mariadb", *(raw(kind, b"12345678") for kind in (3, 4, 16, 19, 27, 35, 41, 161, 163, 164, 99))) == []


@pytest.mark.parametrize("last", [xid(), query("COMMIT"), query("ROLLBACK"), raw(Kind.XA_PREPARE, b"x"), raw(26)])
@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_a_transaction_ends(engine: str, last: bytes) -> None:
    begin = [gtid(1)] if engine == "mariadb" else [mysql_gtid(1), query("BEGIN")]
    inner = [query("SAVEPOINT x"), table("a", "t"), raw(30), query("ROLLBACK TO x"), raw(170), raw(172)]
    [found] = fed(engine, *begin, *inner, last)
    assert (found.statement, found.tables) == (None, frozenset({"a.t"}))
    assert found.end == sum(map(len, [description(), *begin, *inner, last]))


def test_a_statement_alone_is_whole() -> None:
    found = fed("mariadb", gtid(1, 1), raw(5, b"123456789"), query("DROP DATABASE a"), gtid(2, 1), query("COMMIT"))
    assert [(group.gtid, group.statement) for group in found] == [("0-5-1", "DROP DATABASE a"), ("0-5-2", "COMMIT")]
    found = fed("mysql", mysql_gtid(1), raw(5, b"123456789"), query("DROP TABLE t", "b"))
    assert [(group.gtid, group.statement, group.schema) for group in found] == [(f"{UUID}:1", "DROP TABLE t", "b")]


def test_a_packed_transaction_of_mysql_is_whole() -> None:
    [found] = fed("mysql", mysql_gtid(1), raw(Kind.PAYLOAD, b"packed"))
    assert (found.statement, found.tables) == (None, frozenset())


def test_mysql_tells_the_time_to_the_microsecond_where_it_tells_it() -> None:
    found = fed("mysql", mysql_gtid(1), query("x"), mysql_gtid(2, micro=0), query("x"))
    assert [(group.time, group.precise) for group in found] == [(1000.123456, True), (1000.0, False)]
    # Of a transaction from another server a second time follows: the first has a mark then.
    [found_marked] = fed("mysql", mysql_gtid(1, micro=1_000_123_456 | 1 << 55), query("x"))
    assert found_marked.time == 1000.123456


def test_a_log_without_gtids_has_transactions_without() -> None:
    [found] = fed("mysql", mysql_gtid(1, Kind.ANONYMOUS), query("x"))
    assert found.gtid == ""


def test_a_transaction_that_is_cut_off_by_a_new_beginning_is_none() -> None:
    assert [group.gtid for group in fed("mariadb", gtid(1), table("a", "t"), description(), xid(), gtid(2), xid())] == [
        "0-5-2"
    ]
    assembler = Assembler("mariadb")
    assembler.feed(description())
    assembler.feed(gtid(1))
    assert assembler.open
    assembler.drop()
    assert not assembler.open
    assert assembler.feed(xid()) is None


def test_long_statements_and_many_tables_are_cut() -> None:
    [found] = fed("mariadb", gtid(1, 1), query("é" * 10_000))
    assert found.statement == "é" * binlog.MAX_STATEMENT
    [found] = fed("mariadb", gtid(1), *(table("a", f"t{number}") for number in range(1100)), xid())
    assert len(found.tables) == binlog.MAX_TABLES


def test_a_packed_statement_of_mariadb_is_read() -> None:
    text = b"create table t(i int)" + b" " * 100_000
    packed = bytes([0x80 | 3]) + len(text).to_bytes(3, "big") + zlib.compress(text)
    head = struct.pack("<IIBHH", 1, 0, 1, 0, 0) + b"a\0"
    [found] = fed("mariadb", gtid(1, 1), raw(Kind.QUERY_COMPRESSED, head + packed))
    assert str(found.statement).startswith("create table t(i int)  ")
    assert len(str(found.statement)) == binlog.MAX_STATEMENT
    for wrong in (b"", b"\x03" + packed[1:], packed[:4] + b"no zlib"):
        with pytest.raises(Damaged):
            fed("mariadb", gtid(1, 1), raw(Kind.QUERY_COMPRESSED, head + wrong))


@pytest.mark.parametrize("body", [b"", b"\2", b"\2\x7a\0\2", b"\4\x7a\0" + bytes(200), b"\2\x7a\0\0\2\4", b"\xff" * 8])
def test_a_tagged_gtid_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(Damaged):
        fed("mysql", raw(Kind.TAGGED_GTID, body))


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16_383, 16_384, 2**31, 2**56 - 1, 2**56, 2**64 - 1])
def test_numbers_of_variable_length(number: int) -> None:
    size = next((size for size in range(1, 9) if number < 2 ** (7 * size)), 9)
    ones = (1 << (size - 1)) - 1
    encoded = (number << 8 | 0xFF) if size == 9 else number << size | ones
    assert events._Numbers(encoded.to_bytes(size, "little")).take() == number


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"SQLite format 3")
    with pytest.raises(Damaged, match="no binary log"):
        list(read(path, "mariadb"))
    assert complete_end(path, "mariadb") == 0
    path.write_bytes(HEADER + bytes(100))
    with pytest.raises(Damaged, match="cannot have 0 bytes"):
        list(read(path, "mariadb"))


def test_damage_in_the_middle_is_told_and_what_is_before_it_is_whole(tmp_path: Path) -> None:
    path, first = tmp_path / "x", HEADER + description() + gtid(1) + xid()
    content = bytearray(first + gtid(2) + xid())
    content[-30] ^= 1
    path.write_bytes(content)
    found = read(path, "mariadb")
    assert next(found).gtid == "0-5-1"
    with pytest.raises(Damaged):
        next(found)
    assert complete_end(path, "mariadb") == len(first)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25)
def test_wherever_a_real_log_is_cut_off_it_ends_with_a_transaction(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = (SAMPLES / name).read_bytes()
    whole = list(read(SAMPLES / name, engine_of(name)))
    at = data.draw(st.integers(0, len(content)))
    path = tmp_path_factory.getbasetemp() / "cut.bin"
    path.write_bytes(content[:at])
    assert list(read(path, engine_of(name))) == [group for group in whole if group.end <= at]
    end = complete_end(path, engine_of(name))
    assert max((group.end for group in whole if group.end <= at), default=0) <= end <= at
    path.write_bytes(content[:end])
    assert complete_end(path, engine_of(name)) == end


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25)
def test_a_real_log_with_another_byte_is_read_or_damaged(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray((SAMPLES / name).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "other.bin"
    path.write_bytes(content)
    try:
        list(read(path, engine_of(name)))
    except Damaged as error:
        assert "\n" not in str(error)
    assert complete_end(path, engine_of(name)) <= len(content)


bodies = st.binary(max_size=80)
kinds = st.sampled_from([2, 4, 15, 16, 19, 26, 33, 34, 38, 40, 42, 162, 165]) | st.integers(0, 255)


@given(st.lists(st.builds(raw, kinds, bodies), max_size=8), st.sampled_from(["mariadb", "mysql"]))
def test_garbage_is_ignored_or_damaged(raws: list[bytes], engine: str) -> None:
    assembler = Assembler(engine)
    assembler.feed(description())
    for one in raws:
        try:
            assembler.feed(one)
        except Damaged as error:
            assert "\n" not in str(error)


@given(st.binary(max_size=100))
def test_bytes_that_are_no_event_are_damaged(content: bytes) -> None:
    with pytest.raises(Damaged):
        Assembler("mariadb").feed(content)
