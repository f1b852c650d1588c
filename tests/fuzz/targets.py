"""What is fuzzed: each target takes any bytes, carries them as far as they get, and asserts what has to hold there.

`make fuzz` runs them under a coverage-guided fuzzer, tests/unit/test_fuzz.py with a few hundred inputs each.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import msgpack
from nacl.public import PublicKey, SealedBox

from dbhandler.address import is_host
from dbhandler.client.connection import FORMATS, Connection
from dbhandler.client.discovery import find_server, hosts_of
from dbhandler.client.one_server import ask_server
from dbhandler.client.state import State, StateFile
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, Unavailable
from dbhandler.group.node import nodes_of
from dbhandler.provisioning.provision import Provisioner
from dbhandler.proxy.nodes import ready_nodes
from dbhandler.requests.answer import MAX_BYTES, encode
from dbhandler.requests.answer_record import parse as parse_answer
from dbhandler.requests.box import Credentials, Keys, seal
from dbhandler.requests.payload import parse
from dbhandler.requests.policy import Policy
from dbhandler.requests.reserved_names import folder_name
from dbhandler.serf.members import checked
from dbhandler.serf.membership import Membership
from dbhandler.serf.output import relay
from dbhandler.serf.rpc import Serf
from dbhandler.serf.stream import Record, Stream
from dbhandler.spool import MAX_LTIME, Spool
from dbhandler.status.servers import cluster_status, database_members
from dbhandler.status.table import table
from dbhandler.volume.data_dir import examine
from tests.support.fakes import Remembering
from tests.support.strict_server import WIDE, StrictServer

FOLDER = Path(tempfile.mkdtemp(prefix="dbhandler-fuzz-"))
KEYS = Keys(FOLDER / "key")
BOX = SealedBox(PublicKey(base64.b64decode(KEYS.public)))
HONEST = {
    "Name": "db1", "Addr": b"\x0a\x00\x00\x01", "Port": 7946, "Status": "alive",
    "Tags": {"role": "db", "mysql": "ready", "key": KEYS.public, "port": "3306", "cluster": "shop"},
}  # fmt: skip
STATE = State("shop", "shop", "a password of the shop", key=KEYS.public)


def payload(data: bytes) -> None:
    """A payload as it came, and once more in a box closed with the server's own key."""
    _carry_out(data, Policy())
    _carry_out(data, WIDE)
    sealed = base64.b64encode(BOX.encrypt(data)).decode()
    _carry_out(json.dumps({"database": "shop", "sealed": sealed}).encode(), WIDE)


def _carry_out(content: bytes, policy: Policy) -> None:
    try:
        requests = parse(content)
    except InvalidRequest as error:
        outcomes = [encode({"status": "invalid", "reason": str(error)})]
    else:
        worker = Provisioner(StrictServer(), policy, "mariadb", KEYS, Remembering(), lambda: None)  # type: ignore[arg-type]
        outcomes = [encode({**vars(outcome), "host": "h", "port": 1}) for outcome in worker.create_all(requests)]
    assert all(len(line) <= MAX_BYTES + 1 for line in outcomes)


def member(data: bytes) -> None:
    """Records beside an honest one: everybody who reads members goes on, and finds the honest one."""
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=False, unicode_errors="surrogateescape")
    except Exception:
        value = data
    records = [HONEST, value, {**HONEST, "Name": "db2", "Tags": value}, {**HONEST, "Name": value}]
    if isinstance(value, dict):
        records += [{**HONEST, "Name": "db3", **value}, {**HONEST, "Name": "db4", "Tags": {**HONEST["Tags"], **value}}]  # type: ignore[dict-item]
    members = checked(records)
    assert members[0].name == "db1" and all(found.name.isprintable() for found in members)
    for found in members:
        assert is_host(found.host) and ":" in found.address and ":" in found.server_address
    ready_nodes(members, "shop")
    nodes_of(members, "shop")
    with _agent({"members": {"Members": records}}) as serf, suppress(DbHandlerError):
        server = find_server(serf, "shop", KEYS.public)
        hosts_of(serf, server)
    with _agent({"members": {"Members": records}}) as serf:
        assert table(cluster_status(serf, 0.01)).count("\n") == 1 + len(database_members(members))


def tag(data: bytes) -> None:
    """Texts as the tags of a database."""
    name, _, value = data.decode(errors="surrogateescape").partition("=")
    for text in (name, value):
        for known in ("port", "key", "address", "cluster", "galera", "role", "mysql", "version", text):
            member(msgpack.packb({known: text}, unicode_errors="surrogateescape"))


