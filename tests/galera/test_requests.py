"""Whichever node is asked: one database, one account, on all of them; the client knows them as one server."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dbhandler.client.asking import drop_database, request_database, rotate_password
from dbhandler.errors import Denied
from dbhandler.requests.box import Credentials, seal
from dbhandler.serf.rpc import Serf
from tests.support.containers import RPC_KEY
from tests.support.docker import docker, eventually
from tests.support.galera import Cluster, Node

TIMEOUT = 120.0


def ask(node: Node, name: str, state: Path) -> object:
    return request_database(name, state_file=state, rpc_addr=f"{node.address}:7373", rpc_auth=RPC_KEY, timeout=TIMEOUT)


def on_all(cluster: Cluster, name: str) -> bool:
    return all(name in node.made(name) for node in cluster.nodes)


def errors(cluster: Cluster) -> list[str]:
    return [
        line
        for node in cluster.nodes
        for line in node.logs.splitlines()
        if re.search(r"\[ERROR\]|create_db.*(failed|denied)", line)
    ]


def test_one_event_at_three_nodes_makes_one_database_and_no_error(cluster: Cluster) -> None:
    before = len(errors(cluster))
    names = [f"event{number}" for number in range(10)]
    docker("exec", cluster.nodes[1].name, "serf", "event", f"-rpc-auth={RPC_KEY}", "create_db", " ".join(names))
    eventually("the databases", lambda: all(on_all(cluster, name) for name in names))
    told = r"event create_db #\d+: 'event9' (created|exists)"
    eventually("all nodes to have handled it", lambda: all(re.search(told, node.logs) for node in cluster.nodes))
    assert errors(cluster)[before:] == []


def test_one_event_with_a_sealed_account(cluster: Cluster) -> None:
    before = len(errors(cluster))
    box = seal(cluster.nodes[2].tag("key"), Credentials("sealed_event", "sealed_user", "a-password-of-20-chars"))
    payload = json.dumps({"database": "sealed_event", "sealed": box})
    docker("exec", cluster.nodes[0].name, "serf", "event", f"-rpc-auth={RPC_KEY}", "create_db", payload)
    eventually("the database", lambda: on_all(cluster, "sealed_event"))
    told = r"event create_db #\d+: 'sealed_event' (created for account 'sealed_user'|left to another node)"
    eventually("all nodes to have handled it", lambda: all(re.search(told, node.logs) for node in cluster.nodes))
    assert errors(cluster)[before:] == []
    for node in cluster.nodes:
        assert node.sql("SELECT COUNT(*) FROM mysql.user WHERE User = 'sealed_user'") == ["1"]


def test_a_state_file_made_with_one_node_works_with_every_other(cluster: Cluster, tmp_path: Path) -> None:
    state, nodes = tmp_path / "state.json", cluster.nodes
    first = request_database(
        "state_shop", state_file=state, rpc_addr=f"{nodes[0].address}:7373", rpc_auth=RPC_KEY, timeout=TIMEOUT
    )
    assert sorted(first.hosts) == sorted(f"{node.address}:3306" for node in nodes)
    used = next(node for node in nodes if node.address == first.host)
    others = [node for node in nodes if node is not used]
    docker("kill", used.name)
    try:
        again = ask(others[0], "state_shop", state)
        assert again.host in {node.address for node in others}  # type: ignore[attr-defined]
        for node in others:
            pymysql.connect(host=node.address, user=first.user, password=first.password, database="state_shop").close()
        rotated = rotate_password(state_file=state, rpc_addr=f"{others[1].address}:7373", rpc_auth=RPC_KEY)
        assert rotated.password != first.password
    finally:
        used.start()
    cluster.wait_ready()
    for node in nodes:
        pymysql.connect(host=node.address, user=first.user, password=rotated.password, database="state_shop").close()
    with pytest.raises(Denied):
        ask(nodes[0], "state_shop", tmp_path / "a stranger's")
    docker("exec", nodes[0].name, "serf", "event", f"-rpc-auth={RPC_KEY}", "create_db", "state_shop")
    told = r"event create_db #\d+: 'state_shop' exists"
    eventually("the event on all nodes", lambda: all(re.search(told, node.logs) for node in nodes))
    drop_database(state_file=state, rpc_addr=f"{nodes[2].address}:7373", rpc_auth=RPC_KEY, timeout=TIMEOUT)
    assert not any(node.made("state_shop") for node in nodes)
    assert not state.exists()
    # The event of before comes again when a node restarts.
    refused = r"'state_shop' denied.*was dropped after this event was fired"
    # Not the one that dropped it.
    restarted = next(node for node in nodes if "query drop_db" not in node.logs)
    restarted.stop()
    restarted.start()
    cluster.wait_ready()
    eventually("the old event", lambda: re.search(refused, restarted.logs))
    assert not any(node.made("state_shop") for node in nodes)


RACES = 30


def at_once(askers: dict[Node, Callable[[int], dict[str, object]]]) -> list[list[dict[str, object]]]:
    """The answers of nodes that are each asked for a payload of their own, RACES times, all at the same moment."""
    barrier = threading.Barrier(len(askers))

    def race(node: Node, payload: Callable[[int], dict[str, object]]) -> list[dict[str, object]]:
        answers = []
        with Serf(f"{node.address}:7373", RPC_KEY) as serf:
            for number in range(RACES):
                question = json.dumps(payload(number)).encode()
                barrier.wait(60)
                [(_, line)] = itertools.islice(serf.query("create_db", question, 15.0, nodes=[node.node]), 1)
                answers.append(json.loads(line))
        return answers

    with ThreadPoolExecutor(len(askers)) as pool:
        runs = [pool.submit(race, *asker) for asker in askers.items()]
        return [list(answers) for answers in zip(*(run.result() for run in runs), strict=True)]


def asking(node: Node, database: str, user: str, password: str) -> Callable[[int], dict[str, object]]:
    """Makes the payload of the request with a number: `database` and `user` may hold {}."""
    key = node.tag("key")

    def payload(number: int) -> dict[str, object]:
        name = database.format(number)
        return {"database": name, "sealed": seal(key, Credentials(name, user.format(number), password))}

    return payload


def grants(node: Node, prefix: str) -> list[list[str]]:
    lines = node.sql(f"SELECT Db, User FROM mysql.db WHERE Db LIKE '{prefix}%' ORDER BY Db, User")
    return [line.split("\t") for line in lines]


def statuses(answers: list[list[dict[str, object]]]) -> set[tuple[str, ...]]:
    return {tuple(sorted(str(answer["status"]) for answer in pair)) for pair in answers}


def test_of_two_accounts_that_claim_one_name_at_two_nodes_one_gets_it(cluster: Cluster) -> None:
    one, other = cluster.nodes[:2]
    password = "a-password-of-20-chars"
    answers = at_once({
        one: asking(one, "race{}", "one{}", password), other: asking(other, "race{}", "other{}", password)
    })  # fmt: skip
    for node in cluster.nodes:
        owned = grants(node, "race")
        assert len({database for database, _ in owned}) == len(owned) == RACES
    assert statuses(answers) == {("created", "denied")}, answers
    for number, pair in enumerate(answers):
        [winner] = [answer["user"] for answer in pair if answer["status"] == "created"]
        assert [f"race{number}", winner] in owned


def test_of_two_with_one_user_name_and_two_passwords_one_gets_in(cluster: Cluster) -> None:
    one, other = cluster.nodes[:2]
    passwords = {one: "the-password-of-the-one", other: "the-password-of-the-other"}
    answers = at_once({node: asking(node, "twin{}", "twin{}", password) for node, password in passwords.items()})
    assert statuses(answers) == {("created", "denied")}, answers
    for number, pair in enumerate(answers):
        for node, answer in zip(passwords, pair, strict=True):
            assert opens(one, f"twin{number}", passwords[node]) == (answer["status"] == "created")


def test_one_user_name_gets_one_database_of_two_at_two_nodes(cluster: Cluster) -> None:
    one, other = cluster.nodes[:2]
    password = "a-password-of-20-chars"
    answers = at_once({
        one: asking(one, "left{}", "greedy{}", password), other: asking(other, "right{}", "greedy{}", password)
    })  # fmt: skip
    assert statuses(answers) == {("created", "denied")}, answers
    users = [user for _, user in grants(other, "left") + grants(other, "right")]
    assert len(set(users)) == len(users) == RACES


def test_a_session_at_one_node_ends_with_its_account_dropped_at_another(cluster: Cluster, tmp_path: Path) -> None:
    state, nodes = tmp_path / "state.json", cluster.nodes
    made = ask(nodes[0], "short_lived", state)
    password, user = made.password, made.user  # type: ignore[attr-defined]
    with closing(pymysql.connect(host=nodes[1].address, user=user, password=password, database=user)) as session:
        nodes[0].sql(f"DROP USER {user}@'%'; DROP DATABASE short_lived")
        eventually("the end of the session", lambda: not alive(session))


def alive(session: Any) -> bool:
    try:
        session.cursor().execute("SELECT 1")
    except (pymysql.err.Error, OSError):
        return False
    return True


def opens(node: Node, name: str, password: str) -> bool:
    try:
        pymysql.connect(host=node.address, user=name, password=password, database=name).close()
    except pymysql.err.OperationalError as error:
        assert error.args[0] == 1045, error
        return False
    return True


def test_a_drop_ends_the_sessions_at_every_node_before_the_dump(cluster: Cluster, tmp_path: Path) -> None:
    state, nodes = tmp_path / "state.json", cluster.nodes
    made = ask(nodes[0], "dropped_shop", state)
    password = made.password  # type: ignore[attr-defined]
    acknowledged = [0] * len(nodes)

    def write(number: int) -> None:
        # Until the session is ended; a conflict with another node's row is no end.
        with suppress(OSError):
            login = {"user": "dropped_shop", "password": password, "database": "dropped_shop", "autocommit": True}
            link = pymysql.connect(host=nodes[number].address, **login)
            while True:
                try:
                    link.cursor().execute("INSERT INTO t (node) VALUES (%s)", (number,))
                    acknowledged[number] += 1
                except pymysql.err.MySQLError as error:
                    if error.args[0] != 1213:
                        return

    nodes[0].sql("CREATE TABLE dropped_shop.t (id INT AUTO_INCREMENT PRIMARY KEY, node INT)")
    writers = [threading.Thread(target=write, args=(number,)) for number in range(len(nodes))]
    for writer in writers:
        writer.start()
    eventually("rows of all nodes", lambda: all(count > 5 for count in acknowledged))
    gone = drop_database(state_file=state, rpc_addr=f"{nodes[2].address}:7373", rpc_auth=RPC_KEY, timeout=TIMEOUT)
    for writer in writers:
        writer.join(60)
    assert not any(node.made("dropped_shop") for node in nodes)
    where = "ls /var/lib/dbhandler/trash/dropped_shop-*.sql.gz 2>/dev/null; true"
    [(node, file)] = [(node, file.strip()) for node in nodes if (file := node.exec("sh", "-c", where))]
    assert gone.dump is None or file.endswith(gone.dump)
    text = node.exec("gzip", "-dc", file)
    rows = re.findall(r"\(\d+,(\d)\)", text)
    # The last one of each may have been done and not told.
    assert all(rows.count(str(number)) - count in (0, 1) for number, count in enumerate(acknowledged)), acknowledged


def test_the_operator_sees_the_cluster_and_cannot_begin_one_that_serves(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    report = node.exec("dbhandler-cluster", "status", user="mysql")
    assert len(re.findall(r"synced +data", report)) == 3
    refused = node.exec("dbhandler-cluster", "bootstrap", node.node, user="mysql", check=False)
    assert "the cluster serves, at" in refused
