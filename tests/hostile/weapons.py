"""What attackers send. Runs inside of their containers, as a script, with nothing but Python and msgpack.

Gossip: memberlist's frames (one byte of type, then msgpack), which need no key where the cluster has none. RPC: msgpack
headers and bodies. Source: the wire formats in hashicorp/memberlist and hashicorp/serf.
"""

from __future__ import annotations

import random
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgpack

PUSH_PULL, USER, COMPRESS, ALIVE, ENCRYPTED, COMPOUND, CHECKSUM = 6, 8, 9, 4, 10, 7, 12
"""Types of memberlist's messages."""
JOIN_INTENT, STATE, EVENT = 1, 2, 3
"""Types of Serf's messages inside of memberlist's USER."""
VERSIONS = [1, 5, 2, 2, 5, 4]
LATEST = 2**64 - 1
GOSSIP, RPC = 7946, 7373
HELD, OVER = Path("/tmp/held"), Path("/tmp/over")

EVIL_TAGS = (
    {"role": "db", "mysql": "ready", "port": "²", "key": "a"},
    {"role": "db", "mysql": "ready", "port": "99999", "key": "AAAA"},
    {"role": "db", "mysql": "ready", "port": "-1", "key": "\n[mysqld]\n"},
    {"role": "db", "mysql": "\x1b[2Jready", "port": "3306\nuser=root", "key": "\x1b]0;owned\x07"},
)

HUGE = b"\xdb\xf0\xff\xff\xff" + b"A" * 1024
"""A text whose length is said to be four thousand million bytes."""


def packed(value: object) -> bytes:
    return bytes(msgpack.packb(value, use_bin_type=False))


def streams() -> Iterator[bytes]:
    """What one TCP connection to the gossip port carries: each once made some Serf end, or may."""
    for nodes, state in ((-1, 0), (2**62, 0), (2**31, 0), (0, -1), (0, 2**62), (0, 2**33), (2**20, 2**20)):
        header = {"Nodes": nodes, "UserStateLen": state, "Join": True}
        yield bytes([PUSH_PULL]) + packed(header)
    for length in (-1, 2**62, 2**33):
        yield bytes([USER]) + packed({"UserMsgLen": length})
    yield bytes([PUSH_PULL]) + HUGE
    yield bytes([USER]) + HUGE
    yield bytes([COMPRESS]) + packed({"Algo": 0, "Buf": b"\x80" * 4096})
    yield bytes([COMPRESS]) + HUGE
    yield bytes([ENCRYPTED]) + b"\xff\xff\xff\xff" + b"A" * 64
    yield bytes([COMPOUND]) + b"\xff" * 64
    yield push_pull([record("planted", b"\x7f\x00\x00\x01", {})], b"")
    yield push_pull([], bytes([STATE]) + HUGE)
    yield push_pull([], bytes([STATE]) + packed({"LTime": 0, "Events": [None, {"LTime": 1, "Events": None}]}))


def push_pull(nodes: list[dict[str, object]], state: bytes) -> bytes:
    header = {"Nodes": len(nodes), "UserStateLen": len(state), "Join": True}
    return bytes([PUSH_PULL]) + packed(header) + b"".join(packed(node) for node in nodes) + state


def record(name: str, address: bytes, tags: dict[str, str]) -> dict[str, object]:
    """A node as push/pull carries it."""
    return {
        "Name": name, "Addr": address, "Port": GOSSIP, "Meta": b"\xff" + packed(tags), "Incarnation": 1, "State": 0,
        "Vsn": bytes(VERSIONS),
    }  # fmt: skip


def alive(name: str, address: bytes, tags: dict[str, str], port: int = GOSSIP) -> bytes:
    """A UDP packet that tells of a member."""
    return bytes([ALIVE]) + packed({
        "Incarnation": 1, "Node": name, "Addr": address, "Port": port, "Meta": b"\xff" + packed(tags),
        "Vsn": bytes(VERSIONS),
    })  # fmt: skip


