"""Init scripts, run by a real bash and fed to a client that notes what it gets."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dbhandler.errors import DbHandlerError
from dbhandler.first_start import init_scripts
from dbhandler.first_start.init_scripts import InitScripts

CLIENT = """#!/bin/sh
cat > "$OUT/got"; cat "$OUT/got" >> "$OUT/all"
! grep -q WRONG "$OUT/got"
"""


class World:
    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder / "initdb.d", folder
        self.folder.mkdir()
        client = folder / "client"
        client.write_text(CLIENT)
        client.chmod(0o755)
        environ = {"PATH": os.environ["PATH"], "OUT": str(folder), "DBHANDLER_CLIENT": str(client)}
        self.scripts = InitScripts([str(client)], environ | {"DBHANDLER_CLIENT_FILE": "/x", "MYSQL_DATABASE": "shop"})

    def put(self, name: str, content: bytes | str, mode: int = 0o644) -> None:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)

    def run(self) -> str:
        self.scripts.run(init_scripts.found(self.folder))
        return (self.out / "all").read_text() if (self.out / "all").exists() else ""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_everything_in_order(world: World) -> None:
    world.put("30.sql.xz", lzma.compress(b"xz\n"))
    world.put("10.sql", "plain\n")
    world.put("20.sql.gz", gzip.compress(b"gz\n", mtime=0))
    world.put("25.sh", 'echo executed >> "$OUT/all"', 0o755)
    world.put("27.sh", 'echo sourced >> "$OUT/all"')
    world.put("40.sql.bz2", bz2.compress(b"bz2\n"))
    assert world.run() == "plain\ngz\nexecuted\nsourced\nxz\nbz2\n"


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed here; the image has it")
def test_zstd(world: World) -> None:
    world.put("a.sql.zst", subprocess.run(["zstd", "-qc"], input=b"zst\n", capture_output=True).stdout)
    assert world.run() == "zst\n"


def test_a_sourced_script_has_the_official_functions(world: World) -> None:
    world.put("a.sh", 'mysql_note hello; docker_process_sql <<< "SELECT 1"; shopt -q nullglob')
    assert world.run() == "SELECT 1\n"


def test_a_sourced_script_may_pipe_into_the_old_array_and_escape_a_text(world: World) -> None:
    world.put("a.sh", """echo "SET @a = '$(docker_sql_escape_string_literal "it's")'" | "${mysql[@]}" """)
    assert world.run() == "SET @a = 'it\\'s'\n"


def test_other_files_are_left_out_with_a_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.put("README", "x")
    assert world.run() == ""
    assert [message for message in caplog.messages if "ignoring" in message and "README" in message]


@pytest.mark.parametrize(
    ("name", "content", "mode"),
    [
        ("20.sql", b"WRONG", 0o644),
        ("20.sh", b"exit 3", 0o755),
        ("20.sh", b"false; true", 0o644),
        ("20.sh", b"false | true", 0o644),
        ("20.sh", b"mysql_error no", 0o644),
        ("20.sql.gz", b"no gzip", 0o644),
        ("20.sql.gz", gzip.compress(b"cut off" * 100, mtime=0)[:-9], 0o644),
        ("20.sql.xz", b"no xz", 0o644),
        ("20.sql.bz2", b"no bzip2", 0o644),
        ("20.sql.zst", b"no zstd", 0o644),
    ],
)
def test_the_first_failure_ends_it_with_the_files_name(world: World, name: str, content: bytes, mode: int) -> None:
    world.put(name, content, mode)
    world.put("30.sql", "never\n")
    with pytest.raises(DbHandlerError, match=name):
        world.run()
    assert "never" not in ((world.out / "all").read_text() if (world.out / "all").exists() else "")


def test_no_folder_is_no_script(tmp_path: Path) -> None:
    assert init_scripts.found(tmp_path / "nowhere") == []
