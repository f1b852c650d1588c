"""dbhandler-cluster-notify: takes the server's word of a new view (wsrep_notify_cmd), and notes the last component.

The server waits for it before it goes on, so the view is durable before anything can happen in it.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbhandler import log, paths
from dbhandler.cluster_store import ClusterStore, View

logger = logging.getLogger(__name__)

USAGE = """usage: dbhandler-cluster-notify --status STATUS --uuid UUID --primary yes|no --members UUID/NAME/ADDRESS,...

MariaDB runs it (wsrep_notify_cmd). It notes who is in the primary component, for the next total outage.
"""
EX_USAGE, EX_IOERR = 64, 74


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    if not argv or argv in (["-h"], ["--help"]) or len(argv) % 2:
        print(USAGE, end="", file=sys.stdout if argv else sys.stderr)
        return 0 if argv in (["-h"], ["--help"]) else EX_USAGE
    view = view_of(dict(zip(argv[::2], argv[1::2], strict=True)))
    store = ClusterStore(Path(paths.state_dir(environ)), Path(paths.run_dir(environ)))
    try:
        if view is not None and view != store.view():
            store.save_view(view)
    except OSError as error:
        log.configure()
        logger.error("the view of the cluster cannot be noted: %s", error)
        return EX_IOERR
    return 0


def view_of(options: Mapping[str, str]) -> View | None:
    """The primary component of a notification, None where it is none that counts."""
    if options.get("--primary") != "yes":
        return None
    names = {}
    for member in filter(None, options.get("--members", "").split(",")):
        # The name is ours: `serf-name.identity`.
        name, _, id = member.split("/")[1].rpartition(".")
        names[id] = name
    return View(options.get("--uuid", ""), names) if names else None
