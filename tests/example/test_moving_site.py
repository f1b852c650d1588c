"""A WordPress behind the proxy moves to another server, and back, while a browser writes posts and reads the site."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dbhandler.trust.pool import Pool
from dbhandler.trust.secret import parse
from tests.image.conftest import site
from tests.support.containers import RPC_KEY, Container, Site
from tests.support.directory_pool import DirectoryPool
from tests.support.docker import eventually
from tests.support.example_cluster import page
from tests.support.visitor import Visitor

__all__ = ["site"]

USER, TITLE = "editor", "A site that moves"
TOLD = {"DBHANDLER_ADVERTISE_HOST": "proxy"}
"""What applications are told, by either server."""


@pytest.fixture(scope="module")
def pool(site: Site) -> DirectoryPool:
    return DirectoryPool(site, ("mariadb", "mariadb"), db1=TOLD, db2=TOLD)


def start(pool: DirectoryPool, image: str, *arguments: str, options: tuple[str, ...] = ()) -> Container:
    settings = {
        "SERF_RPC_ADDR": "serf_agent:7373", "SERF_RPC_AUTH": RPC_KEY,
        "DBHANDLER_POOL": Pool(parse(pool.secret)).id,
    }  # fmt: skip
    return Container(pool.site.start(image, *arguments, options=("--network", pool.network, *options), **settings))


@pytest.fixture(scope="module")
def url(pool: DirectoryPool) -> Iterator[str]:
    """Where WordPress is, which has been told the proxy's name only."""
    start(pool, "dbhandler-proxy", "--database", "wordpress", options=("--network-alias", "proxy"))
    front = start(pool, "dbhandler-wordpress", options=("-p", "127.0.0.1::80"))
    found = f"http://127.0.0.1:{front.published(80)}"
    eventually("WordPress to serve", lambda: "<title>" in page(found))
    assert front.logged(r"serving with the database 'wordpress' on proxy as")
    yield found


def move(pool: DirectoryPool, to: str) -> threading.Thread:
    """Begins a move."""
    arguments = ("dbhandler-pool", "move", "wordpress", "--to", to)
    thread = threading.Thread(target=pool.directory.run, args=arguments, kwargs={"SERF_RPC_AUTH": RPC_KEY})
    thread.start()
    return thread


def test_no_page_is_an_error_while_the_site_moves(pool: DirectoryPool, url: str, visitor: Visitor) -> None:
    visitor.log_in(url, USER, visitor.install(url, TITLE, USER))
    visitor.open_editor(url)
    posts: dict[int, str] = {}
    home = str(pool.row("wordpress"))
    for to in ("db2" if home == "db1" else "db1", home):
        moving = move(pool, to)
        while moving.is_alive() or len(posts) % 3:
            title = f"Post {len(posts)} on the way to {to}"
            posts[visitor.post(title)] = title
            assert title in visitor.look_at("/")
        assert pool.row("wordpress") == to
    there = dict(pool.servers[home].sql("SELECT ID, post_title FROM wordpress.wp_posts WHERE post_status = 'publish'"))
    assert posts.items() <= there.items()
