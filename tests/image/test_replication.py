"""A source and its replica by the official images' variables, and how a replica takes requests."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.containers import Container, Database, Site
from tests.support.docker import eventually

PASSWORD, REPLICAS = "the-root-password", "the-password-of-replicas"
CHECK = ("healthcheck.sh", "--connect", "--replication_io", "--replication_sql", "--replication")


@dataclass(frozen=True)
class Pair:
    source: Database
    replica: Database
    agent: Container


def root(server: Database, statement: str) -> list[tuple[object, ...]]:
    return server.sql(statement, "root", f"{PASSWORD}-of-{server.name}")


@pytest.fixture(scope="module")
def pair(site: Site, engine: str, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("replication")
    folder.chmod(0o755)
    (folder / "password").write_text(f"{REPLICAS}\n")
    (folder / "password").chmod(0o444)
    (folder / "initdb.d").mkdir(mode=0o755)
    (folder / "initdb.d/10.sql").write_text("CREATE TABLE orders (n INT PRIMARY KEY); INSERT INTO orders VALUES (1);")
    network = ("--network", site.network())
    agent = site.agent(options=network)
    log_in = {"MARIADB_REPLICATION_USER": "repl", "MARIADB_REPLICATION_PASSWORD_FILE": "/secret/password"}
    secret = (*network, "-v", f"{folder}:/secret:ro")

    def server(name: str, *options: str, **more: str) -> Database:
        environ = {"SERF_JOIN": agent.name, "MARIADB_ROOT_PASSWORD": f"{PASSWORD}-of-{name}", **log_in, **more}
        return site.database(engine, options=(*secret, *options), name=name, **environ)

    scripts = ("-v", f"{folder / 'initdb.d'}:/docker-entrypoint-initdb.d:ro")
    source = server(site.name("source"), *scripts, MARIADB_DATABASE="shop").wait_healthy()
    replica = server(site.name("replica"), MARIADB_MASTER_HOST=source.name).wait_healthy()
    eventually("the replica to follow", lambda: replica.run(*CHECK).returncode == 0)
    return Pair(source, replica, agent)


def arrives(pair: Pair, statement: str) -> None:
    wanted = root(pair.source, statement)
    eventually("what the source holds", lambda: root(pair.replica, statement) == wanted)


def test_what_the_first_start_of_the_source_has_made_arrives_and_so_does_a_row(pair: Pair) -> None:
    root(pair.source, "INSERT INTO shop.orders VALUES (2)")
    statement = "SELECT n FROM shop.orders ORDER BY n"
    eventually("both rows", lambda: root(pair.replica, statement) == [(1,), (2,)])


def test_root_has_another_password_on_each_and_no_log_has_one(pair: Pair) -> None:
    assert not pair.replica.opens("root", f"{PASSWORD}-of-{pair.source.name}")
    for server in (pair.source, pair.replica):
        assert REPLICAS not in server.logs and PASSWORD not in server.logs
        script = "for p in /proc/[0-9]*; do cat $p/environ $p/cmdline 2>/dev/null; done"
        assert REPLICAS not in server.exec("sh", "-c", script, check=False)


def test_the_account_of_replicas_does_nothing_else(pair: Pair) -> None:
    [(grants,)] = pair.source.sql("SHOW GRANTS", "repl", REPLICAS)
    assert str(grants).startswith("GRANT REPLICATION SLAVE ON *.*")


def test_nobody_but_an_administrator_writes_to_the_replica(pair: Pair) -> None:
    assert root(pair.replica, "SELECT @@read_only") == [(1,)]
    assert root(pair.source, "SELECT @@read_only, @@log_bin") == [(0, 1)]


def test_requests_are_left_to_the_source(pair: Pair) -> None:
    source, replica, agent = pair.source, pair.replica, pair.agent
    eventually("the source to be ready", lambda: source.tags().get("mysql") == "ready")
    eventually("the replica to say so", lambda: replica.tags().get("role") == "replica")
    assert source.tags()["role"] == "db"
    answer = agent.query("create_db", "asked", node=replica)
    assert answer["status"] == "unavailable"
    assert "this server is a replica that nobody is to write to (read_only): ask its source" in answer["reason"]
    agent.event("told")
    eventually("the event to be left", lambda: "'told' left to another node" in replica.logs)
    eventually("the database from the source", lambda: ("told",) in root(replica, "SHOW DATABASES"))
    assert ("asked",) not in root(source, "SHOW DATABASES")
    assert agent.exec("dbhandler-request", "blog", "--state", "/state/blog.json", "--format", "json").count('"blog"')
    eventually("an application's database", lambda: ("blog",) in root(replica, "SHOW DATABASES"))
    status = agent.run("dbhandler-status")
    assert status.returncode == 0 and source.node in status.stdout and replica.node not in status.stdout


def test_the_replica_has_written_nothing_of_its_own(pair: Pair) -> None:
    root(pair.source, "INSERT INTO shop.orders VALUES (3)")
    arrives(pair, "SELECT n FROM shop.orders ORDER BY n")
    position = "@@gtid_executed" if pair.source.engine == "mysql" else "@@gtid_binlog_pos"
    arrives(pair, f"SELECT {position}")
    assert pair.replica.run(*CHECK, "--agent").returncode != 0, "the agent is not ready for requests"
    assert pair.replica.run(*CHECK).returncode == 0
    assert "[ERROR]" not in "".join(line for line in pair.replica.logs.splitlines() if "[dbhandler]" in line)


def test_a_restart_changes_nothing_and_a_promoted_replica_takes_requests(pair: Pair) -> None:
    replica = pair.replica
    replica.restart()
    replica.wait_healthy()
    eventually("the replica to follow again", lambda: replica.run(*CHECK).returncode == 0)
    root(replica, "STOP REPLICA")
    root(replica, "SET GLOBAL read_only = 0")
    eventually("a server like any other", lambda: replica.tags().get("role") == "db")
    eventually("it to be ready", lambda: replica.tags().get("mysql") == "ready")
    # The agent's session is still one that may not write, and ends by that.
    answers = [pair.agent.query("create_db", "promoted", node=replica)["status"] for _ in range(2)]
    assert answers in (["unavailable", "created"], ["created", "exists"])


def test_a_server_that_is_kept_from_being_written_to_is_waited_for(site: Site, engine: str) -> None:
    server = site.database(engine, MYSQL_ADMIN_PASSWORD="pw").wait_healthy().wait_ready()
    server.sql("SET GLOBAL read_only = 1", "admin", "pw")
    eventually("it not to be ready", lambda: server.tags().get("mysql") in ("down", "starting"))
    assert server.tags()["role"] == "db"
    eventually("an agent that knows it", lambda: server.logged("nobody is to write to this server any more"))
    server.exec("dbhandler-create", stdin="later")
    eventually("the event to wait", lambda: server.logged("'later' waits|event.s. wait: "))
    assert server.sql("SHOW DATABASES LIKE 'later'", "admin", "pw") == []
    server.sql("SET GLOBAL read_only = 0", "admin", "pw")
    eventually("what had to wait", lambda: server.sql("SHOW DATABASES LIKE 'later'", "admin", "pw") == [("later",)])
    site.forget(server)
