"""A pool with a directory, on real servers: a name has one server, whoever asks whom, and whatever is away."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import partial

import pymysql
import pytest

from tests.support.containers import ENGINES, RPC_KEY, Site
from tests.support.directory_pool import DirectoryPool
from tests.support.docker import eventually, together


@pytest.fixture(scope="module", params=ENGINES)
def pool(site: Site, request: pytest.FixtureRequest) -> DirectoryPool:
    """Three servers, the first of which, with the directory, is MariaDB or MySQL."""
    other = "mysql" if request.param == "mariadb" else "mariadb"
    return DirectoryPool(
        site, (str(request.param), "mariadb", other),
        db2={"DBHANDLER_LABELS": "ssd, eu", "DBHANDLER_MAX_DATABASES": "8"}, db3={"DBHANDLER_LABELS": "eu"},
    )  # fmt: skip


def test_all_servers_stand_in_it(pool: DirectoryPool) -> None:
    rows = {row["server"]: row for row in pool.standings()}
    assert set(rows) == {"db1", "db2", "db3"}
    assert {row["state"] for row in rows.values()} == {"ready"}
    assert rows["db2"]["labels"] == ["eu", "ssd"] and rows["db2"]["max_databases"] == 8
    table = pool.servers["db3"].exec("dbhandler-pool", "status", SERF_RPC_AUTH=RPC_KEY)
    assert len(table.splitlines()) == 4 and "ssd" in table
    assert pool.servers["db3"].exec("dbhandler-pool", "check", SERF_RPC_AUTH=RPC_KEY) == ""


def test_a_database_is_on_one_server_and_found_again(pool: DirectoryPool) -> None:
    made = pool.request("shop", "--state", "/tmp/shop.json")
    [holder] = pool.holders("shop")
    assert pool.row("shop") == holder
    again = pool.request("shop", "--state", "/tmp/shop.json")
    assert (again["host"], again["password"]) == (made["host"], made["password"])
    # Without its state another one is asked first, perhaps, and the answer is the same server's no.
    stranger = pool.request("shop", "--timeout", "5", check=False)
    assert stranger.returncode == 77 and repr(holder) in stranger.stdout


def test_labels_and_engines_say_where(pool: DirectoryPool) -> None:
    pool.request("fast", "--where", "ssd", "--state", "/tmp/fast.json")
    assert pool.holders("fast") == ["db2"]
    pool.request("sql", "--where", "engine=mysql,eu" if pool.servers["db3"].engine == "mysql" else "engine=mysql")
    [holder] = pool.holders("sql")
    assert pool.servers[holder].engine == "mysql"
    refused = pool.request("moon", "--where", "moon", "--timeout", "5", check=False)
    assert refused.returncode == 77 and "no server of the pool that is ready now has 'moon'" in refused.stdout
    wrong = pool.request("moon", "--where", "engine=oracle", "--timeout", "5", check=False)
    assert wrong.returncode == 64 and "oracle" in wrong.stdout
    assert pool.row("moon") is None and pool.holders("moon") == []


def test_the_answer_and_the_log_say_why(pool: DirectoryPool) -> None:
    done = pool.request("why", "--state", "/tmp/why.json", check=False)
    assert "loaded" in done.stdout, done.stdout
    # The one that was asked has decided, for itself as a rule.
    assert any(server.logged(r"create_db: 'why' .* in .* ms: .*loaded") for server in pool.servers.values())


def test_an_event_makes_it_on_one_server_and_the_others_say_where(pool: DirectoryPool) -> None:
    names = [f"event{number}" for number in range(12)]
    pool.agent.event(" ".join(names))
    eventually("all of them", lambda: all(pool.holders(name) for name in names))
    homes = {name: pool.holders(name) for name in names}
    assert all(len(found) == 1 and pool.row(name) == found[0] for name, found in homes.items()), homes
    assert len({found[0] for found in homes.values()}) >= 2, homes
    for name, [home] in homes.items():
        for server in (server for node, server in pool.servers.items() if node != home):
            line = rf"event create_db #\d+: '{name}' placed in .*{home}"
            eventually(f"{server.node} to tell of {name}", partial(server.logged, line))


def test_many_who_ask_at_once_for_one_name_get_one_server(pool: DirectoryPool) -> None:
    answers: list[str] = []

    def ask(number: int) -> None:
        # Who gets no answer asks again, as an application does.
        for _ in range(5):
            with suppress(AssertionError):
                answer = pool.agent.query("create_db", {"database": "once"}, pool.servers[f"db{number % 3 + 1}"])
                answers.append(str(answer["status"]))
                return

    together(*(partial(ask, number) for number in range(12)))
    assert len(answers) == 12 and set(answers) <= {"created", "exists", "placed"}, answers
    assert len(pool.holders("once")) == 1 and answers.count("created") <= 1 and "placed" in answers


def test_a_full_server_gets_none_while_another_has_room(pool: DirectoryPool) -> None:
    # How many of those before are there is a matter of load.
    asked = (pool.request(f"ssd{number}", "--where", "ssd", "--timeout", "5", check=False) for number in range(9))
    refused = next(done for done in asked if done.returncode)
    assert refused.returncode == 77, refused.stdout
    assert re.search(r"no server of the pool has room: 'db2' holds \d+ databases and allows 8", refused.stdout)
    for number in range(16):
        pool.agent.event(f"full{number}")
    eventually("all of them", lambda: all(pool.holders(f"full{number}") for number in range(16)))
    assert len(pool.servers["db2"].databases() - {"dbhandler_directory"}) == 8


def test_nobody_but_the_agents_reaches_it(pool: DirectoryPool) -> None:
    pool.request("spy", "--where", "engine=" + pool.directory.engine, "--state", "/tmp/spy.json")
    spy = json.loads(pool.agent.exec("cat", "/tmp/spy.json"))
    for server in pool.servers.values():
        if server.opens("spy", spy["password"]):
            assert not server.opens("spy", spy["password"], "dbhandler_directory")
            with pytest.raises(pymysql.err.Error):
                server.sql("SELECT * FROM dbhandler_directory.names", "spy", spy["password"])
    for payload in ({"database": "dbhandler_directory"}, "DBHANDLER_directory"):
        assert pool.agent.query("create_db", payload, pool.directory)["status"] == "invalid"
    named = pool.request("mine", "--user", "dbhandler_directory", "--timeout", "5", check=False)
    assert named.returncode == 64 and "reserved" in named.stdout
    user, password = pool.account
    assert pool.directory.opens(user, password)
    rights = {str(row[0]) for row in pool.directory.sql("SHOW GRANTS", user, password)}
    # A usage line with or without a password's hash, and one grant.
    assert all("USAGE" in line or "ON `dbhandler_directory`.*" in line for line in rights), rights
    assert not pool.servers["db2"].opens(user, password)


def test_a_dropped_name_is_nobodys_after_a_while(pool: DirectoryPool) -> None:
    pool.request("gone", "--state", "/tmp/gone.json")
    [holder] = pool.holders("gone")
    pool.agent.exec("dbhandler-request", "--drop", "--state", "/tmp/gone.json", SERF_RPC_AUTH=RPC_KEY)
    # Whoever wants it before goes where it was.
    pool.request("gone", "--state", "/tmp/gone2.json")
    assert pool.holders("gone") == [holder]


def test_what_was_made_by_hand_has_its_row_too(pool: DirectoryPool) -> None:
    pool.servers["db3"].sql("CREATE DATABASE by_hand")
    eventually("its row", lambda: pool.row("by_hand") == "db3")
    answer = pool.agent.query("create_db", {"database": "by_hand"}, pool.servers["db2"])
    assert (answer["status"], answer["server"]) == ("placed", "db3")
    assert not pool.servers["db2"].holds("by_hand")


def test_two_of_one_name_are_told(pool: DirectoryPool) -> None:
    together(*(partial(pool.servers[node].sql, "CREATE DATABASE twice") for node in ("db2", "db3")))

    def check() -> str:
        return pool.servers["db2"].run("dbhandler-pool", "check", SERF_RPC_AUTH=RPC_KEY).stdout

    eventually("the difference", lambda: re.search("'twice' is on 'db[23]', and in the directory", check()), 90)
    assert len(re.findall("'twice'", check())) == 1
    for node in ("db2", "db3"):
        pool.servers[node].sql("DROP DATABASE twice")


def test_while_it_is_away_all_goes_on_but_new_ones(pool: DirectoryPool) -> None:
    pool.request("before", "--where", "eu", "--state", "/tmp/before.json")
    [holder] = pool.holders("before")
    assert holder != "db1"
    pool.directory.supervisorctl("stop", "dbhandler:mysqld")
    eventually("the directory to be away", lambda: pool.directory.tags().get("mysql") == "down")
    try:
        pool.request("before", "--state", "/tmp/before.json", "--timeout", "10")
        # Without the state file it is found all the same, and denied by its own server.
        stranger = pool.request("before", "--timeout", "10", check=False)
        assert stranger.returncode == 77 and repr(holder) in stranger.stdout, stranger.stdout
        new = pool.request("later", "--state", "/tmp/later.json", "--timeout", "4", check=False)
        assert new.returncode == 75 and "the directory of the pool, on 'db1', is away" in new.stdout, new.stdout
        pool.agent.event("waits")
    finally:
        pool.directory.supervisorctl("start", "dbhandler:mysqld")
    pool.directory.wait_ready()
    pool.request("later", "--state", "/tmp/later.json", "--timeout", "20")
    eventually("the event", lambda: len(pool.holders("waits")) == 1)


def test_a_server_that_is_lost_blocks_its_own_names_only(pool: DirectoryPool) -> None:
    pool.request("lost", "--where", "engine=" + pool.servers["db3"].engine + ",eu", "--state", "/tmp/lost.json")
    assert pool.holders("lost") == ["db3"]
    db3 = pool.servers.pop("db3")
    db3.kill()
    pool.request("other", "--state", "/tmp/other.json", "--timeout", "20")
    assert pool.holders("other")
    eventually("gossip to see it", lambda: pool.agent.members()["db3"]["status"] == "failed")
    for arguments in (("--state", "/tmp/lost.json"), ()):
        waits = pool.request("lost", *arguments, "--timeout", "4", check=False)
        assert waits.returncode == 75 and "dbhandler-pool forget db3" in waits.stdout, waits.stdout
    lives = pool.servers["db2"].run("dbhandler-pool", "forget", "db1", SERF_RPC_AUTH=RPC_KEY)
    assert lives.returncode == 64 and "'db1' lives" in lives.stdout
    told = pool.servers["db2"].exec("dbhandler-pool", "forget", "db3", SERF_RPC_AUTH=RPC_KEY)
    assert "'db3' is forgotten" in told and "'lost'" in told
    pool.request("lost", "--state", "/tmp/lost2.json", "--timeout", "20")
    assert len(pool.holders("lost")) == 1
    db3.start()
    pool.servers["db3"] = db3.wait_healthy()
    eventually(
        "the difference", lambda: "'lost' is on 'db3'" in
        pool.servers["db2"].run("dbhandler-pool", "check", SERF_RPC_AUTH=RPC_KEY).stdout, 90,
    )  # fmt: skip
