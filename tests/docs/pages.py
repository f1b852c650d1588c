"""The README and the pages of docs/ as tests read them: their blocks of code, and what is to be done with each.

A block ```sh is run, and a block ```output behind it is what that prints. In it `…` stands for any text, and a line
`…` for any lines. A block of any language with title="FILE" is first written to that file. Comments above a block say
what a reader does not see:

    <!-- not run: REASON -->    left out, and why
    <!-- at the end -->         run when all pages that go on from this one are done
    <!-- goes on from: PAGE --> (anywhere) this page is read in the terminal in which that one was
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"

RUN, PRINTED = "sh", "output"
ANYTHING = "…"

_BLOCK = re.compile(
    r'^(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<code>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_GOES_ON = re.compile(r"^<!-- goes on from: (\S+) -->$", re.MULTILINE)
_NOT_RUN, _AT_THE_END = "not run: ", "at the end"


@dataclass(frozen=True)
class Block:
    """One block of code: mark is the comment above it, line the number of its first line."""

    language: str
    title: str
    code: str
    mark: str
    line: int

    @property
    def reason(self) -> str:
        """Why it is not run or compared, empty where it is."""
        return self.mark.removeprefix(_NOT_RUN) if self.mark.startswith(_NOT_RUN) else ""

    @property
    def is_run(self) -> bool:
        return self.language == RUN and not self.title and not self.reason

    @property
    def at_the_end(self) -> bool:
        return self.mark == _AT_THE_END


@dataclass(frozen=True)
class Page:
    """One file of Markdown."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(
            Block(match["language"], match["title"] or "", match["code"], match["mark"] or "", self._line(match))
            for match in _BLOCK.finditer(self.text)
        )

    @cached_property
    def begins_with(self) -> Page | None:
        """The page in whose terminal this one is read."""
        found = _GOES_ON.search(self.text)
        return Page((self.path.parent / found[1]).resolve()) if found else None

    @property
    def is_run(self) -> bool:
        """Does it show a command that a test runs?"""
        return any(block.is_run for block in self.blocks)

    def _line(self, match: re.Match[str]) -> int:
        return self.text.count("\n", 0, match.start("code")) + 1


def pages() -> Iterator[Page]:
    """The README and all pages of docs/, each behind the one that it goes on from."""
    found = [Page(README), *(Page(path) for path in sorted(DOCS.rglob("*.md")))]
    for page in found:
        if page.begins_with is None:
            yield page
            yield from (other for other in found if other.begins_with == page)


def steps(page: Page, at_the_end: bool = False) -> Iterator[tuple[Block, str | None]]:
    """The blocks that write a file or are run, in order, each with the output that is shown, None where none is."""
    for block, following in zip_longest(page.blocks, page.blocks[1:]):
        if block.at_the_end == at_the_end and (block.is_run or (block.title and not block.reason)):
            shown = following is not None and following.language == PRINTED and not following.reason
            yield block, following.code if following is not None and shown else None


def is_printed(shown: str, output: str) -> bool:
    """Is the output what the page shows, `…` being anything?"""
    pattern = ""
    for line in shown.splitlines():
        if line.strip() == ANYTHING:
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split(ANYTHING)) + r"[ \t\r]*\n"
    return re.fullmatch(pattern, output if output.endswith("\n") or not output else output + "\n") is not None
