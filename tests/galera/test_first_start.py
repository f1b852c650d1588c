"""The official images' variables and init scripts, in a cluster: the node that begins does the work, once for all."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pymysql

from tests.support.docker import eventually
from tests.support.faults import Site
from tests.support.galera import Cluster, Node

WISHES = {"MARIADB_DATABASE": "blog", "MARIADB_USER": "clerk", "MARIADB_PASSWORD": "the-clerks-password"}
# A client that a script starts by itself has to find the server, too.
SCRIPT = """\
mariadb blog -e 'CREATE TABLE posts (n INT AUTO_INCREMENT PRIMARY KEY, title TEXT)'
sleep 3
echo "INSERT INTO posts (title) VALUES ('by $MARIADB_USER')" | docker_process_sql --database=blog
"""


def test_the_node_that_begins_does_the_first_starts_work(site: Site, rng: random.Random, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "posts.sh").write_text(SCRIPT)
    wishes = [word for name, value in WISHES.items() for word in ("-e", f"{name}={value}")]
    made = Cluster(site, count=2, name="wished")
    for node in made.nodes:
        node.options = (*wishes, "-v", f"{tmp_path}:/docker-entrypoint-initdb.d:ro")
    made.start(rng)
    first = eventually("a script to run", lambda: next(filter(works, made.nodes), None))
    # What is killed there begins again from nothing, and its private server goes with it.
    assert first is not None
    first.crash("mysqld")
    made.wait_ready()
    assert [len(node.sql("SELECT title FROM blog.posts")) for node in made.nodes] == [1, 1]
    assert sorted(node.logs.count("init process done") for node in made.nodes) == [0, 1]
    assert first.exec("pgrep", "-c", "mariadbd").strip() == "1"
    for node in made.nodes:
        assert clerks_view(node) == "by clerk"
        assert "with 0 in its component" not in node.logs, "the private server was taken for the real one"
        assert "[ERROR]" not in node.logs
        environments = node.exec("sh", "-c", "cat /proc/1/environ /proc/$(pgrep mariadbd)/environ", user="mysql")
        assert "MARIADB_USER" in environments
        assert WISHES["MARIADB_PASSWORD"] not in node.logs + environments


def works(node: Node) -> bool:
    return "posts.sh" in node.logs


def clerks_view(node: Node) -> str:
    """What stands in the one post, for the user that was asked for."""
    with closing(
        pymysql.connect(host=node.address, user="clerk", password=WISHES["MARIADB_PASSWORD"], database="blog")
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT title FROM posts")
        return str(cursor.fetchall()[0][0])
