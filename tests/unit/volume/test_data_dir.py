"""What a data directory holds, told from its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbhandler.errors import DbHandlerError
from dbhandler.volume.data_dir import MARKER, STAMP, UNKNOWN, Held, examine, held_by_server, release

HISTORY = {"upgrade_history": [{"version": "8.4.1"}, {"version": "9.7.4-2"}]}


def put(folder: Path, **contents: str) -> Path:
    """Files of these contents; a name may begin with a dot, written as `dot_`."""
    for name, content in contents.items():
        (folder / name.replace("dot_", ".").replace("__", ".")).write_text(content)
    return folder


def test_an_empty_directory_is_to_be_filled(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert examine(tmp_path, "mariadb", "11.8.3") == Held(empty=True)


def test_a_first_start_that_was_killed_is_begun_again_whatever_lies_there(tmp_path: Path) -> None:
    put(tmp_path, mysql="", ibdata1="")
    (tmp_path / MARKER).touch()
    assert examine(tmp_path, "mariadb", "11.8.3") == Held(empty=True)


def test_our_own_directory_is_told_from_another_images(tmp_path: Path) -> None:
    (tmp_path / "mysql").mkdir()
    assert examine(tmp_path, "mariadb", "11.8.3") == Held(empty=False, ours=False, version=UNKNOWN)
    (tmp_path / STAMP).touch()
    assert examine(tmp_path, "mariadb", "11.8.3") == Held(empty=False, ours=True, version=UNKNOWN)


@pytest.mark.parametrize("name", ["mariadb_upgrade_info", "mysql_upgrade_info"])
def test_mariadb_tells_its_last_version(tmp_path: Path, name: str) -> None:
    put(tmp_path, ibdata1="", **{name: "10.11.6-MariaDB\0"})
    held = examine(tmp_path, "mariadb", "11.8.3")
    assert held.version == "10.11.6-MariaDB"
    assert held.is_older_than("11.8.3-MariaDB") and not held.is_older_than("10.11.9-MariaDB")


def test_an_upgrade_that_was_killed_counts_as_not_done(tmp_path: Path) -> None:
    # mariadb-upgrade empties the new file first, and leaves the old one.
    put(tmp_path, ibdata1="", mariadb_upgrade_info="", mysql_upgrade_info="11.8.3-MariaDB")
    held = examine(tmp_path, "mariadb", "11.8.3")
    assert held.version == UNKNOWN and held.is_older_than("11.8.3-MariaDB")


def test_mysql_tells_its_last_version(tmp_path: Path) -> None:
    put(tmp_path, ibdata1="", mysql_upgrade_history=json.dumps(HISTORY))
    assert examine(tmp_path, "mysql", "9.7.4").version == "9.7.4-2"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"upgrade_history": []}'])
def test_a_history_that_says_nothing_is_no_error(tmp_path: Path, content: str) -> None:
    put(tmp_path, ibdata1="", mysql_upgrade_history=content)
    held = examine(tmp_path, "mysql", "9.7.4")
    assert held.version is None and not held.is_older_than("9.7.4")


@pytest.mark.parametrize(
    ("engine", "files", "sentence"),
    [
        ("mariadb", {"letters__txt": ""}, "neither empty nor a data directory: it holds 'letters.txt'"),
        ("mariadb", {"ibdata1": "", "mysql__ibd": ""}, "is a data directory of MySQL"),
        ("mysql", {"ibdata1": "", "aria_log_control": ""}, "is a data directory of MariaDB"),
        ("mariadb", {"ibdata1": "", "mariadb_upgrade_info": "12.1.2-MariaDB"}, "newer server 12.1.2-MariaDB"),
        ("mysql", {"ibdata1": "", "mysql_upgrade_history": json.dumps(HISTORY)}, "newer server 9.7.4-2"),
    ],
)
def test_what_this_server_cannot_use_is_refused_and_left_alone(
    tmp_path: Path, engine: str, files: dict[str, str], sentence: str
) -> None:
    put(tmp_path, **files)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DbHandlerError, match=sentence):
        examine(tmp_path, engine, {"mariadb": "11.8.3-MariaDB", "mysql": "8.4.1"}[engine])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_databases_with_the_names_of_files_are_no_files(tmp_path: Path, engine: str) -> None:
    (tmp_path / "mysql").mkdir()
    for name in ("ibdata1", "aria_log_control", "mysql_upgrade_info", "mariadb_upgrade_info", "mysql_upgrade_history"):
        (tmp_path / name).mkdir()
    put(tmp_path, dot_dbhandler="")
    version = UNKNOWN if engine == "mariadb" else None
    assert examine(tmp_path, engine, "11.8.3") == Held(empty=False, ours=True, version=version)


def test_a_folder_with_the_name_of_a_file_makes_no_data_directory(tmp_path: Path) -> None:
    (tmp_path / "ibdata1").mkdir()
    assert not held_by_server(tmp_path)
    with pytest.raises(DbHandlerError, match="neither empty nor a data directory: it holds 'ibdata1'"):
        examine(tmp_path, "mariadb", "11.8.3")


def test_a_missing_directory_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DbHandlerError, match="nowhere cannot be read"):
        examine(tmp_path / "nowhere", "mysql", "9.7.4")


def test_a_release_is_its_first_two_numbers() -> None:
    assert release("11.8.3-MariaDB-0+deb13u1") == (11, 8)
    assert release("unknown") == (0, 0)