def event(name: str, payload: bytes, ltime: int) -> bytes:
    """Serf's message of a user event."""
    return bytes([EVENT]) + packed({"LTime": ltime, "Name": name, "Payload": payload, "CC": False})


def send(host: str, port: int, data: bytes, wait: float = 0.3) -> bytes:
    """Sends over TCP; returns what comes back until nothing has for so many seconds. A closed door is no error."""
    received = b""
    try:
        with socket.create_connection((host, port), 3) as connection:
            connection.sendall(data)
            connection.settimeout(wait)
            while part := connection.recv(65536):
                received += part
    except OSError:
        pass
    return received


def send_udp(host: str, *packets: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for packet in packets:
            sender.sendto(packet, (host, GOSSIP))
            time.sleep(0.05)


# --- what the tests call ---


def gossip_streams(host: str) -> None:
    """Every form over TCP, each as soon as somebody listens again; and one that made Serf end, more often than a
    program may end."""
    frames = list(streams())
    for frame in [*frames, *[frames[0]] * 8]:
        if listening(host, GOSSIP):
            send(host, GOSSIP, frame, 0.2)


def listening(host: str, port: int, timeout: float = 8.0) -> bool:
    """Waits until somebody listens there."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), 1).close()
            return True
        except OSError:
            time.sleep(0.2)
    return False


def member_records(host: str) -> None:
    """Members with addresses, ports, names and tags that are none."""
    own = socket.inet_aton(socket.gethostbyname(socket.gethostname()))
    addresses = (b"\x7f\x00\x00\x01\x05", b"", b"\x00" * 17, b"\xff" * 3)
    # Several, because one becomes `failed` and is kept all the same.
    send_udp(host, *(alive(f"address-{len(address)}", address, {"role": "db"}) for address in addresses))
    send_udp(host, *(alive(f"tags-{number}", own, tags) for number, tags in enumerate(EVIL_TAGS)))
    send_udp(host, alive("", own, {}), alive("new\nline\x1b[2J", own, {"role": "db"}), alive("n" * 900, own, {}))
    # Serf gives a member without a port its own port: as a database it would be one that starts.
    send_udp(host, alive("port-0", own, {}, 0))


def many_names(host: str, count: int) -> None:
    """One TCP message with an event of so many names."""
    message = event("create_db", b" ".join(b"crowd_%d" % number for number in range(count)), 5)
    send(host, GOSSIP, bytes([USER]) + packed({"UserMsgLen": len(message)}) + message)


def fire(host: str, name: str) -> None:
    """An event, over UDP and over TCP, as a member would send it."""
    message = event("create_db", name.encode(), 5)
    send_udp(host, bytes([USER]) + message)
    send(host, GOSSIP, bytes([USER]) + packed({"UserMsgLen": len(message)}) + message)


def late_clock(host: str) -> None:
    """Events and a state from the end of time."""
    message = event("create_db", b"from_the_end_of_time", LATEST - 1)
    send_udp(host, bytes([USER]) + message)
    state = {
        "LTime": LATEST,
        "StatusLTimes": {},
        "LeftMembers": [],
        "EventLTime": LATEST,
        "Events": [],
        "QueryLTime": LATEST,
    }
    send(host, GOSSIP, push_pull([], bytes([STATE]) + packed(state)))


def rpc(host: str, *messages: object, key: str = "", wait: float = 0.3) -> bytes:
    """Sends messages over RPC after the handshake, and with the key after it is shown; returns what came back."""
    opening = packed({"Command": "handshake", "Seq": 0}) + packed({"Version": 1})
    if key:
        opening += packed({"Command": "auth", "Seq": 1}) + packed({"AuthKey": key})
    return send(host, RPC, opening + b"".join(packed(message) for message in messages), wait)


def rpc_frames(host: str, times: int, key: str = "") -> None:
    """Frames that are none, and so many of the one that takes four thousand million bytes, each as soon as somebody
    listens."""
    opening = packed({"Command": "handshake", "Seq": 0}) + packed({"Version": 1})
    if key:
        opening += packed({"Command": "auth", "Seq": 1}) + packed({"AuthKey": key})
    fired = opening + packed({"Command": "event", "Seq": 2})
    for frame in (
        HUGE, opening + HUGE, b"\xdf\xff\xff\xff\xff", opening + b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
        fired + HUGE, fired + b"\x81\xa4Name" + HUGE, *[opening + b"\x82\xa7Command" + HUGE] * times,
    ):  # fmt: skip
        if not listening(host, RPC):
            return
        send(host, RPC, frame, 0.5)


def disconnects(host: str, key: str, seconds: float) -> None:
    """Monitors and streams that end at once, while an event now and then keeps a handler busy."""
    deadline, number = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        number += 1
        fired = [
            {"Command": "event", "Seq": 2},
            {"Name": "create_db", "Payload": f"mysql x{number}", "Coalesce": False},
        ]
        kinds = (
            [{"Command": "stream", "Seq": 3}, {"Type": "*"}],
            [{"Command": "monitor", "Seq": 3}, {"LogLevel": "DEBUG"}],
        )
        rpc(host, *kinds[number % 2], *(fired if number % 8 == 0 else ()), key=key, wait=random.random() / 50)


def answer_first(host: str, key: str, answer: str, seconds: float) -> None:
    """Streams an agent's queries and answers each at once. Serf calls streams and handlers in an order of chance, so
    one of many streams comes before the handler most likely."""
    streams = {streamed(host, key): msgpack.Unpacker(raw=False, unicode_errors="replace") for _ in range(15)}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for connection in select.select(list(streams), [], [], 0.2)[0]:
            streams[connection].feed(connection.recv(65536))
            for message in streams[connection]:
                if message.get("Event") == "query":
                    connection.sendall(packed({"Command": "respond", "Seq": 9}))
                    connection.sendall(packed({"ID": message["ID"], "Payload": answer}))


def streamed(host: str, key: str) -> socket.socket:
    """A connection on which all queries of an agent come."""
    connection = socket.create_connection((host, RPC), 20)
    for message in (
        {"Command": "handshake", "Seq": 0}, {"Version": 1}, {"Command": "auth", "Seq": 1}, {"AuthKey": key},
        {"Command": "stream", "Seq": 2}, {"Type": "query"},
    ):  # fmt: skip
        connection.sendall(packed(message))
    return connection


def garbage(host: str, ports: list[int]) -> None:
    """Bytes that are no protocol, and those of another one."""
    noise = random.Random(1)
    forms = (
        b"GET / HTTP/1.1\r\nHost: " + b"a" * 70000 + b"\r\n\r\n", b"\x16\x03\x01" + noise.randbytes(600),
        b"\0" * 5000, noise.randbytes(20000), b"\xff\xff\xff\x00" * 500, b"\n" * 3000,
        b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"",
    )  # fmt: skip
    for port in ports:
        for form in forms:
            send(host, port, form, 0.05)
    for form in forms:
        send_udp(host, form[:1400])


def hold(host: str, port: int, count: int, hello: str, seconds: float) -> None:
    """Keeps so many connections open, until OVER is there or the time is over; says so in HELD."""
    held: list[socket.socket] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not OVER.exists():
        if len(held) < count:
            held += opened(host, port, count - len(held), hello.encode())
            HELD.write_text(str(len(held)))
        # Whoever is hung up on comes again.
        held = [connection for connection in held if still_open(connection)]
        time.sleep(0.1)


def opened(host: str, port: int, count: int, hello: bytes) -> list[socket.socket]:
    made = []
    for _ in range(count):
        try:
            connection = socket.create_connection((host, port), 2)
            connection.sendall(hello)
            connection.setblocking(False)
            made.append(connection)
        except OSError:
            break
    return made


def still_open(connection: socket.socket) -> bool:
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    connection.close()
    return False


def open_ports(host: str) -> list[int]:
    """Every TCP port at which somebody listens."""
    found = []
    for port in range(1, 65536):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((host, port)) == 0:
                found.append(port)
    return found


if __name__ == "__main__":
    sys.exit("this is run by the tests")
