"""A WordPress that provisions itself, seen with a browser: early, restarted, killed, and beside another one."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docker import docker, eventually
from tests.support.example_cluster import ExampleCluster, page
from tests.support.visitor import Visitor

FRONTS = 3
USER, TITLE = "editor", "A site of its own"
POST, TEXT = "The first post", "Nobody has written a password for this database."


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleCluster]:
    """Started in the wrong order: three fronts of one site, then their server, then the agent that they ask."""
    cluster = ExampleCluster(tmp_path_factory.mktemp("cluster"), "wordpress/compose.yaml")
    try:
        cluster.up("--scale", f"wordpress={FRONTS}", "wordpress")
        eventually("WordPress to wait", lambda: "no Serf agent answers" in cluster.log("wordpress"))
        cluster.up("database")
        eventually("the server", lambda: "[dbhandler]" in cluster.log("database"))
        cluster.up("serf_agent")
        wait_for_fronts(cluster)
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="module")
def site(cluster: ExampleCluster, visitor: Visitor, tmp_path_factory: pytest.TempPathFactory) -> Visitor:
    """The visitor, who has installed WordPress and written the first post in it, and stays logged in."""
    url = str(cluster.url("wordpress"))
    visitor.log_in(url, USER, visitor.install(url, TITLE, USER))
    visitor.publish(url, POST, TEXT, visitor.upload(url, picture(tmp_path_factory.mktemp("picture") / "sunset.png")))
    return visitor


def picture(path: Path, width: int = 480, height: int = 160) -> Path:
    """A PNG file of a sunset, as small as that may be."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((255, 190 - row, 60 + row // 2)) * width for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def wait_for_fronts(cluster: ExampleCluster, holding: str = "<title>") -> None:
    """Waits until every front serves pages that hold a text."""

    def all_serve() -> bool:
        urls = cluster.urls("wordpress")
        return len(urls) == FRONTS and all(holding in page(url) for url in urls)

    eventually(f"{FRONTS} fronts to serve", all_serve)


def check_site(visitor: Visitor, url: str) -> None:
    """The post is there, its picture loads from where we are, and nobody has been logged out."""
    visitor.open(url)
    assert POST in visitor.text and TEXT in visitor.text
    visitor.see_picture(f"{url}/wp-content/uploads/")
    assert visitor.logged_in_as() == USER


def test_whoever_is_early_waits(cluster: ExampleCluster) -> None:
    log = cluster.log("wordpress")
    first, last = log.index("no Serf agent answers"), log.index("wordpress-start: serving with the database")
    assert first < last
    assert cluster.databases() == {"wordpress"}
    states = [docker("inspect", "-f", "{{.RestartCount}}", front).stdout for front in cluster.containers("wordpress")]
    assert [int(state) for state in states] == [0] * FRONTS, "waiting is no failure"


def test_three_fronts_are_one_site(cluster: ExampleCluster, site: Visitor) -> None:
    for url in cluster.urls("wordpress"):
        check_site(site, url)
    site.screenshot("post")
    sums = {docker("exec", front, "sh", "-c", "cat /state/*").stdout for front in cluster.containers("wordpress")}
    assert len(sums) == 1


def test_the_site_s_cron_runs_behind_the_published_port(cluster: ExampleCluster, site: Visitor) -> None:
    pattern = r'^127\.0\.0\.1 .*"POST /wp-cron\.php\?doing_wp_cron=\S+ HTTP/1\.\d" 200 '

    def logs() -> str:
        return "".join(docker("logs", front).stdout for front in cluster.containers("wordpress"))

    eventually("a front to call its cron", lambda: re.search(pattern, logs(), re.MULTILINE))


def test_a_second_site_has_a_database_of_its_own(cluster: ExampleCluster, site: Visitor) -> None:
    cluster.compose("--profile", "second", "up", "-d", "second")
    eventually("the second site", lambda: "WordPress" in page(cluster.url("second")))
    assert cluster.databases() == {"wordpress", "second"}
    site.open(str(cluster.url("second")))
    assert site.title == "WordPress › Installation" and POST not in site.text
    assert site.logged_in_as() == ""

    own, other = cluster.account("second"), cluster.account("wordpress")
    assert own["password"] != other["password"]
    assert "second" in ask(cluster, own, "SHOW DATABASES") and "wordpress" not in ask(cluster, own, "SHOW DATABASES")
    assert "command denied" in ask(cluster, own, "SELECT * FROM wordpress.wp_posts")
    assert "Access denied" in ask(cluster, own, "CREATE DATABASE third")
    # The same question, asked by whom it belongs to, has an answer.
    assert POST in ask(cluster, other, "SELECT post_title FROM wordpress.wp_posts")
    salts = {cluster.exec(service, "cat", "/state/salts.php") for service in ("second", "wordpress")}
    assert len(salts) == 2, "keys and salts are each site's own"


def ask(cluster: ExampleCluster, account: dict[str, str], statement: str) -> str:
    """What the server tells an account, from where the second site runs; refusals, too."""
    client = ["mariadb", "--skip-ssl-verify-server-cert", "-h", "database", "-u", account["user"], "-e", statement]
    second = cluster.containers("second")[0]
    return docker(
        "exec", "-e", "MYSQL_PWD", second, *client, check=False, environ={"MYSQL_PWD": account["password"]}
    ).stdout


def test_nobody_else_gets_the_database(cluster: ExampleCluster, site: Visitor) -> None:
    status, output = cluster.run_once("wordpress", "--", "echo", "it is mine now")
    assert status == 77 and "says denied" in output and "mine" not in output


@pytest.mark.parametrize("how", ["kill serf_agent", "kill database", "kill wordpress", "restart", "kill", "down"])
def test_the_site_outlives(cluster: ExampleCluster, site: Visitor, how: str) -> None:
    match how.split():
        case ["restart"]:
            cluster.compose("restart", "-t", "60")
        case ["down"]:
            cluster.compose("--profile", "second", "down", "-t", "60")
        case ["kill", *services]:
            cluster.kill(*services)
    cluster.up("--scale", f"wordpress={FRONTS}")
    wait_for_fronts(cluster, POST)
    check_site(site, str(cluster.url("wordpress")))
