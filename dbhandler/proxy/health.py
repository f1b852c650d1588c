"""dbhandler-proxy-health, which the image dbhandler-proxy calls dbhandler-health: does every port lead to a server?"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbhandler import paths, usage
from dbhandler.errors import Unavailable
from dbhandler.log import shown
from dbhandler.proxy.configuration import database_of
from dbhandler.proxy.haproxy import HaProxy, Section, control_socket

USAGE = """usage: dbhandler-proxy-health

The image dbhandler-proxy calls it dbhandler-health, too.
Exit status 0 when the proxy passes connections on to at least one node of the cluster, and those of each database to a
server that has it, else 1; one sentence for each says how it is.
"""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv:
        return usage.show(argv, USAGE)
    run_dir = Path(paths.run_dir(os.environ if environ is None else environ))
    try:
        sections = HaProxy(control_socket(run_dir)).sections()
    except Unavailable as error:
        print(error)
        return 1
    print("; ".join(_told(name, section) for name, section in sections.items()))
    return 0 if all(section.serving for section in sections.values()) else 1


def _told(name: str, section: Section) -> str:
    database = database_of(name)
    where, waits = ", ".join(section.serving), " (new connections wait)" if section.is_held else ""
    if database is not None:
        return f"database {shown(database)}: {f'passes connections on to {where}' if where else 'no server'}{waits}"
    return f"passes connections on to {where}" if where else "no node of the cluster serves"
