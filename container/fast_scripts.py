"""Writes the image's console scripts: fast_scripts.py SITE BIN, for the package installed in the folder SITE.

Serf starts a handler per request, one after another, so what an interpreter does before our first line counts: these
scripts leave out the search for site packages (-S) and the environment (-I), and name the two folders themselves.
The handlers leave out the taking apart of the interpreter as well: a tenth of their time.
"""

import sys
from importlib.metadata import distributions
from pathlib import Path

SCRIPT = """\
#!/usr/bin/python3 -IS
import sys
sys.path += [{site!r}, "/usr/lib/python3/dist-packages"]
from {module} import {function}
{end}
"""
EXIT = "sys.exit({function}())"
EXIT_AT_ONCE = """\
import os
status = {function}()
sys.stdout.flush()
os._exit(status)"""
HANDLERS = ("dbhandler-create", "dbhandler-query", "dbhandler-cluster-notify")


def main(staged: str, site: str, bin: str) -> None:
    """Writes the scripts of the distribution that lies in the folder `staged` now and in `site` later."""
    for distribution in distributions(path=[staged]):
        for script in distribution.entry_points.select(group="console_scripts"):
            path = Path(bin, script.name)
            end = (EXIT_AT_ONCE if script.name in HANDLERS else EXIT).format(function=script.attr)
            path.write_text(SCRIPT.format(site=site, module=script.module, function=script.attr, end=end))
            path.chmod(0o755)


if __name__ == "__main__":
    main(*sys.argv[1:])
