"""What the kernel shows of the container's first process, which lives as long as the container."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable

_PR_SET_DUMPABLE = 4


def wipe(is_secret: Callable[[str], bool]) -> None:
    """Empties the values of these variables where the kernel shows them to every process of the same user: what stands
    in /proc/PID/environ is the memory that the program was given, whatever os.environ holds by now.

    Source: proc(5), /proc/pid/environ.
    """
    entries = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    for address in itertools.takewhile(bool, map(entries.__getitem__, itertools.count())):
        name, _, value = ctypes.string_at(address).partition(b"=")
        if is_secret(name.decode(errors="surrogateescape")):
            ctypes.memset(address + len(name) + 1, 0, len(value))


def show() -> None:
    """Lets the processes of the same user see this one in /proc again, which giving up root has ended: through it the
    banner reaches the container's log. Source: prctl(2), PR_SET_DUMPABLE."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
