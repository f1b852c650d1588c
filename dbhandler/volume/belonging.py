"""Which cluster a server's two volumes belong to.

Data that other nodes have, too, must not go their own way by mistake. So the volumes themselves say whose they are, and
data that were used outside of their cluster remember that: their place in its history is not believed any more.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from dbhandler import files
from dbhandler.errors import DbHandlerError
from dbhandler.inventory import InState
from dbhandler.log import shown
from dbhandler.spool import sync_folder
from dbhandler.volume.data_dir import ASIDE, CLUSTER_STAMP, NOT_OURS_TO_MIND

logger = logging.getLogger(__name__)

STATE_FILE = "grastate.dat"
"""Galera's own note of a position in a cluster's history."""
_SPENT = (InState.CLUSTER_NAME, InState.CLUSTER_VIEW, InState.CLUSTER_VOTE)
UNNAMED = "?"
"""Stands for a cluster whose name is not known."""


@dataclass(frozen=True)
class Belonging:
    """What the data say of themselves. cluster: they are that cluster's. left: they were, and a server outside of it
    has used them since. aside: the folder into which they are being moved, to make room for the cluster's. history:
    the UUID of the group whose transactions they hold (MySQL); fresh: they were made to begin it."""

    cluster: str | None = None
    left: str | None = None
    aside: str | None = None
    history: str | None = None
    fresh: str | None = None


def read(data_dir: Path) -> Belonging:
    """What stands in a data directory. Raises DbHandlerError for a file that is not ours."""
    path = data_dir / CLUSTER_STAMP
    try:
        values = json.loads(path.read_text(errors="replace"))
        known = {field.name for field in fields(Belonging)}
        return Belonging(**{name: str(value) for name, value in values.items() if name in known})
    except FileNotFoundError:
        return Belonging()
    except (ValueError, AttributeError) as error:
        raise DbHandlerError(f"{path} does not say to which cluster these data belong: it is damaged") from error


def _write(data_dir: Path, belonging: Belonging) -> None:
    values = {name: value for name, value in asdict(belonging).items() if value is not None}
    files.write_private(data_dir / CLUSTER_STAMP, json.dumps(values) + "\n")


def enter(data_dir: Path, state_dir: Path, cluster: str, history: str | None = None, fresh: bool = False) -> None:
    """Notes, before the server starts as a node, that both volumes are this cluster's from now on."""
    wanted = Belonging(cluster, history=history, fresh="1" if fresh else None)
    if read(data_dir) != wanted:
        _write(data_dir, wanted)
    files.write_private(state_dir / InState.CLUSTER_NAME, cluster + "\n")


def check(data_dir: Path, state_dir: Path, cluster: str | None, leave: str | None) -> None:
    """To be called before a server starts in `cluster`, or in none. leave is the cluster that the owner wants them to
    leave. Raises DbHandlerError for volumes of another cluster, which stay as they are."""
    foreign = [name for name in _clusters(data_dir, state_dir) if name not in (cluster, UNNAMED if cluster else None)]
    for name in foreign:
        if leave != name and not (leave and name == UNNAMED):
            raise DbHandlerError(_refusal(data_dir, name))
    if foreign:
        _leave(data_dir, state_dir, foreign[0])
    elif cluster is None and (data_dir / STATE_FILE).exists() and read(data_dir).left is None:
        # A node by the owner's own options, perhaps; or not, and then it is written to alone.
        _write(data_dir, Belonging(left=UNNAMED))


def _refusal(data_dir: Path, name: str) -> str:
    known = name if name != UNNAMED else "NAME"
    return (
        f"{data_dir} and its state belong to the cluster {shown(name)}, whose other nodes would not get what is "
        f"written here: start it with DBHANDLER_CLUSTER={known}, or, to make it a server of its own, with "
        f"DBHANDLER_LEAVE_CLUSTER={known}"
    )


def _clusters(data_dir: Path, state_dir: Path) -> Sequence[str]:
    """The names of the clusters that either volume belongs to, the data's first."""
    names = [read(data_dir).cluster, _of_state(state_dir)]
    return [name for name in dict.fromkeys(names) if name is not None]


def _of_state(state_dir: Path) -> str | None:
    try:
        return (state_dir / InState.CLUSTER_NAME).read_text(errors="replace").strip()
    except FileNotFoundError:
        return UNNAMED if (state_dir / InState.CLUSTER_VIEW).exists() else None


def _leave(data_dir: Path, state_dir: Path, name: str) -> None:
    _write(data_dir, Belonging(left=name))
    with suppress(FileNotFoundError):
        (data_dir / STATE_FILE).replace(data_dir / "grastate.left")
    # Last: until then the next start asks again.
    for file in _SPENT:
        files.remove(state_dir / file)
    logger.warning("these data have left the cluster %s: what is written from now on is here alone", shown(name))


def set_aside(data_dir: Path) -> None:
    """Makes room for the cluster's data: moves all that is there into a folder of its own, where it stays until the
    owner removes it. A kill at any moment leaves what the next call finishes. Raises OSError."""
    belonging = read(data_dir)
    name = belonging.aside or time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    _write(data_dir, Belonging(left=belonging.left, aside=name))
    folder = data_dir / ASIDE / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for entry in data_dir.iterdir():
        if entry.name not in NOT_OURS_TO_MIND:
            entry.rename(folder / entry.name)
    for changed in (folder, folder.parent, data_dir):
        sync_folder(str(changed))
    logger.warning(
        "what was written here outside of the cluster is kept in %s until you remove it: %d MiB are left for the "
        "cluster's data", folder, shutil.disk_usage(data_dir).free >> 20,
    )  # fmt: skip
