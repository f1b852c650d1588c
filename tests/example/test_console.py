"""The console in a real browser: its pages, what changes while one looks, hostile members, three hundred servers."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbhandler.console.history import History
from dbhandler.requests.backup_state import BackupState, Trouble
from dbhandler.requests.restore_box import source_id
from tests.support.consoles import ENTER, TAB, ConsoleProcess, Onlooker
from tests.support.containers import Site as Containers
from tests.support.docker import docker, eventually, need_images
from tests.support.played_agent import PlayedAgent, answer, record

PASSWORD = "correct horse battery"
HOSTILE = "<img src=x onerror=window.taken=true>\"'"
FIRST_PAINT, CHANGE, MEMORY = 500.0, 2.0, 60.0
"""Milliseconds, seconds, MiB: what was promised of three hundred servers."""


@pytest.fixture(scope="module")
def looker() -> Iterator[Onlooker]:
    browser = Onlooker()
    yield browser
    browser.close()


@pytest.fixture
def agent() -> Iterator[PlayedAgent]:
    members = [record("db1"), record("db2", mysql="down"), record("db3", "failed")]
    members += [record(f"n{number}", cluster="shop") for number in (1, 2, 3)]
    with PlayedAgent(*members, record("backup", role="backup")) as played:
        played.answers["db2"] = answer(mysql="down", last_error="the database server does not answer (error 2003)")
        key = str(dict(members[0]["Tags"])["key"])  # type: ignore[call-overload]
        now = int(time.time())
        played.states = [
            BackupState(source_id(key, None), "db1", now - 500_000, now, 1, now - 9000),
            BackupState("cluster-shop", "shop", now - 500_000, now - 60, 0, None, Trouble.BASE),
        ]
        yield played


@pytest.fixture
def console(agent: PlayedAgent, tmp_path: Path) -> Iterator[ConsoleProcess]:
    history = a_day(tmp_path / "history")
    settings = {"DBHANDLER_CONSOLE_PASSWORD": PASSWORD, "DBHANDLER_CONSOLE_HISTORY": str(history)}
    with ConsoleProcess(agent.address, tmp_path / "log", **settings) as process:
        yield process


def a_day(folder: Path) -> Path:
    """A history of the last hour, as one that is noted while a cluster is used."""
    folder.mkdir()
    history, now = History(folder), time.time()
    for number in range(240):
        wave = math.sin(number / 25)
        history.add(now - 3600 + 15 * number, {
            "total/servers": 6.0, "total/ready": 5.0 if 90 < number < 110 else 6.0, "total/spool": max(0.0, -9 * wave),
            "total/databases": 10.0 + number // 60, "total/requests/created": 1.0 + wave,
            "total/requests/denied": 0.2, "total/latency": 0.004 + 0.002 * wave, "total/queries": 120.0 + 80 * wave,
            "total/connections": 24.0 + 8 * wave, "total/bytes": 3e9 + 2e6 * number,
        })  # fmt: skip
    return folder


def pages(console: ConsoleProcess) -> list[str]:
    paths = ("/", "/server?name=db1", "/server?name=db2", "/server?name=nobody", "/history", "/do", "/job?id=x", "/x")
    return [f"{console.url}{path}" for path in paths]


def test_every_page_can_be_used_by_everybody(console: ConsoleProcess, looker: Onlooker) -> None:
    looker.open(f"{console.url}/")
    assert looker.complaints() == []
    looker.log_in_console(f"{console.url}/", PASSWORD)
    eventually("the servers", lambda: "db2" in looker.text and "recoverable from" in looker.text)
    looker.screenshot("console")
    looker.open(f"{console.url}/history")
    assert looker.count("figure") == 8
    looker.screenshot("console-history")
    for url in pages(console):
        for scheme in ("light", "dark"):
            looker.colours(scheme)
            looker.open(url)
            assert looker.text and looker.complaints() == [], (url, scheme)
        looker.phone()
        looker.open(url)
        assert looker.complaints() == [] and looker.overflow() <= 0, url
        looker.desk()
    looker.colours("light")
    assert not [error for error in looker.console_errors() if "Security Policy" in error]


def test_it_is_read_without_javascript_and_used_by_keyboard(console: ConsoleProcess, looker: Onlooker) -> None:
    looker.log_in_console(f"{console.url}/", PASSWORD)
    looker.javascript(False)
    looker.open(f"{console.url}/")
    assert "db1" in looker.text and "waiting for the server 'db3', which is failed" in looker.text
    looker.javascript(True)
    looker.open(f"{console.url}/")
    looker.press(TAB)
    assert looker.focused() == "To the content"
    reached = set()
    for _ in range(30):
        looker.press(TAB)
        reached.add(looker.focused())
        if looker.focused() == "db1" or "a-" in looker.focused():
            break
    assert any(one.startswith("a-") for one in reached), reached
    looker.press(ENTER)
    eventually("a server's page", lambda: "/server?name=" in looker.address)


def test_what_changes_is_seen_and_the_focus_stays(
    agent: PlayedAgent, console: ConsoleProcess, looker: Onlooker
) -> None:
    looker.log_in_console(f"{console.url}/", PASSWORD)
    eventually("the servers", lambda: looker.count("article.good") == 4)
    agent.members[0] = record("db1", "failed")
    began = time.monotonic()
    eventually("the change", lambda: looker.count("article.good") == 3, interval=0.05)
    assert time.monotonic() - began < CHANGE
    agent.close()
    eventually("the word of it", lambda: "What follows is what was seen before" in looker.text)
    assert looker.count("article") == 6


def test_a_hostile_member_says_what_it_likes_and_does_nothing(
    agent: PlayedAgent, console: ConsoleProcess, looker: Onlooker
) -> None:
    agent.members += [record(HOSTILE), record(HOSTILE + "b", role="backup")]
    agent.answers[HOSTILE] = answer(mysql="down", last_error=HOSTILE * 3)
    looker.log_in_console(f"{console.url}/", PASSWORD)
    eventually("its name", lambda: HOSTILE in looker.text)
    eventually("its words", lambda: HOSTILE * 3 in looker.text)
    looker.open(f"{console.url}/server?name=%3Cimg%20src%3Dx%20onerror%3Dwindow.taken%3Dtrue%3E%22%27")
    eventually("its page", lambda: HOSTILE * 3 in looker.text)
    assert not looker.was_changed_by_script() and looker.count("img") == 0
    assert looker.complaints() == []


def test_three_hundred_servers(looker: Onlooker, tmp_path: Path) -> None:
    members = [record(f"db{number:03}") for number in range(300)]
    with PlayedAgent(*members) as agent, ConsoleProcess(agent.address, tmp_path / "log") as console:
        looker.open(f"{console.url}/")
        eventually("all servers", lambda: looker.count("article.good") == 300)
        looker.open(f"{console.url}/")
        paints = []
        for _ in range(3):
            looker.open(f"{console.url}/")
            paints.append(looker.painted())
        agent.members[7] = record("db007", mysql="down")
        began = time.monotonic()
        eventually("the change", lambda: looker.count("article.bad") == 1, interval=0.05)
        change = time.monotonic() - began
        print(f"first paint {min(paints):.0f} ms, a change {change:.1f} s, {console.memory:.0f} MiB")
        assert min(paints) <= FIRST_PAINT and change <= CHANGE and console.memory <= MEMORY


# --- in containers ---

KEY, SECRET = "an-rpc-key-of-the-tests", "c" * 43


class Site:
    """An agent, two servers and a console, as a user starts them."""

    def __init__(self, makings: Containers) -> None:
        self.makings, self.network = makings, makings.network()
        self.agent = self._run("dbhandler-serf")
        joins = ("-e", f"SERF_JOIN={self.agent}", "-e", "DBHANDLER_METRICS=:9104")
        self.servers = [self._run("dbhandler:mariadb", *joins, "-h", name) for name in "ab"]
        self.console = self._run(
            "dbhandler-console", "-p", "127.0.0.1::8080", "-e", f"SERF_RPC_ADDR={self.agent}:7373",
            "-e", f"DBHANDLER_CONSOLE_PASSWORD={PASSWORD}", "-e", "DBHANDLER_CONSOLE_METRICS=:9104",
        )  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://{docker('port', self.console, '8080').stdout.split()[0]}"

    def _run(self, image: str, *options: str) -> str:
        known = ("--network", self.network, "-e", f"SERF_RPC_AUTH={KEY}", "-e", f"DBHANDLER_POOL_SECRET={SECRET}")
        used = known if image != "dbhandler-serf" else known[:4]
        return self.makings.start(image, options=[*used, *options])

    def join(self, node: str, said: dict[str, object]) -> None:
        """A member that is no server of ours, which says so all the same."""
        handler = f"query:status_db=echo '{json.dumps(said)}'"
        self.makings.start(
            "dbhandler-serf", "agent", f"-node={node}", f"-join={self.agent}", "-tag=role=db", f"-tag=key={'A' * 43}=",
            "-tag=mysql=ready", f"-event-handler={handler}",
            options=["--network", self.network, "--entrypoint", "serf"],
        )  # fmt: skip


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    need_images("dbhandler:mariadb", "dbhandler-serf", "dbhandler-console", make="make image")
    makings = Containers()
    try:
        yield Site(makings)
    finally:
        makings.close()


def test_a_server_is_killed_while_one_looks(site: Site, looker: Onlooker) -> None:
    eventually(
        "the page", lambda: docker("exec", site.console, "dbhandler-console", "--health", check=False).returncode == 0
    )
    looker.log_in_console(f"{site.url}/", PASSWORD)
    eventually("both servers", lambda: looker.count("article.good") == 2)
    # A bare name: each of them makes it.
    docker("exec", site.agent, "serf", "query", f"-rpc-auth={KEY}", "create_db", "shop")
    looker.open(f"{site.url}/server?name=a")
    eventually("what it holds", lambda: "shop" in looker.text_of("#databases"))
    eventually("what it has changed", lambda: "shop" in looker.text_of("#requests"))
    docker("exec", site.agent, "serf", "query", f"-rpc-auth={KEY}", "create_db", "not.a.name")
    began = time.monotonic()
    eventually("what it has refused", lambda: "a name has to match" in looker.text_of("#requests"))
    print(f"a refusal is seen after {time.monotonic() - began:.1f} s")
    eventually("how often", lambda: "Since the agent's start" in looker.text_of("#requests"))
    looker.screenshot("console-server")
    looker.open(f"{site.url}/")
    docker("kill", site.servers[1])
    eventually("its end", lambda: looker.count("article.bad") == 1 and "failed" in looker.text)
    assert "if it is gone for good, dbhandler-pool forget b" in looker.text


def test_a_member_without_the_secret_is_shown_as_that(site: Site, looker: Onlooker) -> None:
    site.join(HOSTILE, {"status": "ok", "mysql": "ready", "last_error": HOSTILE})
    looker.log_in_console(f"{site.url}/", PASSWORD)
    eventually("its name", lambda: HOSTILE in looker.text)
    assert "unproven" in looker.text and not looker.was_changed_by_script() and looker.count("img") == 0


def test_a_database_is_asked_for_and_its_password_is_shown_once(site: Site, looker: Onlooker) -> None:
    # The other one is gone, and might have a database of any name.
    docker("exec", site.agent, "serf", "force-leave", f"-rpc-auth={KEY}", "b")
    looker.log_in_console(f"{site.url}/", PASSWORD)
    looker.open(f"{site.url}/do")
    looker.type("#request-name", "asked")
    looker.screenshot("console-do")
    looker.click("form:has(#request-name) button")
    url = eventually("the URL", lambda: looker.text_of("#url") if looker.count("#url") else "")
    assert looker.complaints() == []
    found = re.fullmatch(r"mysql://asked:([^@]+)@[^/]+/asked", url)
    assert found
    looker.click("[data-copy]")
    eventually("the word of it", lambda: "Copied" in looker.text)
    login = ("-e", f"MYSQL_PWD={found[1]}", site.servers[0], "mariadb", "-uasked", "-h127.0.0.1", "asked", "-Nse")
    assert docker("exec", *login, "SELECT DATABASE()").stdout.strip() == "asked"
    looker.open(looker.address)
    assert found[1] not in looker.html() and "shown once" in looker.text
    kept = docker(
        "exec", site.console, "sh", "-c", "cat /proc/1/environ /history/* /run/dbhandler/* 2>/dev/null; true"
    ).stdout
    assert found[1] not in kept + docker("logs", site.console).stdout


def test_what_serves_is_not_root_and_tells_no_secret(site: Site) -> None:
    status = docker("exec", site.console, "cat", "/proc/1/status").stdout
    assert "\nUid:\t999\t999\t999\t999\n" in status and "\nCapEff:\t0000000000000000\n" in status
    log = docker("logs", site.console).stdout
    assert PASSWORD not in log and SECRET not in log and KEY not in log and "Traceback" not in log
