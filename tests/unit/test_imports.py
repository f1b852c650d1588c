"""What the processes that start often, or at the wrong moment, load: what they need and no more.

The limit of ours is what stands there today, that of all has room for other versions of Python. Who wants to raise one
says why; package files (__init__) count.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dbhandler

PROGRAM = """\
import sys
before = set(sys.modules)
__import__(sys.argv[1])
print(*(set(sys.modules) - before))
"""


def loaded(module: str) -> set[str]:
    """The modules that importing one loads into a bare interpreter, as the image's scripts start it (-S, -I)."""
    site = [str(Path(dbhandler.__file__).parents[1]), *filter(None, sys.path)]
    path = f"import sys; sys.path += {site!r}\n"
    done = subprocess.run([sys.executable, "-IS", "-c", path + PROGRAM, module], capture_output=True, check=True)
    return set(done.stdout.decode().split())


@pytest.mark.parametrize(
    ("module", "ours", "all_modules"),
    [
        # Once for each event and query, inside Serf's loop. Before the package had rooms: 12 and 50 modules.
        ("dbhandler.handlers.create", 5, 12),
        ("dbhandler.handlers.query", 5, 40),
        # Every five seconds. The driver is most of it.
        ("dbhandler.boot.health", 34, 165),
        # Between `docker run` and the server.
        ("dbhandler.boot.entrypoint", 46, 155),
        ("dbhandler.boot.supervise", 11, 215),
    ],
)
def test_no_more_is_loaded_than_is_needed(module: str, ours: int, all_modules: int) -> None:
    names = loaded(module)
    own = {name for name in names if name.partition(".")[0] == "dbhandler"}
    assert len(own) <= ours, sorted(own)
    assert len(names) <= all_modules, sorted(names)


def test_the_entry_point_loads_no_driver_and_the_health_check_nothing_of_the_volume() -> None:
    assert not {"pymysql", "nacl", "msgpack", "difflib", "argparse"} & loaded("dbhandler.boot.entrypoint")
    rooms = {name.split(".")[1] for name in loaded("dbhandler.boot.health") if name.startswith("dbhandler.")}
    assert not rooms & {"volume", "cluster", "first_start", "provisioning", "handlers"}
