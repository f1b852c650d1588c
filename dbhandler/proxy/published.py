"""Which databases have a port of their own, as the command line or the setting names them: `shop`, `blog:3308`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dbhandler.address import port_number
from dbhandler.errors import InvalidRequest
from dbhandler.log import shown
from dbhandler.requests.payload import check_name
from dbhandler.serf.members import MYSQL_PORT

_WITH_PORT = re.compile(r"(.*):([0-9]+)", re.DOTALL)


@dataclass(frozen=True)
class Published:
    """A database, and the port at which its connections come in."""

    database: str
    port: int


def published(texts: Sequence[str], taken: Collection[int] = ()) -> tuple[Published, ...]:
    """The databases with their ports, in the order of the texts. One that names none gets the first from 3306 on that
    is not another's, and not `taken`. Raises InvalidRequest for a wrong name or port, and for one that stands twice."""
    asked = [_split(text.strip()) for text in texts]
    names, ports = [name for name, _ in asked], [*taken, *(port for _, port in asked if port)]
    for double in (*_doubles(names), *_doubles(ports)):
        raise InvalidRequest(f"{shown(str(double))} stands twice: a database has one port, and a port one database")
    free = (port for port in range(MYSQL_PORT, 65536) if port not in ports)
    return tuple(Published(name, port or next(free)) for name, port in asked)


def _split(text: str) -> tuple[str, int | None]:
    if (parts := _WITH_PORT.fullmatch(text)) is None:
        return check_name(text), None
    if (port := port_number(parts[2])) is None:
        raise InvalidRequest(f"a port is a number from 1 to 65535, not {parts[2]}")
    return check_name(parts[1]), port


def _doubles(values: Sequence[object]) -> list[object]:
    return [value for place, value in enumerate(values) if value in values[:place]]
