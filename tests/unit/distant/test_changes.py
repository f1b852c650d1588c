"""The changes of one database in a stream of events: logs of real servers, and what an application might write."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.distant import changes as module
from dbhandler.distant import events
from dbhandler.distant.changes import Changed, Changes, Transaction
from dbhandler.distant.events import Damaged, Event, Kind
from dbhandler.distant.position import Position
from dbhandler.errors import DbHandlerError
from tests.support.binlog import FORMAT, HEARTBEAT, ROTATE, XID, gtid, raw

SAMPLES = Path(__file__).parents[1] / "backup" / "samples"
_ENDS, _STANDALONE = 1, 1


def table(number: int, schema: str, name: str = "t") -> bytes:
    there = [bytes([len(word.encode())]) + word.encode() + b"\0" for word in (schema, name)]
    return raw(Kind.TABLE_MAP, number.to_bytes(6, "little") + b"\1\0" + b"".join(there) + b"\1\3\0\1")


def rows(number: int, ends: bool = True, what: bytes = b"row", kind: int = 30) -> bytes:
    return raw(kind, number.to_bytes(6, "little") + struct.pack("<H", ends * _ENDS) + what)


def query(text: str, schema: str = "shop") -> bytes:
    name = schema.encode()
    return raw(Kind.QUERY, struct.pack("<IIBHH", 1, 0, len(name), 0, 0) + name + b"\0" + text.encode())


def alone(number: int) -> bytes:
    return raw(Kind.MARIADB_GTID, struct.pack("<QIB6x", number, 0, _STANDALONE))


def mysql_gtid(number: int, kind: int = Kind.MYSQL_GTID) -> bytes:
    return raw(kind, struct.pack("<B16sqBqq", 1, bytes(16), number, 2, 0, 1) + bytes(7))


def fed(*stream: bytes, database: str = "shop", engine: str = "mariadb") -> list[Transaction]:
    changes = Changes(database, engine)
    return [found for found in map(changes.transaction, [FORMAT, *stream]) if found]


def inside(statement: bytes, checksummed: bool = True) -> list[Event]:
    """The events in a BINLOG statement; each with the checksum that it should have."""
    assert statement.startswith(b"BINLOG '") and statement.endswith(b"'") and b"\\" not in statement
    found = [base64.b64decode(line) for line in statement[len(b"BINLOG '") : -1].split(b"\n")]
    return [events.event(one, checksummed) for one in found]


def kinds(statement: bytes) -> list[int]:
    return [one.kind for one in inside(statement)]


def schemas(statements: Sequence[bytes], checksummed: bool = True) -> set[str]:
    found = [one for statement in statements for one in inside(statement, checksummed) if one.kind == Kind.TABLE_MAP]
    return {events.table(one).partition(".")[0] for one in found}


# --- real logs ---


def raws(name: str) -> list[bytes]:
    data, place, found = (SAMPLES / name).read_bytes(), len(events.HEADER), list[bytes]()
    while place < len(data):
        [size] = struct.unpack_from("<I", data, place + 9)
        found.append(data[place : place + size])
        place += size
    return found


def of_sample(name: str, database: str) -> tuple[list[Transaction], list[str]]:
    """What comes of a sample, and what it says of what cannot be passed on."""
    engine = "mysql" if name.startswith("mysql") else "mariadb"
    changes, found, refused = Changes(database, engine), list[Transaction](), list[str]()
    for one in raws(name):
        try:
            if transaction := changes.transaction(one):
                found.append(transaction)
        except DbHandlerError as error:
            refused.append(str(error))
    return found, refused


@pytest.mark.parametrize("name", ["mariadb.bin", "mariadb-plain.bin", "mariadb-packed.bin", "mariadb-second.bin"])
def test_a_database_that_a_real_log_does_not_name_has_no_changes_and_loses_no_transaction(name: str) -> None:
    found, refused = of_sample(name, "nobodys")
    assert refused == [] and not any(one.statements for one in found)
    position = Position.parse("", "mariadb")
    for one in found:
        assert not position.holds(one.gtid)
        position = position.after(one.gtid)
    assert str(position) == ("0-5-33" if "second" not in name else "0-5-42,3-9-2")
    assert len(found) == (33 if "second" not in name else 11)


def test_packed_transactions_of_mysql_are_refused_and_nothing_else() -> None:
    found, refused = of_sample("mysql.bin", "nobodys")
    assert len(refused) == 2 and all("compressed" in one for one in refused)
    assert not any(one.statements for one in found)
    numbers = [one.gtid.rpartition(":")[2] for one in found]
    # XA transactions (14 to 18) of others are theirs alone.
    assert set(map(str, range(1, 33))) - set(numbers) == {"27", "28"}


@pytest.mark.parametrize("name", ["mariadb.bin", "mariadb-packed.bin", "mysql.bin", "mysql-plain.bin"])
def test_rows_of_a_real_log_come_as_statements_of_this_database_alone(name: str) -> None:
    found, refused = of_sample(name, "a")
    assert any(one.statements for one in found)
    for one in found:
        assert schemas(one.statements, "plain" not in name) <= {"a"}
        for statement in one.statements:
            *_, last = inside(statement, "plain" not in name)
            assert last.kind in module.ROWS and struct.unpack_from("<H", last.body, 6)[0] & _ENDS
    # Each statement that makes or changes a table, and XA with rows of it.
    assert any("create table" in one.lower() for one in refused) and any("XA" in one for one in refused)


# --- rows ---


def test_rows_of_others_in_the_same_statement_stay_where_they_are() -> None:
    """An UPDATE of two databases ends with the rows of the other one."""
    ours, theirs = table(7, "shop"), table(8, "blog")
    [found] = fed(gtid(1), ours, theirs, rows(7, ends=False, what=b"mine"), rows(8, what=b"theirs"), XID)
    assert found.gtid == "0-5-1"
    [statement] = found.statements
    assert kinds(statement) == [Kind.TABLE_MAP, 30] and schemas([statement]) == {"shop"}
    last = inside(statement)[-1]
    assert last.body == (7).to_bytes(6, "little") + struct.pack("<H", _ENDS) + b"mine"
    assert found.size == len(statement)


@pytest.mark.parametrize("other", ["shop2", "sho", "Shop", "SHOP", "shop.", "shop.t", "", "a.shop", "shop\0", "`shop`"])
def test_a_database_of_nearly_that_name_is_another_one(other: str) -> None:
    [found] = fed(gtid(1), table(7, other, "shop"), rows(7), XID)
    assert found == Transaction("0-5-1")


@pytest.mark.parametrize("name", ["a.b", "we`ird", "50%", "sh_p", "it's", 'a"b', "ünï", "x" * 64])
def test_a_database_of_any_name_gets_its_rows(name: str) -> None:
    [found] = fed(gtid(1), table(7, name), rows(7), XID, database=name)
    assert schemas(found.statements) == {name.partition(".")[0]} and len(found.statements) == 1


def test_a_table_whose_name_holds_a_point_or_a_quote_is_told_apart() -> None:
    [found] = fed(gtid(1), table(7, "shop.x", "t"), table(8, "shop", "x.t'\\"), rows(7, ends=False), rows(8), XID)
    assert [kinds(one) for one in found.statements] == [[Kind.TABLE_MAP, 30]]
    assert inside(found.statements[0])[0].body == events.event(table(8, "shop", "x.t'\\"), True).body


def test_many_rows_are_several_statements_each_with_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 100)
    parts = [rows(number, ends=number == 9, what=bytes(60)) for number in (7, 7, 8, 7, 9)]
    [found] = fed(gtid(1), *(table(number, "shop", f"t{number}") for number in (7, 8, 9)), *parts, XID)
    counted = [kinds(one) for one in found.statements]
    assert [one.count(30) for one in counted] == [2, 2, 1]
    assert [one.count(Kind.TABLE_MAP) for one in counted] == [1, 2, 1]
    for statement in found.statements:
        *before, last = [one for one in inside(statement) if one.kind == 30]
        assert struct.unpack_from("<H", last.body, 6)[0] & _ENDS
        assert not any(struct.unpack_from("<H", one.body, 6)[0] & _ENDS for one in before)


def test_what_a_table_is_called_by_holds_for_its_statement_alone() -> None:
    stream = [gtid(1), table(7, "shop"), rows(7), table(7, "blog"), rows(7, what=b"theirs"), XID]
    [found] = fed(*stream)
    assert len(found.statements) == 1 and b"theirs" not in inside(found.statements[0])[-1].body
    with pytest.raises(Damaged, match="not told"):
        fed(gtid(1), table(7, "shop"), rows(7), rows(7, ends=False), XID)


def test_an_end_without_rows_ends_the_statement() -> None:
    """MySQL writes one where the last rows were not to be written."""
    [found] = fed(
        mysql_gtid(1), query("BEGIN"), table(7, "shop"), rows(7, ends=False), rows(0xFFFFFF), XID, engine="mysql"
    )
    assert [kinds(one) for one in found.statements] == [[Kind.TABLE_MAP, 30]]


def test_without_checksums_none_is_made() -> None:
    def bare(one: bytes) -> bytes:
        return one[:9] + struct.pack("<I", len(one) - 4) + one[13:-4]

    plain = raw(15, struct.pack("<H50sIB", 4, b"11.8.9-MariaDB", 0, 19) + bytes([1] * 40) + b"\0")
    changes = Changes("shop", "mariadb")
    found = [changes.transaction(one) for one in (plain, *map(bare, (gtid(1), table(7, "shop"), rows(7), XID)))]
    assert found[-1] is not None
    [statement] = found[-1].statements
    parts = [base64.b64decode(line) for line in statement[8:-1].split(b"\n")]
    assert [events.event(one, False).kind for one in parts] == [Kind.TABLE_MAP, 30]


def test_the_format_is_told_as_it_came_and_nothing_of_the_stream_itself() -> None:
    changes = Changes("shop", "mariadb")
    assert changes.format == b""
    assert [changes.transaction(one) for one in (ROTATE, FORMAT, HEARTBEAT)] == [None] * 3
    assert changes.format == b"BINLOG '" + base64.b64encode(FORMAT) + b"'"


# --- what a crash leaves, and what is undone ---


@pytest.mark.parametrize("between", [[FORMAT], []], ids=["a new file", "the next one"])
@pytest.mark.parametrize("ends", [True, False])
def test_what_the_source_did_not_finish_is_not_made(between: list[bytes], ends: bool) -> None:
    found = fed(gtid(1), table(7, "shop"), rows(7, ends, b"lost"), *between, gtid(2), table(8, "shop"), rows(8), XID)
    assert [one.gtid for one in found] == ["0-5-2"]
    assert len(found[0].statements) == 1 and b"lost" not in b"".join(one.body for one in inside(found[0].statements[0]))


@pytest.mark.parametrize("text", ["ROLLBACK", "ROLLBACK TO `x`", "rollback to SAVEPOINT x"])
def test_rows_that_are_taken_back_in_part_are_copied_anew(text: str) -> None:
    with pytest.raises(Changed, match="taken back"):
        fed(gtid(1), table(7, "shop"), rows(7), query(text, "blog"), query("COMMIT"))
    # Another database's are nobody's matter.
    found = fed(gtid(1), table(7, "blog"), rows(7), query(text, "blog"), *([] if text == "ROLLBACK" else [XID]))
    assert found == [Transaction("0-5-1")]


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
@pytest.mark.parametrize("schema", ["shop", "blog"])
def test_a_transaction_of_several_servers_is_read_where_it_is_anothers(engine: str, schema: str) -> None:
    begin = [gtid(1)] if engine == "mariadb" else [mysql_gtid(1), query("XA START X'78',X'',1", schema)]
    stream = [*begin, table(7, schema), rows(7), query("XA END X'78',X'',1", schema), raw(Kind.XA_PREPARE, b"x")]
    if schema == "shop":
        with pytest.raises(DbHandlerError, match="XA"):
            fed(*stream, engine=engine)
    else:
        [found] = fed(*stream, engine=engine)
        assert found.gtid.endswith("1") and found.statements == ()


@pytest.mark.parametrize("kind", [Kind.INCIDENT, Kind.LOADED, Kind.PAYLOAD])
def test_what_cannot_be_read_ends_it_for_good(kind: int) -> None:
    with pytest.raises(DbHandlerError) as caught:
        fed(gtid(1), raw(kind, b"x"))
    assert not isinstance(caught.value, Changed)


def test_a_log_without_gtids_is_refused() -> None:
    with pytest.raises(DbHandlerError, match="no GTIDs"):
        fed(mysql_gtid(1, Kind.ANONYMOUS), query("BEGIN"), XID, engine="mysql")


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_a_statement_alone_has_its_number(engine: str) -> None:
    first = alone(1) if engine == "mariadb" else mysql_gtid(1)
    [found] = fed(first, query("CREATE TABLE t (i int)", "blog"), engine=engine)
    assert (found.gtid.rpartition("-")[2].rpartition(":")[2].lstrip("0") or "1") and found.statements == ()


# --- statements ---

OWN = [
    "CREATE TABLE t (i int)",
    "create table t as select 1",
    "TRUNCATE TABLE t",
    "ALTER TABLE t ADD j int",
    "DROP TABLE t",
    "/* x */ DROP TABLE t",
    "-- x\nDROP TABLE t",
    "SET STATEMENT max_statement_time=1 FOR TRUNCATE TABLE t",
    "SET  STATEMENT lock_wait_timeout=1 FOR ALTER TABLE t ADD k int",
    "SET\nSTATEMENT a=1 FOR DROP TABLE t",
    "CREATE DEFINER=`shop`@`%` TRIGGER tr AFTER INSERT ON t FOR EACH ROW SET @a = 1",
    "CREATE VIEW event AS SELECT 1",
    "CREATE DEFINER=`a b`@`%` PROCEDURE EVENT() SELECT 1",
    "insert into t values (1)",
    "RENAME TABLE t TO u",
    "CREATE OR REPLACE TABLE user (i int)",
    "ALTER DATABASE CHARACTER SET latin1",
    "DROP VIEW v",
    "",
    "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u",
    "LOAD DATA INFILE 'x' INTO TABLE t",
    "CALL p()",
    "CREATE DEFINER=`x` EVENTUAL",
    "DROP TABLE IF EXISTS `temporary`",
    "CREATE SEQUENCE s",
    "TRUNCATE t",
]


@pytest.mark.parametrize("text", OWN)
@pytest.mark.parametrize("schema", ["shop", "SHOP"])
def test_a_statement_in_the_database_has_it_copied_anew(text: str, schema: str) -> None:
    with pytest.raises(Changed, match="'shop' holds was changed by a statement"):
        fed(alone(1), query(text, schema))


NOTHING = [
    "BEGIN",
    "COMMIT",
    "SAVEPOINT x",
    "RELEASE SAVEPOINT x",
    "GRANT SELECT ON shop.* TO x",
    "REVOKE ALL ON shop.* FROM x",
    "FLUSH TABLES",
    "ANALYZE TABLE shop.t",
    "OPTIMIZE TABLE shop.t",
    "CREATE USER shop",
    "ALTER USER shop ACCOUNT LOCK",
    "DROP USER IF EXISTS 'shop'@'%'",
    "CREATE OR REPLACE USER x",
    "SET PASSWORD FOR 'shop'@'%'='x'",
    "SET DEFAULT ROLE x",
    "DROP TEMPORARY TABLE IF EXISTS `shop`.`t`",
    "DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `shop`.`t`",
    "CREATE DEFINER=`shop`@`%` EVENT shop.e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
    "DROP EVENT shop.e",
    "XA COMMIT 'x'",
    "ALTER EVENT shop.e DISABLE",
    "CREATE ROLE shop",
]


@pytest.mark.parametrize("text", NOTHING)
def test_what_changes_neither_rows_nor_definitions_goes_on(text: str) -> None:
    fed(gtid(1), query(text), XID)
    fed(alone(1), query(text.lower()))


MENTIONED = [
    "TRUNCATE TABLE shop.t",
    "TRUNCATE TABLE `shop`.`t`",
    'TRUNCATE TABLE "shop"."t"',
    "TRUNCATE TABLE SHOP.t",
    "truncate shop . t",
    "truncate shop/* x */./* y */t",
    "TRUNCATE /*!50000 shop*/.t",
    "TRUNCATE /*M!100000 `shop` */ . t",
    "ALTER TABLE shop\n.t ADD j int",
    "RENAME TABLE blog.t TO shop.t",
    "DROP TABLE blog.t,shop.t",
    "CREATE TABLE shop.`x.y` (i int)",
    "DROP DATABASE shop",
    "DROP DATABASE IF EXISTS `shop`",
    'ALTER SCHEMA "shop" CHARACTER SET latin1',
    "CREATE DATABASE IF NOT EXISTS shop",
    "ALTER DATABASE /* x */ shop CHARACTER SET latin1",
    "DROP SCHEMA shop",
    "SET STATEMENT max_statement_time=1 FOR TRUNCATE TABLE shop.t",
    "CREATE TRIGGER shop.tr BEFORE INSERT ON t FOR EACH ROW SET @a=1",
    "ALTER TABLE t RENAME `shop`.t",
    "DROP /*!50000 DATABASE */ `shop`",
]


@pytest.mark.parametrize("text", MENTIONED)
@pytest.mark.parametrize("schema", ["blog", ""])
def test_a_statement_elsewhere_that_names_the_database_has_it_copied_anew(text: str, schema: str) -> None:
    with pytest.raises(Changed, match=", in 'blog'" if schema else ", in 'no database'"):
        fed(alone(1), query(text, schema))


OTHERS = [
    "CREATE TABLE shop (i int)",
    "CREATE TABLE t (shop int, `shop` int)",
    "TRUNCATE shop2.t",
    "TRUNCATE my_shop.t",
    "TRUNCATE `shop-2`.t",
    "TRUNCATE `my-shop`.t",
    "TRUNCATE shop$.t",
    "DROP DATABASE shop2",
    "DROP DATABASE `shop-2`",
    "CREATE TABLE t (i int) COMMENT 'shop'",
    "ALTER TABLE `shop` ADD i int",
    "TRUNCATE workshop.t",
    "DROP DATABASE workshop",
    "CREATE TABLE t (i int DEFAULT 5) /* shop */",
    "TRUNCATE shöp.t",
    "DROP TABLE shop, t",
    "INSERT INTO shop VALUES (.5)",
]


@pytest.mark.parametrize("text", OTHERS)
def test_a_statement_of_others_is_nobodys_matter(text: str) -> None:
    assert fed(alone(1), query(text, "blog")) == [Transaction("0-5-1")]


@pytest.mark.parametrize(
    ("database", "text"),
    [
        ("we`ird", "TRUNCATE `we``ird`.t"), ('a"b', 'TRUNCATE "a""b".t'), ("a.b", "TRUNCATE `a.b`.t"),
        ("50%", "DROP DATABASE `50%`"), ("s*p", "TRUNCATE `s*p`.t"), ("it's", "TRUNCATE `it's`.t"),
        ("{name}", "TRUNCATE `{name}`.t"), ("shop-2", "TRUNCATE `shop-2`.t"), ("ünï", "TRUNCATE ÜNÏ.t"),
        ("a\\b", "TRUNCATE `a\\b`.t"), ("(", "TRUNCATE `(`.t"),
    ],
)  # fmt: skip
def test_a_name_is_a_name_whatever_it_holds(database: str, text: str) -> None:
    with pytest.raises(Changed):
        fed(alone(1), query(text, "blog"), database=database)
    assert fed(alone(1), query("TRUNCATE other.t", "blog"), database=database)


def test_a_long_statement_of_others_is_read_to_its_end() -> None:
    words = ", ".join(f"c{number} int" for number in range(3000))
    assert fed(alone(1), query(f"CREATE TABLE t ({words})", "blog")) == [Transaction("0-5-1")]
    with pytest.raises(Changed):
        fed(alone(1), query(f"CREATE TABLE t ({words}) SELECT * FROM shop.t", "blog"))


def test_of_a_statement_that_is_too_long_nobody_knows_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TEXT", 100)
    for text in ("x" * 200, " " * 99 + "DROP TABLE shop.t", " " * 200):
        with pytest.raises(Changed):
            fed(alone(1), query(text, "blog"))
    assert fed(alone(1), query("x" * 99, "blog"))


def test_a_packed_statement_is_read() -> None:
    text = b"TRUNCATE TABLE shop.t"
    packed = bytes([0x80 | 1, len(text)]) + zlib.compress(text)
    with pytest.raises(Changed):
        fed(alone(1), raw(Kind.QUERY_COMPRESSED, struct.pack("<IIBHH", 1, 0, 4, 0, 0) + b"blog\0" + packed))


def test_what_is_told_of_a_statement_is_short_and_of_one_line() -> None:
    with pytest.raises(Changed) as caught:
        fed(alone(1), query("TRUNCATE\n\x1b[2J shop.t " + "x" * 500, "bl\nog"))
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value) and len(str(caught.value)) < 250


@given(st.lists(st.builds(raw, st.integers(0, 255), st.binary(max_size=60)), max_size=8))
def test_garbage_is_ignored_or_told(stream: list[bytes]) -> None:
    changes = Changes("shop", "mariadb")
    for one in [FORMAT, gtid(1), *stream]:
        try:
            changes.transaction(one)
        except DbHandlerError as error:
            assert "\n" not in str(error)
