"""Keeps what travels on one IPv4 network: a file for each direction of each connection, named by who speaks to whom.

It runs in a container of its own (capture.py), with Python alone. Sources: packet(7), filter.rst of the Linux kernel
(classic BPF), RFC 791, RFC 9293.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
import time
from collections import defaultdict
from pathlib import Path

ETH_P_ALL, ETH_P_IP, OUTGOING = 3, 0x0800, 4
SO_ATTACH_FILTER, SO_RCVBUFFORCE, SOL_PACKET, PACKET_STATISTICS = 26, 33, 263, 6
TCP, UDP = 6, 17
BUFFER, WHOLE = 2**28, 2**17
INTERVAL = 0.5
"""Seconds between two looks at how many packets were missed."""


def filter_for(net: int) -> bytes:
    """The kernel's program that lets IPv4 from the network through, once: where it leaves its container. What comes
    from this machine, the network's gateway, is seen where it enters one."""
    load_half, load, equal, mask, end = 0x28, 0x20, 0x15, 0x54, 0x06
    protocol, direction, source = 0xFFFFF000, 0xFFFFF004, 12
    # Operation, how many steps to skip where it holds, and where not, operand.
    steps = (
        (load_half, 0, 0, protocol),
        (equal, 0, 7, ETH_P_IP),
        (load, 0, 0, direction),
        (equal, 3, 0, OUTGOING),
        (load, 0, 0, source),
        (mask, 0, 0, 0xFFFFFF00),
        (equal, 3, 2, net),
        (load, 0, 0, source),
        (equal, 1, 0, net + 1),
        (end, 0, 0, 0),
        (end, 0, 0, WHOLE),
    )
    return b"".join(struct.pack("HBBI", *step) for step in steps)


class Flows:
    """The files. What comes more than once, at several interfaces or because it was sent again, is kept once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, set[tuple[int, int]]] = defaultdict(set)

    def keep(self, packet: bytes, net: bytes) -> None:
        """Appends what an IP packet between two of the network carries to its flow's file."""
        start, protocol = (packet[0] & 15) * 4, packet[9]
        if packet[12:15] != net or packet[16:19] != net or protocol not in (TCP, UDP):
            return
        source, target = struct.unpack_from("!HH", packet, start)
        if protocol == TCP:
            number = struct.unpack_from("!I", packet, start + 4)[0]
            begin = start + (packet[start + 12] >> 4) * 4
        else:
            number, begin = struct.unpack_from("!H", packet, 4)[0], start + 8
        name = f"{socket.inet_ntoa(packet[12:16])}:{source}-{socket.inet_ntoa(packet[16:20])}:{target}"
        # A length of 0: the network card was to cut it into pieces.
        self._append(name, number, packet[begin : struct.unpack_from("!H", packet, 2)[0] or len(packet)])

    def _append(self, name: str, number: int, data: bytes) -> None:
        if data and (number, len(data)) not in self._seen[name]:
            self._seen[name].add((number, len(data)))
            with (self._folder / name).open("ab") as file:
                file.write(data)


def listen(net: str, folder: Path) -> None:
    """Listens for ever. The file `lost` says how many packets were missed."""
    flows, first = Flows(folder), socket.inet_aton(f"{net}.0")
    code = ctypes.create_string_buffer(filter_for(int.from_bytes(first, "big")))
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as tap:
        tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        tap.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(code) // 8, ctypes.addressof(code)))
        tap.settimeout(INTERVAL)
        lost, told = 0, 0.0
        while True:
            if time.monotonic() - told > INTERVAL:
                lost, told = lost + _lost(tap), time.monotonic()
                (folder / "lost").write_text(str(lost))
            try:
                packet, (_, kind, *_) = tap.recvfrom(WHOLE)
            except TimeoutError:
                continue
            if kind == ETH_P_IP:
                flows.keep(packet, first[:3])


def _lost(tap: socket.socket) -> int:
    """How many were missed since the last time."""
    return int(struct.unpack("II", tap.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1])


if __name__ == "__main__":
    listen(sys.argv[1], Path(sys.argv[2]))
