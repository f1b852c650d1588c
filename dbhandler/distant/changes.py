"""Pure: the changes of one database in a stream of events, as statements that make them on another server.

Rows are passed on as they stand in the log, in BINLOG statements, which name one table each and change nothing else
whatever they hold. A statement (a table that is made or changed) is not carried out: it was the application's to write,
and nobody could say with whose rights. It ends the stream, and the database is copied anew.

Sources: MySQL 9.7 Source Code Documentation, "Table_map_event" and "Rows_event"; MySQL 9.7 Reference Manual, 15.7.8.1
("BINLOG Statement").
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbhandler.distant import events
from dbhandler.distant.events import Damaged, Event, Kind
from dbhandler.errors import DbHandlerError
from dbhandler.log import shown

ROWS = frozenset({23, 24, 25, 30, 31, 32, 39, *range(166, 172)})
"""Kinds of events with rows, of either engine; those of MariaDB from 166 on are packed."""
MOST = 1 << 20
"""Bytes of events in one statement, unless a single event is larger."""
_END = 0x0001
"""The flag of the last event of a statement."""
_FLAGS_AT = events.HEAD + 6
_CRC = 4
_FL_STANDALONE = 1
_NOTHING = re.compile(
    r"(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE SAVEPOINT|XA |GRANT|REVOKE|FLUSH|ANALYZE|OPTIMIZE|CHECK|REPAIR"
    # Not SET STATEMENT ... FOR TRUNCATE.
    r"|SET (PASSWORD|DEFAULT ROLE)\b"
    r"|(CREATE|ALTER|DROP|RENAME) (OR REPLACE )?(USER|ROLE)\b|DROP (/\*!40005 )?TEMPORARY\b"
    r"|(CREATE|ALTER|DROP) (OR REPLACE )?(DEFINER\s?=\s?\S+ )?EVENT\b)", re.IGNORECASE,
)  # fmt: skip
"""How statements begin that change neither a table's rows nor what is compared: events come with the switch."""
_ENDS = ("COMMIT", "ROLLBACK")
MOST_TEXT = 1 << 20
"""Characters of a statement that are looked at: of a longer one nobody knows what it names."""
_SPACE = r"(?:\s|/\*.*?\*/)*"
_MENTION = (
    rf"(?<![\w$-]){{name}}(?![\w$-])[`\"]?{_SPACE}\."
    rf"|(?:DATABASE|SCHEMA){_SPACE}(?:IF{_SPACE}(?:NOT{_SPACE})?EXISTS{_SPACE})?[`\"]?{{name}}(?![\w$-])"
)
"""How a statement names another database than the one that it was made in."""
_CONDITION = re.compile(r"/\*M?!\d*|\*/")
"""Around what is no comment."""


class Changed(DbHandlerError):
    """Something in the database was made, changed or removed that is not a row."""


@dataclass(frozen=True)
class Transaction:
    """One transaction of the source: its GTID, and what it does in the database, as statements (none: nothing)."""

    gtid: str
    statements: Sequence[bytes] = ()
    size: int = 0


