"""dbhandler-proxy-health, which the image dbhandler-proxy calls dbhandler-health: does a connection reach a node?"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbhandler import paths, usage
from dbhandler.errors import Unavailable
from dbhandler.proxy.haproxy import HaProxy, control_socket

USAGE = """usage: dbhandler-proxy-health

The image dbhandler-proxy calls it dbhandler-health, too.
Exit status 0 when the proxy passes connections on to at least one node of the cluster, else 1 with one sentence.
"""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv:
        return usage.show(argv, USAGE)
    run_dir = Path(paths.run_dir(os.environ if environ is None else environ))
    try:
        serving = HaProxy(control_socket(run_dir)).serving()
    except Unavailable as error:
        print(error)
        return 1
    print(f"passes connections on to {', '.join(serving)}" if serving else "no node of the cluster serves")
    return 0 if serving else 1
