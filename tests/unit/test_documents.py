"""The README and docs/: no link leads nowhere, what is made from the code is as it says, every command is run."""

from __future__ import annotations

import importlib.util
import os
import re
import tomllib
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from dbhandler.edge import exit_status
from dbhandler.errors import ConfigError, DbHandlerError, Denied, InvalidRequest, TryLater, Unavailable
from tests.docs.pages import DOCS, PRINTED, README, RUN, Page, is_printed, pages, steps

ROOT = Path(__file__).parents[2]

PAGES = tuple(pages())
MOST_NOT_RUN = 8
"""Shell blocks that no test runs, each with its reason above it."""
LARGEST_README = 8000
"""Bytes: what is read in one sitting. More belongs into docs/."""

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """docs/generate.py."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make, on GitHub and in the site alike."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken(page: Page) -> list[str]:
    """The links of a page within this repository that lead nowhere."""
    found = []
    for link in _LINK.findall(re.sub(r"^```.*?^```$", "", page.text, flags=re.MULTILINE | re.DOTALL)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.path.parent / name).resolve() if name else page.path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Page) -> None:
    assert broken(page) == []


def test_the_site_holds_what_the_pages_link_to() -> None:
    outside = {
        f"{page}: {link}"
        for page in PAGES
        if page.path != README
        for link in _LINK.findall(page.text)
        if not re.match(r"[a-z]+:|#", link)
        and not (page.path.parent / link.partition("#")[0]).resolve().is_relative_to(DOCS)
    }
    assert outside == set()


def test_the_readme_is_short_and_begins_with_the_two_commands() -> None:
    assert len(README.read_bytes()) <= LARGEST_README
    commands = [line.split("#")[0].split() for block in Page(README).blocks for line in block.code.splitlines()]
    assert commands[:2] == [["make", "demo"], ["make", "test"]]


# --- every block is run, or says why not ---


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_block_is_run_or_says_why_not(page: Page) -> None:
    assert len(re.findall(r"^\s*```\w", page.text, re.MULTILINE)) == len(page.blocks), "a block that cannot be read"
    languages = {block.language for block in page.blocks}
    assert languages <= {RUN, PRINTED, "text", "yaml", "dockerfile", "python", "json"}
    for block in page.blocks:
        assert block.mark in ("", "at the end") or block.reason, f"{page}:{block.line}: {block.mark}"
        assert block.language != RUN or block.is_run or block.reason, f"{page}:{block.line}"
        # What a page of commands shows is what they print, or says what else it is.
        assert block.language != "text" or block.reason or not page.is_run, f"{page}:{block.line}"
    compared = [shown for at_the_end in (False, True) for _, shown in steps(page, at_the_end) if shown is not None]
    shown = [block for block in page.blocks if block.language == PRINTED and not block.reason]
    assert len(compared) == len(shown), "output that is printed by no block above it"


def test_few_blocks_are_not_run() -> None:
    counts = Counter(block.is_run for page in PAGES for block in page.blocks if block.language == RUN)
    assert counts[False] <= MOST_NOT_RUN < counts[True] / 4


def test_what_goes_on_from_a_page_ends_with_it() -> None:
    for page in PAGES:
        if (first := page.begins_with) is not None:
            assert first in PAGES and first.begins_with is None and list(steps(first, at_the_end=True))


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n", "a\nb\n", False),
        ("…\nb\n", "a\nb\n", True),
        ("…\nb\n", "b\n", True),
        ("…\nb\n", "a\nc\n", False),
        ("-p… -h\n", "-pSecret -h\n", True),
        ("-p… -h\n", "-pSecret -x\n", False),
        ("a.c\n", "abc\n", False),
        ("", "a\n", False),
    ],
)
def test_what_is_shown_is_compared(shown: str, output: str, same: bool) -> None:
    assert is_printed(shown, output) is same


# --- what is made from the code ---


@pytest.mark.parametrize("name", ["settings", "programs", "metrics"])
def test_a_generated_page_is_what_the_code_says(generator: ModuleType, name: str) -> None:
    made = generator.PAGES[name]()
    assert generator.path_of(name).read_text() == made, "run .venv/bin/python docs/generate.py"


def test_every_generated_page_is_looked_at(generator: ModuleType) -> None:
    assert set(generator.PAGES) == {"settings", "programs", "metrics"}
    marked = {path.stem for path in (DOCS / "reference").glob("*.md") if "generate.py" in path.read_text()}
    assert marked == set(generator.PAGES)


def test_a_setting_without_a_meaning_is_told(generator: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tomllib.loads((DOCS / "settings.toml").read_text())
    del told["SERF_JOIN"]
    monkeypatch.setattr(generator.tomllib, "loads", lambda _: told)
    with pytest.raises(SystemExit, match="SERF_JOIN"):
        generator.settings()


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (InvalidRequest, "EX_USAGE"),
        (ConfigError, "EX_USAGE"),
        (Denied, "EX_NOPERM"),
        (TryLater, "EX_TEMPFAIL"),
        (Unavailable, "EX_UNAVAILABLE"),
        (DbHandlerError, "EX_SOFTWARE"),
    ],
)
def test_the_exit_statuses_are_those_of_the_code(error: type[DbHandlerError], name: str) -> None:
    page = (DOCS / "reference" / "exit-codes.md").read_text()
    listed = dict(re.findall(r"^\| (\d+) \| `(EX_\w+)` ", page, re.MULTILINE))
    assert listed[str(exit_status(error("x")))] == name
    assert all(getattr(os, written) == int(number) for number, written in listed.items())


def test_every_rule_of_the_architecture_stands_in_the_room_where_it_is_expected() -> None:
    page = (DOCS / "architecture.md").read_text()
    rows = re.findall(r"^\| [^|]+\? \| `(\w+)` \| ([^|]+) \|$", page, re.MULTILINE)
    paths = [(room, path) for room, cell in rows for path in re.findall(r"`([^`]+)`", cell)]
    assert len(rows) == 25 and all((ROOT / path).is_file() for _, path in paths)
    assert [path for room, path in paths if Path(path).parts[1] != room] == []
