"""What other processes see of this one in /proc; on real processes."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """\
import os
from pathlib import Path
from dbhandler.boot import own_memory
def shown():
    return Path("/proc/self/environ").read_bytes().split(b"\\0")
before = shown()
assert b"SECRET=hunter2" in before and b"EMPTY=" in before
own_memory.wipe(lambda name: name in ("SECRET", "EMPTY", "GONE"))
after = shown()
assert not any(b"hunter2" in entry for entry in after), after
assert b"SECRET=" in after and b"EMPTY=" in after
assert set(before) - set(after) == {b"SECRET=hunter2"}, set(before) - set(after)
# What this process itself goes on with is its own.
assert os.environ["SECRET"] == "hunter2"
os.environ.clear()
os.environ.update({"OTHER": "new"})
assert os.popen("env").read().count("hunter2") == 0
print("done")
"""

SHOWN = """\
import os
from pathlib import Path
from dbhandler.boot import own_memory
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
    assert Path("/proc/self/environ").stat().st_uid == 0
own_memory.show()
assert Path("/proc/self/environ").stat().st_uid == os.geteuid()
print("done")
"""


def output(program: str, **environ: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_a_wiped_variable_is_not_in_proc() -> None:
    assert output(PROGRAM, FIRST="1", SECRET="hunter2", EMPTY="", LAST="x" * 5000) == "done\n"


def test_after_root_was_given_up_the_process_is_seen_again() -> None:
    assert output(SHOWN) == "done\n"
