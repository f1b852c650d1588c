"""Every command of the README and of docs/, as it stands there, in the order of its page; and what it prints."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import Page, is_printed, pages, steps
from tests.docs.shell import Shell

IMAGES = (
    "dbhandler:latest", "dbhandler-serf", "dbhandler-console", "dbhandler:galera", "dbhandler-proxy",
    "dbhandler-wordpress", "dbhandler-application", "dbhandler-backup",
)  # fmt: skip


class Terminals:
    """The shell in which a page and those that go on from it are read; the next page's ends the one before."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0
        self._first: Page | None = None
        self._shell: Shell | None = None

    def read(self, page: Page) -> None:
        """Does what the page says, and what the one says that it goes on from, unless that is done already."""
        first = page.begins_with or page
        if first != self._first:
            self.close()
            self._number += 1
            folder = self._folder / str(self._number)
            folder.mkdir()
            self._first, self._shell = first, Shell(folder)
            self._do(first)
        if page != first:
            self._do(page)

    def close(self) -> None:
        """Does what is to be done at the end, and looks whether all is gone."""
        shell, first = self._shell, self._first
        self._shell = self._first = None
        if shell is None or first is None:
            return
        try:
            for block, _ in steps(first, at_the_end=True):
                shell.run(block.code)
            assert not shell.remains(), f"{first} leaves something behind"
        finally:
            shell.close()

    def _do(self, page: Page) -> None:
        shell = self._shell
        assert shell
        try:
            for block, shown in steps(page):
                if block.title:
                    shell.write(block.title, block.code)
                    continue
                output = shell.run(block.code)
                if shown is not None and not is_printed(shown, output):
                    pytest.fail(f"{page}:{block.line}: it prints\n{output}\nand not\n{shown}")
        except BaseException:
            print(shell.logs())
            shell.close()
            self._shell = self._first = None
            raise


@pytest.fixture(scope="module")
def terminals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminals]:
    if subprocess.run(("docker", "info"), capture_output=True, timeout=60).returncode:
        pytest.skip("container tests are left out: no Docker engine answers here (docker info)")
    for image in IMAGES:
        missing = subprocess.run(("docker", "image", "inspect", image), capture_output=True, timeout=60).returncode
        assert not missing, f"there is no image {image}: run `make test-example`"
    made = Terminals(tmp_path_factory.mktemp("terminal"))
    yield made
    made.close()


@pytest.mark.parametrize("page", [page for page in pages() if page.is_run], ids=str)
def test_every_command_does_what_the_page_says(page: Page, terminals: Terminals) -> None:
    terminals.read(page)
