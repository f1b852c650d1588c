"""A cluster as somebody runs it: one Serf agent, two database servers, three applications without Python."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
from functools import partial
from typing import Any

import pytest

from tests.support.containers import RPC_KEY, Container, Database, Site
from tests.support.docker import docker, eventually, together

GOSSIP_KEY = "T2Jqd2R6a2xhc2pka2xhc2pka2xhc2pka2xhc2pka2w="
KEYS = {"SERF_RPC_AUTH": RPC_KEY, "SERF_ENCRYPT_KEY": GOSSIP_KEY}


class Application(Container):
    """A container that runs dbhandler-request once, as an init container does, with its state on a volume."""

    def __init__(self, name: str, database: str) -> None:
        super().__init__(name)
        self.database = database

    def answer(self) -> dict[str, Any]:
        """What its last run was given."""
        status = self.wait_ended()
        assert status == 0, self.logs
        return dict(json.loads(self.logs.splitlines()[-1]))


class Cluster:
    def __init__(self, site: Site) -> None:
        self._site, self.network = site, site.network()
        on = ("--network", self.network)
        self.agent = site.agent(options=(*on, "--network-alias", "serf_agent"), **KEYS)
        self.servers = [
            site.database(engine, options=on, SERF_JOIN="serf_agent", **KEYS) for engine in ("mariadb", "mysql")
        ]
        together(*(server.wait_healthy for server in self.servers))
        self.wait_ready()
        self.applications = [self.application(database) for database in ("orders", "stock", "wiki")]
        self.given = [application.answer() for application in self.applications]

    def application(self, database: str, *options: str, state: str = "") -> Application:
        """Starts an application that asks for a database."""
        command = (
            database, "--state", "/state/state.json", "--rpc-addr", "serf_agent:7373", "--format", "json", *options
        )  # fmt: skip
        name = self._site.start(
            "dbhandler-serf",
            *command,
            options=(
                "--network", self.network, "--entrypoint", "dbhandler-request",
                "-v", f"{state or self._site.volume()}:/state",
            ),
            SERF_RPC_AUTH=RPC_KEY,
        )  # fmt: skip
        return Application(name, database)

    def wait_ready(self) -> None:
        """Waits until the agent sees every server ready."""
        for server in self.servers:
            eventually(f"{server.name} to be ready", partial(self._serves, server))

    def _serves(self, server: Database) -> bool:
        return self.state(server) == ("alive", "ready")

    def state(self, server: Database) -> tuple[str, str]:
        """How the agent sees a server: alive or not, ready or not."""
        member = self.agent.members().get(server.node, {"status": "", "tags": {}})
        return member["status"], member["tags"].get("mysql", "")

    def server_of(self, given: dict[str, Any]) -> Database:
        """The server that an application was sent to."""
        return next(server for server in self.servers if server.address == given["host"])


@pytest.fixture(scope="module")
def cluster(site: Site) -> Cluster:
    return Cluster(site)


def test_each_application_connects_with_what_it_was_given(cluster: Cluster) -> None:
    for given, application in zip(cluster.given, cluster.applications, strict=True):
        assert given["database"] == application.database
        server = cluster.server_of(given)
        assert given["port"] == 3306
        rows = server.sql("SELECT DATABASE(), CURRENT_USER()", given["user"], given["password"], given["database"])
        assert rows == [(application.database, f"{given['user']}@%")]
        server.sql(
            "CREATE TABLE own (word VARCHAR(20) PRIMARY KEY)", given["user"], given["password"], given["database"]
        )
        server.sql(
            f"INSERT INTO own VALUES ('{given['database']}')", given["user"], given["password"], given["database"]
        )


def test_each_database_is_on_one_server_only(cluster: Cluster) -> None:
    for given in cluster.given:
        holders = [server for server in cluster.servers if server.holds(given["database"])]
        assert holders == [cluster.server_of(given)]


def test_none_reads_the_database_of_another(cluster: Cluster) -> None:
    for own, other in itertools.permutations(cluster.given, 2):
        server = cluster.server_of(other)
        assert not server.opens(own["user"], own["password"], other["database"])
        assert not server.opens(other["user"], own["password"])


def test_an_image_without_python_reads_its_values_from_files(site: Site, cluster: Cluster) -> None:
    """As docs/how-to/application-any.md: run once beside it, as root, leaving private files on a shared volume."""
    values = site.volume()
    options = ("--network", cluster.network, "--entrypoint", "dbhandler-request", "-v", f"{values}:/values")
    status, log = site.once(
        "dbhandler-serf", "blog", "--rpc-addr", "serf_agent:7373", "--state", "/values/state.json",
        "--files", "/values", "--env-prefix", "WORDPRESS_DB_", options=(*options, "--user", "0"), SERF_RPC_AUTH=RPC_KEY,
    )  # fmt: skip
    assert (status, log) == (0, "")

    def read(name: str) -> str:
        script = f"stat -c %a /values/WORDPRESS_DB_{name} && cat /values/WORDPRESS_DB_{name}"
        shell = ("--entrypoint", "sh", "--user", "0", "-v", f"{values}:/values:ro")
        status, log = site.once("dbhandler-serf", "-c", script, options=shell)
        mode, _, value = log.partition("\n")
        assert (status, mode) == (0, "600")
        return value

    host, user, password, database = (read(name) for name in ("HOST", "USER", "PASSWORD", "NAME"))
    assert cluster.server_of({"host": host}).opens(user, password, database)


def test_nobody_joins_without_the_gossip_key(site: Site, cluster: Cluster) -> None:
    options = ("--network", cluster.network)
    stranger = site.agent("-node=stranger", options=options, SERF_JOIN="serf_agent")
    keyed = site.agent("-node=keyed", options=options, SERF_JOIN="serf_agent", SERF_ENCRYPT_KEY=GOSSIP_KEY)
    eventually("the one with the key to join", lambda: "keyed" in cluster.agent.members())
    assert "stranger" not in cluster.agent.members()
    assert set(stranger.members()) == {"stranger"}
    for container in (stranger, keyed):
        container.stop()


def test_rpc_wants_its_key(site: Site, cluster: Cluster) -> None:
    status, log = site.once(
        "dbhandler-serf", "intruder", "--rpc-addr", "serf_agent:7373", "--timeout", "3",
        options=("--network", cluster.network, "--entrypoint", "dbhandler-request"), SERF_RPC_AUTH="guessed-key",
    )  # fmt: skip
    assert status == 77
    assert "SERF_RPC_AUTH" in log
    assert "guessed-key" not in log


def test_secrets_show_nowhere(cluster: Cluster) -> None:
    secrets = {GOSSIP_KEY, RPC_KEY, *(given["password"] for given in cluster.given)}
    for container in (cluster.agent, *cluster.servers):
        texts = (container.logs, docker("top", container.name, "-eo", "pid,args").stdout)
        assert all("serf" in text for text in texts)
        assert not [secret for secret in secrets for text in texts if secret in text]


def test_all_survive_a_restart_of_everything_in_any_order(cluster: Cluster) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    order = [cluster.agent, *cluster.servers, *cluster.applications]
    random.Random(seed).shuffle(order)
    for container in order:
        # An application's container has ended: restarting it is asking again.
        container.restart()
    again = [application.answer() for application in cluster.applications]
    cluster.wait_ready()
    for before, after in zip(cluster.given, again, strict=True):
        assert (after["user"], after["password"]) == (before["user"], before["password"])
        word = cluster.server_of(after).sql("SELECT word FROM own", after["user"], after["password"], after["database"])
        assert word == [(after["database"],)]
    # Addresses may have moved; the databases have not.
    cluster.given[:] = again
    test_each_database_is_on_one_server_only(cluster)


def test_uncertainty_is_not_absence(site: Site, cluster: Cluster) -> None:
    """A server that may have the name and does not answer: paused (still a live member), then dead (failed)."""
    known, other = cluster.applications[0], cluster.server_of(cluster.given[0])
    [silent] = [server for server in cluster.servers if server is not other]
    state = site.volume()
    docker("pause", silent.name)
    try:
        refused(cluster.application("undecided", "--timeout", "2", state=state))
    finally:
        docker("unpause", silent.name)
    silent.kill()
    eventually("the agent to see it failed", lambda: cluster.state(silent)[0] == "failed")
    refused(cluster.application("undecided", "--timeout", "2", state=state))
    assert "undecided" not in other.databases()
    # Whoever knows where its database is does not mind.
    known.restart()
    assert known.answer()["password"] == cluster.given[0]["password"]

    silent.start()
    cluster.wait_ready()
    decided = cluster.application("undecided", state=state)
    given = decided.answer()
    assert [server for server in cluster.servers if server.holds("undecided")] == [cluster.server_of(given)]


def refused(application: Application) -> None:
    assert application.wait_ended() == os.EX_TEMPFAIL, application.logs
    assert re.search("waiting for .*, which (is|might have)", application.logs), application.logs
