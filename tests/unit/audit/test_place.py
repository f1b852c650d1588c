"""The file of the trail at a start."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from dbhandler.audit.output import File
from dbhandler.audit.place import Place
from dbhandler.errors import DbHandlerError

USER = pwd.getpwuid(os.getuid())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("data", "state", "volume"):
        (tmp_path / name).mkdir()
    return tmp_path


def place(folder: Path, file: str) -> Place:
    return Place(folder / file, folder / "data", folder / "state")


@pytest.mark.parametrize("file", ["volume/trail", "volume/a/b/trail", "state/audit/trail", "state/trail.jsonl"])
def test_its_folder_is_made_for_the_servers_user_only(folder: Path, file: str) -> None:
    place(folder, file).prepare()
    made = (folder / file).parent
    assert made.is_dir() and not (folder / file).exists()
    assert made.stat().st_mode & 0o777 == (0o700 if file.count("/") > 1 else 0o755)


def test_a_trail_that_is_there_goes_on(folder: Path) -> None:
    File(folder / "volume" / "trail").complete('{"audit": 1, …}')
    place(folder, "volume/trail").prepare()
    (folder / "volume" / "trail").write_text("")
    place(folder, "volume/trail").prepare()


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("data/trail", "is in .*/data, where all is the server's own"),
        ("data", "is in .*/data, where"),
        ("state/key", "is a file of ours already"),
        ("state/trash/trail", "is a file of ours already"),
        ("state/spool/trail", "is a file of ours already"),
        ("state", "is there, and is no audit trail"),
        ("volume", "is there, and is no audit trail"),
        ("other", "is there, and is no audit trail"),
    ],
)
def test_what_cannot_be_stops_the_start_with_a_sentence(folder: Path, file: str, sentence: str) -> None:
    (folder / "other").write_text("my notes\n")
    with pytest.raises(DbHandlerError, match=f"^DBHANDLER_AUDIT: .*{file} {sentence}"):
        place(folder, file).prepare()
    assert (folder / "other").read_text() == "my notes\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_anothers_stops_the_start(folder: Path) -> None:
    (folder / "volume").chmod(0o500)
    with pytest.raises(DbHandlerError, match="volume cannot be written"):
        place(folder, "volume/trail").prepare()
    with pytest.raises(OSError, match="volume/a"):
        place(folder, "volume/a/trail").prepare()


def test_a_folder_that_cannot_be_stops_the_start(folder: Path) -> None:
    (folder / "volume" / "file").touch()
    with pytest.raises(OSError, match="volume/file"):
        place(folder, "volume/file/trail").prepare()


def test_root_gives_a_new_volume_and_nothing_that_holds_anything(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Path, int, int]] = []
    monkeypatch.setattr(os, "chown", lambda *arguments: given.append(arguments))
    place(folder, "volume/a/trail").give(USER)
    assert given == [(folder / "volume", USER.pw_uid, USER.pw_gid)]
    (folder / "volume" / "file").touch()
    place(folder, "volume/a/trail").give(USER)
    place(folder, "none/trail").give(USER)
    assert len(given) == 1