class Changes:
    """The changes of `database`. `transaction` is to be given every event of the stream, in its order."""

    def __init__(self, database: str, engine: str) -> None:
        self._database, self._engine = database, engine
        quoted = re.escape(database).replace("`", "``?").replace('"', '""?')
        self._mentioned = re.compile(_MENTION.format(name=quoted), re.IGNORECASE | re.DOTALL)
        self._checksummed = True
        self._gtid: str | None = None
        self._alone = False
        self._tables: dict[int, bytes] = {}
        self._all_tables: dict[int, str] = {}
        self._rows: list[tuple[int, bytes]] = []
        self._statements: list[bytes] = []
        self.format = b""
        """The statement that a connection has to be told first; empty until it is known."""

    def transaction(self, raw: bytes) -> Transaction | None:
        """The transaction that ends with this event; None where none does. Raises Changed, Damaged, or DbHandlerError
        for what cannot be passed on."""
        kind = events.kind_of(raw)
        if kind == Kind.FORMAT:
            self._checksummed = events.has_checksums(events.event(raw, True))
            self.format = _binlog([raw])
            self._forget()
            return None
        if events.is_for_replica(raw) or kind == Kind.ROTATE:
            return None
        return self._taken(raw, events.event(raw, self._checksummed))

    def _taken(self, raw: bytes, event: Event) -> Transaction | None:
        match event.kind:
            case Kind.MARIADB_GTID:
                self._forget()
                self._gtid, flags = events.mariadb_gtid(event)
                self._alone = bool(flags & _FL_STANDALONE)
            case Kind.MYSQL_GTID | Kind.TAGGED_GTID | Kind.ANONYMOUS:
                # One statement alone, unless BEGIN follows.
                self._forget()
                (self._gtid, _), self._alone = events.mysql_gtid(event), True
            case Kind.TABLE_MAP:
                self._table(raw, event)
            case Kind.QUERY | Kind.QUERY_COMPRESSED:
                return self._query(events.query(event, MOST_TEXT))
            case Kind.XID:
                return self._ended()
            case Kind.PAYLOAD:
                raise DbHandlerError("its binary log is compressed (binlog_transaction_compression): this is not read")
            case Kind.XA_PREPARE if not self._statements:
                return self._ended()
            case Kind.INCIDENT | Kind.XA_PREPARE | Kind.LOADED:
                raise DbHandlerError(
                    "its binary log tells of an accident, of an XA transaction, or of files (LOAD DATA)"
                )
            case _ if event.kind in ROWS:
                self._row(raw, event)
        return None

    def _table(self, raw: bytes, event: Event) -> None:
        number, schema = _number(event), events.table(event).partition(".")[0]
        self._all_tables[number] = schema
        if self._is_ours(event):
            self._tables[number] = raw

    def _is_ours(self, event: Event) -> bool:
        # A point in a name would mislead whoever reads "db.table".
        return event.body[9 : 9 + event.body[8]] == self._database.encode()

    def _row(self, raw: bytes, event: Event) -> None:
        if len(event.body) < _FLAGS_AT - events.HEAD + 2:
            raise Damaged("an event of the binary log is too short")
        number = _number(event)
        ends = bool(struct.unpack_from("<H", event.body, _FLAGS_AT - events.HEAD)[0] & _END)
        if number in self._tables:
            self._rows.append((number, raw))
        elif number not in self._all_tables and not ends:
            raise Damaged("an event of the binary log has rows of a table that was not told")
        if ends:
            self._statements += self._statement()
            self._tables, self._all_tables, self._rows = {}, {}, []

    def _statement(self) -> Iterator[bytes]:
        """BINLOG statements for the rows of one statement, each with all tables that it needs."""
        chunk: list[tuple[int, bytes]] = []
        for number, raw in self._rows:
            chunk.append((number, raw))
            if sum(len(one) for _, one in chunk) >= MOST:
                yield self._packed(chunk)
                chunk = []
        if chunk:
            yield self._packed(chunk)

    def _packed(self, chunk: Sequence[tuple[int, bytes]]) -> bytes:
        *before, (_, last) = chunk
        needed = [self._tables[number] for number in dict.fromkeys(number for number, _ in chunk)]
        return _binlog([*needed, *(raw for _, raw in before), self._ending(last)])

    def _ending(self, raw: bytes) -> bytes:
        """The event as the last one of a statement: what follows there is another one's, or another database's."""
        [flags] = struct.unpack_from("<H", raw, _FLAGS_AT)
        marked = raw[:_FLAGS_AT] + struct.pack("<H", flags | _END) + raw[_FLAGS_AT + 2 :]
        if not self._checksummed:
            return marked
        return marked[:-_CRC] + struct.pack("<I", zlib.crc32(marked[:-_CRC]))

    def _query(self, query: events.Query) -> Transaction | None:
        text = query.text.lstrip()
        if text.upper() == "BEGIN" or text.upper().startswith("XA START "):
            self._alone = False
            return None
        if self._statements and text.upper().startswith("ROLLBACK"):
            raise Changed(f"rows of {shown(self._database)} were written and taken back, of which others stayed")
        self._check(query, text)
        if self._alone or text.upper() in _ENDS:
            return self._ended()
        return None

    def _check(self, query: events.Query, text: str) -> None:
        if _NOTHING.match(text):
            return
        is_own, is_cut = query.schema.lower() == self._database.lower(), len(query.text) >= MOST_TEXT
        if is_own or is_cut or self._mentioned.search(text) or self._mentioned.search(_CONDITION.sub(" ", text)):
            where = "" if is_own else f", in {shown(query.schema or 'no database')}"
            raise Changed(f"what {shown(self._database)} holds was changed by a statement{where}: {shown(text, 60)}")

    def _forget(self) -> None:
        """What has begun and not ended nobody has carried out: the source has crashed."""
        self._gtid, self._statements = None, []
        self._tables, self._all_tables, self._rows = {}, {}, []

    def _ended(self) -> Transaction | None:
        gtid, statements, self._gtid, self._statements = self._gtid, self._statements, None, []
        if gtid is None:
            return None
        if gtid == "":
            raise DbHandlerError("its binary log has no GTIDs (gtid_mode)")
        return Transaction(gtid, tuple(statements), sum(map(len, statements)))


def _number(event: Event) -> int:
    """The number by which the events of a statement name a table."""
    return int.from_bytes(event.body[:6], "little")


def _binlog(raw: Sequence[bytes]) -> bytes:
    return b"BINLOG '" + b"\n".join(base64.b64encode(one) for one in raw) + b"'"