def answer(data: bytes) -> None:
    """An answer: its sender is not believed, or all of it can be shown and used."""
    with suppress(ValueError):
        told = parse_answer(data)
        assert all(text.isprintable() for text in vars(told).values() if isinstance(text, str))
    honest = checked([HONEST])[0]
    record = {"Type": "response", "From": "db1", "Payload": data}
    with _agent({"query": {}}, record) as serf:
        try:
            made = ask_server(serf, honest, "create_db", STATE, {})
        except DbHandlerError as error:
            assert str(error).isprintable()
            return
    if made.host and made.port:
        connection = Connection("shop", made.host, made.port, "shop", "a password")
        assert FORMATS["my.cnf"](connection, {}).count("\n") == 7
        assert all(value.isprintable() for value in connection.variables().values())


def rpc(data: bytes) -> None:
    """Bytes in place of a Serf agent's replies: one sentence, or something of the right form."""
    for ask in (Serf.self_name, Serf.event_clock, Serf.members, lambda serf: list(serf.query("q", b"", 0.01))):
        with _agent({}, raw=data) as serf:
            try:
                assert isinstance(ask(serf), str | int | list)
            except (Unavailable, Denied) as error:
                assert str(error).isprintable()


def state(data: bytes) -> None:
    """A state file: it is a State, or one sentence, and in any case as it was."""
    path = FOLDER / "state.json"
    path.write_bytes(data)
    try:
        found = StateFile(path).load()
    except DbHandlerError as error:
        assert "state file" in str(error)
    else:
        assert found and seal(KEYS.public, Credentials(found.database, found.user, found.password))
    assert path.read_bytes() == data


def peers(data: bytes) -> None:
    """A list of peers: it is used, or set aside."""
    path = FOLDER / "peers.json"
    path.write_bytes(data)
    refused = mock.Mock(side_effect=Unavailable("no Serf agent"))
    Membership(refused, dict, (), path).look()


def key(data: bytes) -> None:
    """The server's key file: a key, or one sentence, and it stays."""
    path = FOLDER / "other-key"
    path.write_bytes(data)
    with suppress(DbHandlerError):
        Keys(path)
    assert path.read_bytes() == data


def spool(data: bytes) -> None:
    """A file of any name in the spool: an event, or set aside, and the event beside it is found."""
    folder = FOLDER / "spool"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    queue = Spool(str(folder))
    queue.put("create_db", 1, b"x")
    name = os.fsdecode(data.replace(b"/", b"").replace(b"\0", b""))[:200]
    with suppress(OSError):
        Path(folder, name).touch()
    queue.sweep()
    entries = queue.entries()
    assert "create_db" in {entry.event for entry in entries} and all(entry.ltime <= MAX_LTIME for entry in entries)


def data_directory(data: bytes) -> None:
    """A database's folder in the data directory changes nothing of what is told from the files there."""
    folder = FOLDER / "data"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mysql").mkdir(parents=True)
    (folder / "ibdata1").touch()
    before = [examine(folder, engine, "11.8") for engine in ("mariadb", "mysql")]
    name = data.decode(errors="replace")
    try:
        [wanted] = parse(json.dumps({"database": name}).encode())
        WIDE.check(wanted)
    except (InvalidRequest, Denied):
        return
    called = folder_name(name)[:255]
    (folder / called).mkdir(exist_ok=not called)
    assert [examine(folder, engine, "11.8") for engine in ("mariadb", "mysql")] == before


def output(data: bytes) -> None:
    """What Serf prints: nothing of it is a line of its own but by Serf's own line ends."""
    lines: list[str] = []
    relay(io.BytesIO(data), lambda _level, text: lines.append(text))
    assert len(lines) <= data.count(b"\n") + 1 + len(data) // 4096
    assert not any("\n" in text for text in lines)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (payload, member, tag, answer, rpc, state, peers, key, spool, data_directory, output)
}


class _Wire:
    """A connection on which an agent's replies lie already."""

    def __init__(self, replies: bytes) -> None:
        self._replies = io.BytesIO(replies)

    def settimeout(self, seconds: float) -> None: ...

    def sendall(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def recv(self, size: int) -> bytes:
        return self._replies.read(size)


class _Table(Stream):
    """A stream of an agent whose replies stand in a table, and that has one record for a query."""

    replies: Mapping[str, dict[str, object]] = {}
    told: object = None

    def call(self, command: str, *_: object, **__: object) -> dict[str, object]:
        return dict(self.replies.get(command, {}))

    def record(self, deadline: float) -> Record:
        told, self.told = self.told, None
        return self.number, told or {"Type": "done"}  # type: ignore[return-value]


@contextmanager
def _agent(replies: Mapping[str, dict[str, object]], record: object = None, raw: bytes | None = None) -> Iterator[Serf]:
    """A client of an agent that sends `raw` after its greeting, or answers from a table."""
    greeting = msgpack.packb({"Seq": 1, "Error": ""}) + msgpack.packb({"Seq": 2, "Error": ""})
    with mock.patch("dbhandler.serf.stream._connect", lambda address, timeout: _Wire(greeting + (raw or b""))):
        serf, table = Serf("agent:7373"), _Table("agent:7373", 5.0)
    if raw is None:
        serf._stream, table.replies, table.told = table, replies, record
    yield serf
