"""Writes the image's console scripts: fast_scripts.py SITE BIN, for the package installed in the folder SITE.

Serf starts a handler per request, one after another, so what an interpreter does before our first line counts: these
scripts leave out the search for site packages (-S) and the environment (-I), and name the two folders themselves.
"""

import sys
from importlib.metadata import distributions
from pathlib import Path

SCRIPT = """\
#!/usr/bin/python3 -IS
import sys
sys.path += [{site!r}, "/usr/lib/python3/dist-packages"]
from {module} import {function}
sys.exit({function}())
"""


def main(staged: str, site: str, bin: str) -> None:
    """Writes the scripts of the distribution that lies in the folder `staged` now and in `site` later."""
    for distribution in distributions(path=[staged]):
        for script in distribution.entry_points.select(group="console_scripts"):
            path = Path(bin, script.name)
            path.write_text(SCRIPT.format(site=site, module=script.module, function=script.attr))
            path.chmod(0o755)


if __name__ == "__main__":
    main(*sys.argv[1:])
