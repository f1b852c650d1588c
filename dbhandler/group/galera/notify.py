"""dbhandler-cluster-notify: takes the server's word of a new view (wsrep_notify_cmd), and notes the last component.

The server waits for it before it goes on, so the view is durable before anything can happen in it.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbhandler import log, paths
from dbhandler.group.store import GroupStore, View

logger = logging.getLogger(__name__)

USAGE = """usage: dbhandler-cluster-notify --status STATUS --uuid UUID --primary yes|no --members UUID/NAME/ADDRESS,...

MariaDB runs it (wsrep_notify_cmd). It notes who is in the primary component, for the next total outage.
"""

_MEMBER = re.compile(r"(?:^|,)[0-9a-f]{8}-[0-9a-f-]*/")
"""How a member begins. Its name may be a stranger's, with commas and slashes in it."""
_OURS = re.compile(r"([A-Za-z0-9_.-]{0,22})\.([0-9a-f]{8})/")
"""The name that a node of ours has in the group (options.node_name)."""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    if not argv or len(argv) % 2:
        # Only here: the server waits for this process at every change of its view.
        from dbhandler import usage

        return usage.show(argv, USAGE)
    log.configure()
    view = view_of(dict(zip(argv[::2], argv[1::2], strict=True)))
    store = GroupStore(Path(paths.state_dir(environ)), Path(paths.run_dir(environ)))
    try:
        if view is not None and view != store.view():
            store.save_view(view)
            if view.strangers:
                logger.warning("%d members of the group are no nodes of dbhandler: they are left out", view.strangers)
    except OSError as error:
        logger.error("the view of the cluster cannot be noted: %s", log.told(error))
        return os.EX_IOERR
    return 0


def view_of(options: Mapping[str, str]) -> View | None:
    """The primary component of a notification, None where it is none that counts."""
    if options.get("--primary") != "yes":
        return None
    members = _MEMBER.split(options.get("--members", ""))[1:]
    ours = [found for member in members if (found := _OURS.match(member))]
    names = {found[2]: found[1] for found in ours}
    return View(options.get("--uuid", ""), names, len(members) - len(names)) if names else None
