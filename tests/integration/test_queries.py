"""Queries: answered in time with one line of JSON, whatever is away."""

from __future__ import annotations

import json
import os
import pwd
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from loopback import DatabaseNode, SerfNode, wait_for

from dbhandler.engine.server import Server
from dbhandler.errors import DbHandlerError, ServerError
from dbhandler.provisioning.drop_sql import give_back
from dbhandler.requests.answer import MAX_BYTES
from tests.integration.conftest import Cluster

PATIENCE = 10.0
LONG_NAME = "n" * 64
"""Docker's longest host name."""


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> DatabaseNode:
    """A database node with a long name, which takes room in every answer."""
    return cluster.database(SERF_NODE=LONG_NAME, DBHANDLER_NAME_PATTERN=".*")


def ask(node: SerfNode, name: str, payload: bytes) -> dict[str, object]:
    """The answer to a query."""
    with node.rpc_client() as serf:
        [(sender, answer)] = serf.query(name, payload, PATIENCE)
    assert sender == LONG_NAME
    assert answer.endswith(b"\n")
    return dict(json.loads(answer))


def ask_first(node: SerfNode, name: str, payload: bytes) -> dict[str, object]:
    """The first answer, without waiting for Serf to say that there are no more."""
    with node.rpc_client() as serf:
        _, answer = next(serf.query(name, payload, PATIENCE))
    return dict(json.loads(answer))


def test_serf_query_shows_the_answer(node: DatabaseNode) -> None:
    shown = json.loads(node.serf("query", "-format=json", "create_db", "shown"))
    answer = json.loads(shown["Responses"][LONG_NAME])
    assert (answer["status"], answer["database"]) == ("created", "shown")
    assert "shown" in node.databases()


def test_an_answer_says_what_happened_and_where_the_server_is(node: DatabaseNode) -> None:
    here = {"host": "127.0.0.1", "port": node.port}
    assert ask_first(node, "create_db", b"asked\n") == {"status": "created", "database": "asked", **here}
    assert ask_first(node, "create_db", b"asked") == {"status": "exists", "database": "asked", **here}
    assert ask_first(node, "create_db", b'{"database": "asked"}') == {"status": "exists", "database": "asked", **here}


@pytest.mark.parametrize("payload", [b"", b"\xff", b"a\0", b"x" * 65, b"mysql", b'{"x": 1}'])
def test_a_bad_payload_is_answered_with_the_rule(node: DatabaseNode, payload: bytes) -> None:
    before = node.databases()
    answer = ask_first(node, "create_db", payload)
    assert answer["status"] == "invalid"
    assert answer["reason"]
    assert node.databases() == before


def test_the_answer_with_a_long_name_arrives(node: DatabaseNode) -> None:
    name = "ü" * 64
    answer = ask_first(node, "create_db", name.encode())
    assert (answer["status"], answer["database"]) == ("created", name)
    assert name in node.databases()


def test_the_answer_with_the_longest_name_and_the_servers_own_words_arrives(node: DatabaseNode) -> None:
    # The server writes such a character as five bytes of a file name, and file systems allow 255.
    name = "\N{SNOWMAN}" * 64
    answer = ask_first(node, "create_db", name.encode())
    assert (answer["status"], answer["database"]) == ("failed", name)
    assert "File name too long" in str(answer["reason"])


def test_the_answer_with_a_long_reason_arrives(node: DatabaseNode) -> None:
    answer = ask_first(node, "create_db", ("\N{PILE OF POO}" * 65).encode())
    assert "has 65" in str(answer["reason"])


def test_an_answer_of_the_largest_size_arrives_and_serf_takes_no_larger_by_much(own_cluster: Cluster) -> None:
    agent = own_cluster.serf(SERF_NODE=LONG_NAME)
    wait_for("the agent", lambda: can_ask(agent))
    agent.end(signal.SIGTERM)
    agent.start(
        f"-event-handler=query:largest=head -c {MAX_BYTES + 1} /dev/zero | tr '\\000' x",
        "-event-handler=query:too_large=head -c 1024 /dev/zero | tr '\\000' x",
    )
    wait_for("the agent", lambda: can_ask(agent))
    with agent.rpc_client() as serf:
        assert next(serf.query("largest", b"", PATIENCE)) == (LONG_NAME, b"x" * (MAX_BYTES + 1))
        assert list(serf.query("too_large", b"", 1)) == []


def can_ask(agent: SerfNode) -> bool:
    with suppress(DbHandlerError):
        return bool(agent.members())
    return False


def test_an_unknown_query_is_answered_by_nobody_and_by_hand_as_invalid(node: DatabaseNode) -> None:
    with node.rpc_client() as serf:
        assert list(serf.query("no_such_query", b"x", 1)) == []
    done = node.run("dbhandler-query", stdin=b"x", SERF_QUERY_NAME="no_such_query")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["status"]) == (0, "invalid")
    assert "unknown query 'no_such_query'" in answer["reason"]


def test_while_mysqld_is_away_the_answer_is_unavailable_at_once(node: DatabaseNode) -> None:
    with stopped(node, "mysqld"):
        answer = ask_first(node, "create_db", b"later")
    assert answer["status"] == "unavailable"
    assert "database server does not answer" in str(answer["reason"])
    assert ask_first(node, "create_db", b"later")["status"] == "created"


def test_while_the_agent_is_away_the_answer_is_unavailable_at_once(node: DatabaseNode) -> None:
    with stopped(node, "agent"):
        answer = ask_first(node, "create_db", b"sooner")
    assert answer["status"] == "unavailable"
    # Refused by the system, not waited for.
    assert "timed out" not in str(answer["reason"])
    wait_for("the agent", lambda: ask_first(node, "create_db", b"sooner")["status"] == "created")


def test_an_agent_that_hangs_delays_serf_for_no_longer_than_the_deadline(node: DatabaseNode) -> None:
    pid = node.pid("agent")
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = ask_first(node, "create_db", b"hanging")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert answer["status"] == "unavailable"
    assert "timed out" in str(answer["reason"])
    # The agent finds the asker gone, says so, and serves the next.
    assert ask_first(node, "create_db", b"next")["status"] == "created"


@contextmanager
def stopped(node: DatabaseNode, program: str) -> Iterator[None]:
    """A program of the node, stopped for as long as the block takes."""
    node.stop_program(program)
    yield
    node.start_program(program)
    node.wait_ready()


def test_privileges_for_an_account_that_is_gone_make_none(node: DatabaseNode) -> None:
    server = Server(str(node.socket), pwd.getpwuid(os.geteuid()).pw_name)
    with closing(server), pytest.raises(ServerError, match="1133"):
        server.execute(give_back(("INSERT",), "shown", "gone"))
    assert node.sql("SELECT User FROM mysql.user WHERE User = 'gone'") == []
