"""An application has its own database as it was once; who is not its owner, or was not then, has nothing of it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.backup.conftest import IS_FULL
from tests.support.backups import BackedUp, said
from tests.support.containers import ENGINES, Database, Site
from tests.support.docker import eventually

SETTING = "DBHANDLER_ALLOW_RESTORE"
SETTLED = 2.5
"""Seconds after which a moment that was noted is one that the backup knows, whatever part of a second it is in."""


class Allowing(BackedUp):
    """A pool whose first server lets applications restore and drop."""

    def add_server(self, host: str, *more: str, **environ: str) -> Database:
        allowed = {SETTING: "1", "DBHANDLER_ALLOW_DROP": "1"} if host == "db1" else {}
        return super().add_server(host, *more, **allowed, **environ)


class Shop:
    """A pool with an application on its server, run in the agent's container."""

    def __init__(self, site: Site, engine: str) -> None:
        self.pool = Allowing(site, engine)
        self.pool.server.wait_ready()
        self.pool.backup.wait_proven()

    def request(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """dbhandler-request, of an application that knows the pool by its state files only."""
        return self.pool.agent.run("env", "-u", "DBHANDLER_POOL_SECRET", "dbhandler-request", *arguments)

    def make(self, name: str, state: str = "") -> dict[str, str]:
        """A database with its account; returns what it is told."""
        done = self.request(name, "--state", self.file(state or name), "--format", "json")
        assert done.returncode == 0, done.stdout
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def restore(self, name: str, at: str, into: str, *more: str, state: str = "") -> subprocess.CompletedProcess[str]:
        """One of its own, as it was; the last line is JSON where it is given."""
        own = ("--state", self.file(state or name), "--restore-as", into, "--at", at, "--format", "json")
        return self.request(name, *own, *more)

    @staticmethod
    def file(name: str) -> str:
        return f"/state/{name}.json"

    def refused(self, name: str, at: str, into: str, *more: str, state: str = "") -> str:
        """Why one is not given; its new database is empty then."""
        done = self.restore(name, at, into, *more, state=state)
        assert done.returncode, done.stdout
        if self.pool.server.holds(into):
            assert self.pool.server.sql(f"SHOW TABLES IN `{into}`") == []
        return done.stdout.splitlines()[-1].removeprefix("dbhandler-request: ")

    def python(self, text: str, *arguments: str) -> str:
        """What a program prints that speaks as a member of the cluster does."""
        path = "PYTHONPATH=/usr/local/lib/python3/dist-packages"
        done = self.pool.agent.run("env", path, "python3", "-c", text, *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module", params=ENGINES if IS_FULL else ["mariadb"])
def engine(request: pytest.FixtureRequest) -> str:
    """In the short form one: what is tried here is of the backup's more than of the server's."""
    return str(request.param)


@pytest.fixture(scope="module")
def shop(site: Site, engine: str) -> Iterator[Shop]:
    made = Shop(site, engine)
    yield made
    made.pool.close()


def filled(shop: Shop, name: str, rows: int = 3, state: str = "") -> tuple[dict[str, str], float]:
    """A database with a table and a view; returns its account, and a moment at which they are there."""
    account = shop.make(name, state)
    shop.pool.server.sql(f"CREATE TABLE `{name}`.orders (n INT PRIMARY KEY, what TEXT)")
    shop.pool.server.sql(f"CREATE VIEW `{name}`.few AS SELECT n FROM `{name}`.orders WHERE n < 3")
    shop.pool.server.sql(f"INSERT INTO `{name}`.orders VALUES {', '.join(f'({n}, {n})' for n in range(rows))}")
    time.sleep(SETTLED)
    moment = time.time()
    time.sleep(SETTLED)
    return account, moment


def test_an_application_restores_its_own(shop: Shop) -> None:
    _, moment = filled(shop, "shop")
    shop.pool.server.sql("DROP TABLE shop.orders")
    # Who it is stays the same with another password.
    assert shop.request("--rotate", "--state", shop.file("shop")).returncode == 0
    time.sleep(SETTLED)
    done = shop.restore("shop", said(moment), "shop_before")
    assert done.returncode == 0, done.stdout
    account = json.loads(done.stdout.splitlines()[-1])
    user, password = account["user"], account["password"]
    assert (account["database"], user) == ("shop_before", "shop_before")
    rows = shop.pool.server.sql("SELECT n FROM orders ORDER BY n", user, password, "shop_before")
    assert rows == [(0,), (1,), (2,)]
    assert len(shop.pool.server.sql("SELECT n FROM few", user, password, "shop_before")) == 3
    assert shop.pool.server.sql("SHOW TABLES IN shop") == [("few",)], "the present one stays as it is"
    again = shop.restore("shop", said(moment), "shop_before")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, done.stdout.splitlines()[-1]), "asked once more"
    known = shop.pool.backup.logs + shop.pool.agent.logs + shop.pool.server.logs
    assert password not in known


def test_a_moment_is_told_as_to_the_operator(shop: Shop) -> None:
    filled(shop, "times")
    for number, moment in enumerate((datetime.now(UTC) + timedelta(hours=1), datetime(2020, 1, 1, tzinfo=UTC))):
        why = shop.refused("times", moment.isoformat(), f"times_{number}")
        operator = shop.pool.backup.restore("times", moment.isoformat(), f"operator_{number}").stdout
        begin = operator.strip().removeprefix("dbhandler-backup: ").partition(": known is")[0]
        assert begin and begin in why and ": known is 20" in why, (why, operator)
    assert "a moment is" in shop.refused("times", "yesterday", "times_2")


def test_what_is_not_empty_is_left_alone(shop: Shop) -> None:
    _, moment = filled(shop, "left")
    shop.make("left_before")
    shop.pool.server.sql("CREATE TABLE left_before.mine (n INT)")
    done = shop.restore("left", said(moment), "left_before")
    assert done.returncode == 77 and "the database 'left_before' is not empty" in done.stdout
    assert shop.pool.server.sql("SHOW TABLES IN left_before") == [("mine",)]


def test_who_was_given_an_account_restores_nothing(shop: Shop) -> None:
    """Whatever his role is: former states are the owner's."""
    _, moment = filled(shop, "shared")
    for role in ("owner", "reader"):
        own = ("--owner-state", shop.file("shared"), "--state", shop.file(f"by_{role}"))
        given = shop.request("shared", "--user", f"by_{role}", "--role", role, *own)
        assert given.returncode == 0, given.stdout
        time.sleep(SETTLED)
        why = shop.refused("shared", "latest", f"from_{role}", state=f"by_{role}")
        assert "is not the account's" in why
        assert "is not the account's" in shop.refused("shared", said(moment), f"from_{role}", state=f"by_{role}")


def test_a_tenant_gets_nothing_of_another(shop: Shop) -> None:
    _, moment = filled(shop, "victim")
    own = shop.make("tenant")
    kept = json.loads(shop.pool.agent.exec("cat", shop.file("tenant")))
    for number, wrong in enumerate(({"database": "victim"}, {"database": "victim", "user": "victim"})):
        shop.pool.agent.exec("sh", "-c", f"cat > /state/forged{number}.json", stdin=json.dumps({**kept, **wrong}))
        why = shop.refused("victim", said(moment), f"loot_{number}", state=f"forged{number}")
        assert "the database 'victim' is not the account's" in why
    assert shop.pool.server.opens(own["user"], own["password"], "tenant")


def test_a_new_owner_gets_nothing_of_the_former_one(shop: Shop) -> None:
    _, moment = filled(shop, "passed")
    assert shop.request("--drop", "--state", shop.file("passed")).returncode == 0
    filled(shop, "passed", state="heir")
    why = shop.refused("passed", said(moment), "passed_before", state="heir")
    assert why.endswith("says denied: the account 'passed' had no database 'passed' at that moment")
    done = shop.restore("passed", "latest", "passed_now", state="heir")
    assert done.returncode == 0, done.stdout


def test_without_the_owner_s_word_there_is_nothing(shop: Shop) -> None:
    other = shop.pool.add_server("db2").wait_ready()
    eventually("its backup", lambda: "db2" in shop.pool.backup.listed())
    chosen = {"database": "other", "user": "other", "password": "Pa55word-of-others", "key": other.key}
    shop.pool.agent.exec("sh", "-c", "cat > /state/other.json", stdin=json.dumps(chosen))
    shop.make("other")
    why = shop.refused("other", "latest", "other_before")
    assert why.startswith("the server 'db2' gives applications no former state") and SETTING in why
    assert not other.holds("other_before"), "nothing is made where nothing is to be had"
    # Nor is it given to who asks the backup without looking at what the server says.
    told = json.loads(shop.python(ASK, "1", "other", other.key, "other").splitlines()[-1])
    assert told["status"] == "denied" and SETTING in told["reason"]
    # One that has only failed is waited for: it may have what others ask for.
    other.stop()
    other.remove()


ASK = """
import json, os, sys, time
from dbhandler.requests.question import new_nonce
from dbhandler.requests.restore_box import Wanted, seal_wanted, source_id
from dbhandler.serf.access import addresses, auth_key, connect_first
from dbhandler.client.verified import payload_of

times, database, key, state = sys.argv[1:5]
password = json.load(open(f"/state/{state}.json"))["password"] if state else "guessed-password"
wanted = Wanted(source_id(key, None), database, database, password, "tenant", "tenant", "guessed-password", "latest")
serf = connect_first(addresses(None, os.environ), auth_key(os.environ))
[backup] = [member for member in serf.members() if member.backup_key and member.alive]
until, last = time.monotonic() + 20, {}
sealed = seal_wanted(backup.backup_key, wanted, new_nonce(), time.time())
while time.monotonic() < until:
    for _ in range(int(times)):
        for _, line in serf.query("restore_db", payload_of({"sealed": sealed}), 4.0, nodes=[backup.name]):
            last = json.loads(line)
            print(json.dumps(last))
            break
    if times != "1" or last.get("status") not in ("working", "unavailable"):
        break
    sealed = seal_wanted(backup.backup_key, wanted, new_nonce(), time.time())
    time.sleep(0.5)
"""


def test_a_member_without_a_password_gets_nothing(shop: Shop) -> None:
    filled(shop, "closed")
    told = json.loads(shop.python(ASK, "1", "closed", shop.pool.server.key, "").splitlines()[-1])
    assert told["status"] == "denied" and "'closed' is not the account's 'closed'" in told["reason"]


def test_what_was_recorded_is_of_no_use(shop: Shop) -> None:
    """The same box again: its answer tells nothing but that."""
    filled(shop, "recorded")
    before = shop.pool.server.snapshot()
    first, *later = map(json.loads, shop.python(ASK, "3", "recorded", shop.pool.server.key, "recorded").splitlines())
    assert first["status"] == "working" and len(later) == 2
    assert {(told["status"], told["reason"]) for told in later} == {
        ("unavailable", "the sealed box was opened before: ask again with a new one")
    }
    assert shop.pool.server.snapshot() == before


FLOOD = """
import os, sys
from dbhandler.requests.box import seal_values
from dbhandler.serf.access import addresses, auth_key, connect_first

serf = connect_first(addresses(None, os.environ), auth_key(os.environ))
[backup] = [member for member in serf.members() if member.backup_key and member.alive]
query = "restore_db"
values = [{}, {"operation": query}, {"operation": ["x"] * 50}, {"operation": query, "database": "a" * 300}]
boxes = [seal_values(backup.backup_key, value).encode() for value in values]
payloads = [b"", b"{", b"\\xff" * 50, b"[" * 800, b'{"sealed": 1}', b'{"sealed": "AAAA"}', b'{"pool": "x"}']
payloads += [b'{"sealed":"' + box + b'"}' for box in boxes]
for number in range(400):
    next(iter(serf.query("restore_db", payloads[number % len(payloads)], 0.05, nodes=[backup.name])), None)
"""


def test_a_flood_of_garbage_passes(shop: Shop) -> None:
    _, moment = filled(shop, "dry")
    shop.python(FLOOD)
    done = shop.restore("dry", said(moment), "dry_before")
    assert done.returncode == 0, done.stdout
    assert "failed (" not in shop.pool.backup.logs and "Traceback" not in shop.pool.backup.logs


UNDONE = """
import json, pathlib
record = pathlib.Path("/backups/own/done.json")
record.write_text(json.dumps({id: [position, False] for id, (position, _) in json.loads(record.read_text()).items()}))
"""


def test_a_backup_that_ends_meanwhile_begins_again(shop: Shop) -> None:
    _, moment = filled(shop, "long", rows=3000)
    own = ("--state", shop.file("long"), "--restore-as", "long_before", "--at", said(moment))
    shop.pool.agent.exec("sh", "-c", f"dbhandler-request {' '.join(own)} > /state/long.env 2>&1 & sleep 2")
    shop.pool.backup.kill()
    shop.pool.backup.start()
    done = shop.restore("long", said(moment), "long_before")
    assert done.returncode == 0, done.stdout
    account = json.loads(done.stdout.splitlines()[-1])

    def rows(table: str) -> int:
        user, password = account["user"], account["password"]
        return int(shop.pool.server.sql(f"SELECT COUNT(*) FROM {table}", user, password, "long_before")[0][0])

    assert (rows("orders"), rows("few")) == (3000, 3)
    # As one is left that was cut short while it was loaded: something is there, and it is known by whom.
    shop.pool.server.sql("DELETE FROM long_before.orders WHERE n > 5")
    assert shop.pool.backup.python(UNDONE).returncode == 0
    shop.pool.backup.restart()
    again = shop.restore("long", said(moment), "long_before")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, done.stdout.splitlines()[-1])
    assert (rows("orders"), rows("few")) == (3000, 3)
