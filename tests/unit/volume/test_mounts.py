"""Will the next container find the folder again?"""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.volume.mounts import is_kept

ANONYMOUS = "0123456789abcdef" * 4
LINE = "650 640 8:1 {root} {at} rw,relatime - ext4 /dev/sda1 rw\n"


@pytest.mark.parametrize(
    ("root", "at", "kept"),
    [
        ("/var/lib/docker/volumes/state/_data", "/state", True),
        ("/srv/state", "/state", True),
        ("/", "/state", True),
        (f"/var/lib/docker/volumes/{ANONYMOUS}/_data", "/state", False),
        (f"/docker/volumes/{ANONYMOUS}/_data", "/state", False),
        ("/var/lib/docker/volumes/state/_data", "/state/spool", False),
        ("/", "/", False),
    ],
)
def test_what_is_mounted_there(tmp_path: Path, root: str, at: str, kept: bool) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(LINE.format(root="/", at="/proc") + LINE.format(root=root, at=at))
    assert is_kept(Path("/state"), mounts) is kept


def test_where_nobody_can_tell_nobody_is_warned(tmp_path: Path) -> None:
    assert is_kept(Path("/state"), tmp_path / "none")
    (tmp_path / "odd").write_text("x\n")
    assert is_kept(Path("/state"), tmp_path / "odd")
