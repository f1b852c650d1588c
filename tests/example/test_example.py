"""`make example` and `make example-stop`, without building the images."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
from example_cluster import CONTAINER, IMAGE, ExampleCluster, docker, eventually, run


class Example(ExampleCluster):
    """The cluster that example.py starts and removes."""

    def __call__(self, verb: str, **environ: str) -> str:
        """What it prints; it has to succeed."""
        return run(sys.executable, str(CONTAINER / "wordpress" / "example.py"), verb, **self.environ, **environ)


class Stay(HTTPRedirectHandler):
    """Follows no redirection."""

    def redirect_request(self, *_: object) -> None:
        return None


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    cluster = Example(tmp_path)
    for key in cluster.keys.iterdir():
        key.unlink()
    cluster.keys.rmdir()
    yield cluster
    cluster("stop")


def redirection(url: str, host: str) -> str:
    """Where a visitor who knows the site as `host` is sent."""
    with pytest.raises(HTTPError) as redirected:
        build_opener(Stay()).open(Request(url, headers={"Host": host}), timeout=30)
    return str(redirected.value.headers["Location"])


def test_from_nothing_to_a_site_and_back(example: Example) -> None:
    printed = example("up")
    assert re.search(r"# dbhandler-request: .*(no Serf agent|no database server|waiting for the server)", printed)
    [url] = re.findall(r"^  (http://\S+/)$", printed, re.MULTILINE)
    assert "Done in" in printed and url == f"{example.url('wordpress')}/"
    assert redirection(url, "blog.example:81") == "http://blog.example:81/wp-admin/install.php"

    secrets = {key.name: key.read_text() for key in example.keys.iterdir()}
    assert set(secrets) == {"serf_rpc_auth", "serf_encrypt_key"}
    assert {key.stat().st_mode & 0o777 for key in example.keys.iterdir()} == {0o600}
    secrets["password"] = example.account("wordpress")["password"]
    said = printed + "".join(docker("inspect", c) + docker("logs", c) for c in example.containers())
    assert not [name for name, value in secrets.items() if value in said]
    for secret in ("/run/secrets/serf_rpc_auth", "/state/database.json"):
        assert "denied" in docker(
            "exec", "-u", "www-data", example.containers("wordpress")[0], "cat", secret, check=False
        )

    before = example.containers()
    assert "Done in" in example("up") and example.containers() == before
    assert "Done in" in example("up", WORDPRESS_URL="https://blog.example")
    url = str(example.url("wordpress"))
    assert redirection(url, "stranger.example") == "https://blog.example/wp-admin/install.php"

    example("stop")
    assert not example.containers() and not example.keys.exists()
    for kind in ("volume", "network"):
        assert not docker(kind, "ls", "-q", "--filter", f"label=com.docker.compose.project={example.project}")


def test_a_wordpress_that_waits_stops_when_told() -> None:
    name = docker("run", "-d", IMAGE).strip()
    try:
        eventually("it to wait", lambda: "no Serf agent answers" in docker("logs", name))
        docker("stop", "-t", "60", name)
        assert docker("inspect", "-f", "{{.State.ExitCode}}", name).strip() == "143"
    finally:
        docker("rm", "-f", "-v", name)
