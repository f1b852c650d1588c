"""Makes HTML of what is seen: templates that escape all they are given, in parts that change each by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bottle import SimpleTemplate

from dbhandler import __version__
from dbhandler.console.inside import Inside
from dbhandler.console.sight import ServerView, Sight
from dbhandler.console.wording import FOR_PAGES, key
from dbhandler.status.servers import FAILED

FOLDER = Path(__file__).parent / "pages"
OVERVIEW, SERVER = "overview", "server"
MOST_KEPT = 64
"""Pages whose parts are kept while nothing changes: as many servers may be looked at at once."""


@dataclass(frozen=True)
class Block:
    """A part of a page: its HTML has this id."""

    id: str
    html: str


def render(template: str, **values: object) -> str:
    """The HTML that a template makes of values."""
    return str(_template(template).render(**FOR_PAGES, **values))


@lru_cache(maxsize=64)
def _template(name: str) -> SimpleTemplate:
    return SimpleTemplate((FOLDER / f"{name}.tpl").read_text(), name=name, lookup=[str(FOLDER)])


def page(title: str, main: str, **values: object) -> str:
    """A whole page around its main part."""
    defaults = {"user": None, "token": "", "live": None, "here": "", "refresh": False}
    return render("page", title=title, main=main, version=__version__, **{**defaults, **values})


class Pages:
    """The pages that change by themselves. seen gives what is seen now and its version, inside what a server tells of
    itself. Parts are made once for each version, however many look."""

    def __init__(self, seen: Callable[[], tuple[int, Sight]], inside: Callable[[str], Inside]) -> None:
        self._seen, self._inside = seen, inside
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[int, Sequence[Block]]] = {}

    def blocks(self, kind: str, name: str = "") -> Sequence[Block]:
        """The parts of a page, in their order; name is the server's."""
        version, sight = self._seen()
        with self._lock:
            kept = self._kept.get((kind, name))
            if kept is None or kept[0] != version:
                made = self._server(sight, name) if kind == SERVER else overview(sight)
                kept = (version, made)
                self._keep((kind, name), kept)
        return kept[1]

    def _keep(self, page: tuple[str, str], made: tuple[int, Sequence[Block]]) -> None:
        self._kept.pop(page, None)
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[page] = made

    def _server(self, sight: Sight, name: str) -> Sequence[Block]:
        if (server := sight.named(name)) is None:
            return [Block("state", render("unknown", name=name, is_first=sight.is_first))]
        return server_blocks(sight, server, self._inside(name))


def overview(sight: Sight) -> list[Block]:
    """The parts of the first page."""
    blocks = [
        Block("summary", render("summary", sight=sight, totals=totals(sight))),
        Block("waits", render("sentences", id="waits", title="Who is waited for", sentences=sight.waits, kind="busy")),
        Block("warnings", render("sentences", id="warnings", title="What is not protected",
                                 sentences=sight.warnings, kind="bad")),
    ]  # fmt: skip
    blocks += [Block(key("c", name), _group(name, tuple(nodes))) for name, nodes in sight.groups.items()]
    blocks += [Block("servers", render("heading", id="servers", title="Servers", number=len(sight.singles)))]
    blocks += [Block(key("s", server.node), card(server)) for server in sight.singles]
    blocks += [Block("rest", render("rest", sight=sight))]
    return blocks


def server_blocks(sight: Sight, server: ServerView, inside: Inside) -> list[Block]:
    """The parts of a server's page."""
    name = server.group or server.node
    waits = [one for one in sight.waits if repr(server.node) in one or repr(name) in one]
    return [
        Block("state", render("state", server=server)),
        Block("waits", render("sentences", id="waits", title="Who is waited for", sentences=waits, kind="busy")),
        Block("databases", render("databases", inside=inside, server=server)),
        Block("moves", render("moves", inside=inside)),
        Block("requests", render("requests", inside=inside)),
    ]


@lru_cache(maxsize=2048)
def card(server: ServerView) -> str:
    """A server in the picture; made anew only when something of it has changed."""
    return render("card", server=server)


@lru_cache(maxsize=256)
def _group(name: str, nodes: tuple[ServerView, ...]) -> str:
    return render("group", name=name, nodes=nodes, cards=[card(node) for node in nodes])


def totals(sight: Sight) -> Mapping[str, int]:
    """What the first line says."""
    servers = [server for server in sight.servers if server.state != "left"]
    known = [server.status for server in servers if server.status]
    return {
        "servers": len(servers) + sight.left_out,
        "ready": sum(server.is_well for server in servers),
        "failed": sum(server.state == FAILED for server in servers),
        "databases": sum(status.databases or 0 for status in known),
        "spool": sum(status.spool or 0 for status in known),
    }
