"""Writes the image's console scripts: fast_scripts.py SETUP.CFG SITE BIN, for the package that lies in the folder SITE.

Serf starts a handler per request, one after another, so what an interpreter does before our first line counts: these
scripts leave out the search for site packages (-S) and the environment (-I), and name the two folders themselves.
The handlers leave out the taking apart of the interpreter as well: a tenth of their time.
"""

import sys
from configparser import ConfigParser
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


def main(setup: str, site: str, bin: str) -> None:
    """Writes the scripts that setup.cfg names."""
    declared = ConfigParser(delimiters="=")
    declared.read(setup)
    for line in declared["options.entry_points"]["console_scripts"].strip().splitlines():
        name, module, function = line.replace("=", ":").replace(" ", "").split(":")
        end = (EXIT_AT_ONCE if name in HANDLERS else EXIT).format(function=function)
        path = Path(bin, name)
        path.write_text(SCRIPT.format(site=site, module=module, function=function, end=end))
        path.chmod(0o755)


if __name__ == "__main__":
    main(*sys.argv[1:])
