"""container/release.py: what refuses a release, and what one consists of."""

from __future__ import annotations

import gzip
import importlib.util
import io
import itertools
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
CHANGELOG = """\
# Changelog

## 0.3.0 – unreleased

- Next.

## 0.2.0 – 2026-11-25

- A.
- B.

## 0.1.0 – 2026-01-01

- C.
"""
TOLD = (
    'PRETTY_NAME="Debian"\nVERSION_ID="13"\npackage bash 5.2-3 amd64 bash\npackage libssl3t64 3.5.1-1 amd64 openssl\n'
)


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program as a module."""
    spec = importlib.util.spec_from_file_location("release", ROOT / "container" / "release.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "release", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A committed tree of version 0.2.0."""
    (tmp_path / "dbhandler").mkdir()
    (tmp_path / "dbhandler" / "__init__.py").write_text('__version__ = "0.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for command in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "x")):
        subprocess.run(("git", "-C", str(tmp_path), *command), check=True)
    return tmp_path


def test_the_notes_are_the_section_of_the_version(release: ModuleType, tree: Path) -> None:
    assert release.check(tree) == "- A.\n- B.\n"


def test_a_dirty_tree_is_refused(release: ModuleType, tree: Path) -> None:
    (tree / "new").touch()
    with pytest.raises(release.Refused, match="no commit holds"):
        release.check(tree)


@pytest.mark.parametrize(
    ("version", "why"), [("0.4.0", "has no section 0.4.0"), ("0.3.0", "is unreleased"), ("0.2", "has no section 0.2")]
)
def test_a_version_without_a_dated_section_is_refused(release: ModuleType, version: str, why: str) -> None:
    with pytest.raises(release.Refused, match=re.escape(why)):
        release.notes(CHANGELOG, version)


def test_two_archives_of_the_same_files_are_the_same_bytes(release: ModuleType, tmp_path: Path) -> None:
    for number, names in enumerate((("b", "a"), ("a", "b"))):
        with tarfile.open(tmp_path / f"{number}.tar.gz", "w:gz") as tar:
            for name in names:
                member = tarfile.TarInfo(name)
                member.size, member.mtime, member.uid, member.mode = 1, number, number, 0o600 + number * 0o44
                tar.addfile(member, io.BytesIO(name.encode()))
        release.even_out(tmp_path / f"{number}.tar.gz", tmp_path / f"even-{number}", 1_700_000_000)
    even = [(tmp_path / f"even-{number}").read_bytes() for number in (0, 1)]
    assert even[0] == even[1]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(even[0]))) as tar:
        assert [(member.name, tar.extractfile(member).read()) for member in tar] == [("a", b"a"), ("b", b"b")]  # type: ignore[union-attr]


def test_an_image_answers_with_its_debian_and_its_packages(release: ModuleType) -> None:
    assert release.debian(TOLD) == "debian-13" and release.debian("ID=debian\n") == "debian-sid"
    assert [package.source for package in release.packages(TOLD)] == ["bash", "openssl"]


def test_the_sums_are_those_that_sha256sum_reads(
    release: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "DIST", tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "x.tar.gz").write_bytes(b"x")
    (tmp_path / "a.whl").write_bytes(b"a")
    release.sums()
    done = subprocess.run(("sha256sum", "-c", "SHA256SUMS"), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "a.whl: OK\nimages/x.tar.gz: OK\n"
    (tmp_path / "a.whl").write_bytes(b"other")
    assert subprocess.run(("sha256sum", "-c", "SHA256SUMS"), cwd=tmp_path, capture_output=True).returncode != 0


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The arguments of each build by which container/push publishes the images of all engines, in order."""
    folder = tmp_path_factory.mktemp("docker")
    (folder / "docker").write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n')
    (folder / "docker").chmod(0o755)
    environ = {"PATH": f"{folder}:{os.environ['PATH']}", "BASE": "debian:trixie-slim"}
    for engine in ("mariadb", "mysql", "galera"):
        options = ("-f", "container/Dockerfile", "--build-arg", f"ENGINE={engine}", "--target")
        command = (ROOT / "container" / "push", "a/b", "0.2.0", engine, "linux/amd64", "trixie", *options)
        subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL)
    return [line.split() for line in (folder / "calls").read_text().splitlines()]


def tags(call: list[str]) -> set[str]:
    return {value.removeprefix("a/b/") for option, value in itertools.pairwise(call) if option == "-t"}


def test_whatever_is_released_is_pushed_too(pushed: list[list[str]]) -> None:
    found = re.search(r"^RELEASED = ((?:.*\\\n)*.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found
    released = {name if ":" in name else f"{name}:latest" for name in found[1].replace("\\\n", " ").split()}
    names = set().union(*map(tags, pushed))
    assert "dbhandler-backup:mysql" in released <= names
    assert {"dbhandler-backup:latest", "dbhandler-backup:0.2.0", "dbhandler-backup:mariadb-0.2.0"} <= names


def test_backup_and_console_are_built_over_what_was_pushed_before(pushed: list[list[str]]) -> None:
    before: set[str] = set()
    over = []
    for call in pushed:
        over += [value.partition("=a/b/")[2] for value in call if value.startswith(("DATABASE=", "SERF="))]
        assert set(over) <= before
        before |= tags(call)
    assert set(over) == {"dbhandler:mariadb-0.2.0", "dbhandler:mysql-0.2.0", "dbhandler-serf:0.2.0"}
