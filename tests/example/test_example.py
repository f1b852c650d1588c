"""`make example` and `make example-stop`, without building the images."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
from example import compose_command, keep_settings

from tests.support.docker import docker, eventually, run
from tests.support.example_cluster import CONTAINER, IMAGE, ExampleCluster


class Example(ExampleCluster):
    """The cluster that example.py starts and removes."""

    def __call__(self, verb: str, **environ: str) -> str:
        """What it prints; it has to succeed."""
        return run(
            sys.executable, str(CONTAINER / "wordpress" / "example.py"), verb, environ=self.environ | environ
        ).stdout


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
    assert set(secrets) == {"serf_rpc_auth", "serf_encrypt_key", "pool_secret", "console_password"}
    assert {key.stat().st_mode & 0o777 for key in example.keys.iterdir()} == {0o600}
    secrets["password"] = example.account("wordpress")["password"]
    said = printed + "".join(docker("inspect", c).stdout + docker("logs", c).stdout for c in example.containers())
    assert not [name for name, value in secrets.items() if value in said]
    for secret in ("/run/secrets/serf_rpc_auth", "/state/database.json"):
        command = ("exec", "-u", "www-data", example.containers("wordpress")[0], "cat", secret)
        assert "denied" in docker(*command, check=False).stdout

    before = example.containers()
    assert "Done in" in example("up") and example.containers() == before
    assert "Done in" in example("up", WORDPRESS_URL="https://blog.example")
    url = str(example.url("wordpress"))
    assert redirection(url, "stranger.example") == "https://blog.example/wp-admin/install.php"

    example("stop")
    assert not example.containers() and not example.keys.exists()
    for kind in ("volume", "network"):
        assert not docker(kind, "ls", "-q", "--filter", f"label=com.docker.compose.project={example.project}").stdout


STARTED = {"COMPOSE_FILE": "compose.yaml:compose.cluster.yaml", "DATABASE_IMAGE": "dbhandler:galera"}


def test_compose_alone_starts_the_cluster_that_was_started(tmp_path: Path) -> None:
    for file in (CONTAINER / "wordpress").glob("*.yaml"):
        shutil.copy(file, tmp_path)
    made = STARTED | {"KEYS_DIR": str(tmp_path)}
    keep_settings(tmp_path / ".env", made | {"SERF_RPC_AUTH": "a secret"})
    assert "secret" not in (tmp_path / ".env").read_text()
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [*compose_command(), "config"]
    alone = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, check=True, timeout=60)
    (tmp_path / ".env").unlink()
    named = bare | made | {"COMPOSE_PROJECT_NAME": "dbhandler-example"}
    by_make = subprocess.run(command, cwd=tmp_path, env=named, capture_output=True, text=True, check=True, timeout=60)
    assert "database3:" in alone.stdout
    assert alone.stdout == by_make.stdout


def test_the_same_volumes_get_no_other_kind_of_cluster(tmp_path: Path) -> None:
    settings = tmp_path / ".env"
    keep_settings(settings, STARTED)
    before = settings.read_text()
    with pytest.raises(ValueError, match="runs with dbhandler:galera, not dbhandler:mysql: make example-stop"):
        keep_settings(settings, STARTED | {"DATABASE_IMAGE": "dbhandler:mysql"})
    assert settings.read_text() == before
    keep_settings(settings, {"WORDPRESS_PORT": "8080"})
    assert set(settings.read_text().splitlines()) == {*before.splitlines(), "WORDPRESS_PORT=8080"}


def test_a_wordpress_that_waits_stops_when_told() -> None:
    name = docker("run", "-d", IMAGE).stdout.strip()
    try:
        eventually("it to wait", lambda: "no Serf agent answers" in docker("logs", name).stdout)
        docker("stop", "-t", "60", name)
        assert docker("inspect", "-f", "{{.State.ExitCode}}", name).stdout.strip() == "143"
    finally:
        docker("rm", "-f", "-v", name)
