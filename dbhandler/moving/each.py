"""Several moves at once: what fails of one keeps no other one from being finished, or undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dbhandler.errors import DbHandlerError


def each(work: Iterable[Callable[[], None]]) -> None:
    """Does all of it. Raises the first DbHandlerError of it at the end."""
    failed = []
    for one in work:
        try:
            one()
        except DbHandlerError as error:
            failed.append(error)
    if failed:
        raise failed[0]
