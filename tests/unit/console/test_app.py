"""The pages over HTTP: what they show, to whom, and with what headers."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from dbhandler.console import http as served
from dbhandler.console.actions import Actions
from dbhandler.console.app import Console
from dbhandler.console.doing import Doing
from dbhandler.console.guard import COOKIE, Guard
from dbhandler.console.history import History
from dbhandler.console.inside import Inside, Moving
from dbhandler.console.jobs import Jobs
from dbhandler.console.pages import Pages
from dbhandler.console.past import Past
from dbhandler.console.scraped import Counted
from dbhandler.console.watch import Watch
from dbhandler.provisioning.overview import Row
from dbhandler.requests.recent import Asked
from dbhandler.serf.rpc import Serf
from dbhandler.settings.console import ConsoleSettings
from tests.support.played_agent import PlayedAgent, answer, record

PASSWORD = "correct horse battery"
HOSTILE = "<script>alert(1)</script>'\"&"
PATIENCE = 20.0


OPEN = ConsoleSettings("127.0.0.1", 0)
LOGIN = ConsoleSettings("", 0, password=PASSWORD)


class Browser:
    """Asks one console; keeps its cookie."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie = port, ""

    def ask(
        self, path: str, form: Mapping[str, str] | None = None, method: str = "", **headers: str
    ) -> tuple[int, str, Mapping[str, str]]:
        """Status, text and headers."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            named |= {"Cookie": self.cookie} if self.cookie else {}
            named |= {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
            body = None if form is None else urlencode(form)
            connection.request(method or ("GET" if form is None else "POST"), path, body, named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            if cookie := re.match(rf"({COOKIE}=[^;]+)", found.get("set-cookie", "")):
                self.cookie = cookie[1]
            return answer.status, answer.read().decode(), found

    def log_in(self) -> tuple[int, str, Mapping[str, str]]:
        return self.ask("/login", {"password": PASSWORD, "next": "/"})


@contextmanager
def console(
    agent: PlayedAgent,
    settings: ConsoleSettings = OPEN,
    inside: Callable[[str], Inside] = lambda _: Inside(),
    history: History | None = None,
) -> Iterator[tuple[Browser, Watch]]:
    watch, guard = Watch(lambda: Serf(agent.address), (), settings), Guard(settings)
    pages = Pages(lambda: (watch.version, watch.sight), inside)
    made = Console(watch, pages, guard, Past(history), Doing(Actions(watch.connect, (), timeout=0.0), Jobs()))
    made.view("/broken", lambda _: str(1 / 0))
    server = served.serve(("127.0.0.1", 0), made.application, guard.is_for_us)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    watch.look()
    watch.ask()
    try:
        yield Browser(server.server_port), watch
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def agent() -> Iterator[PlayedAgent]:
    with PlayedAgent(record("a"), record("b", "failed")) as played:
        yield played


@pytest.fixture
def page(agent: PlayedAgent) -> Iterator[Browser]:
    with console(agent) as (browser, _):
        yield browser


@pytest.fixture
def locked(agent: PlayedAgent) -> Iterator[Browser]:
    with console(agent, LOGIN) as (browser, _):
        yield browser


def test_the_overview_shows_every_server(page: Browser) -> None:
    status, text, headers = page.ask("/")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert 'href="/server?name=a"' in text and "failed" in text and "waiting for the server" in text
    assert text.index("name=b") < text.index("name=a"), "what is wrong stands first"


@pytest.mark.parametrize("path", ["/", "/server?name=a", "/nothing", "/style.css", "/live?page=overview", "/healthz"])
def test_every_answer_keeps_the_browser_from_doing_more(page: Browser, path: str) -> None:
    _, _, headers = page.ask(path, method="HEAD")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
    assert "wsgi" not in headers.get("server", "").lower() and "python" not in headers.get("server", "").lower()


def test_pages_take_nothing_from_elsewhere_and_have_no_script_inside(page: Browser) -> None:
    for path in ("/", "/server?name=a", "/login"):
        text = page.ask(path)[1]
        assert not re.search(r"""(src|href|action)=["']?(https?:|//)""", text)
        assert not re.search(r"<script(?! src)|<style|\sstyle=|\son[a-z]+=|javascript:", text)


def test_what_a_member_says_is_text(agent: PlayedAgent) -> None:
    agent.members.append(record(HOSTILE, rack=HOSTILE))
    agent.members.append(record(HOSTILE + "backup", role="backup"))
    agent.answers[HOSTILE] = answer(mysql="down", last_error=HOSTILE, version="<b>")
    inside = Inside(
        [Row(HOSTILE, HOSTILE, HOSTILE, size=1)], moves=[Moving(HOSTILE, HOSTILE, HOSTILE, HOSTILE, why=HOSTILE)],
        requests=[Counted(HOSTILE, HOSTILE, 1.0)],
        recent=[Asked(1, 0, HOSTILE, HOSTILE, HOSTILE, HOSTILE)], trouble=HOSTILE, note=HOSTILE,
    )  # fmt: skip
    with console(agent, inside=lambda _: inside) as (browser, _):
        for path in ("/", "/server?" + urlencode({"name": HOSTILE}), "/server?" + urlencode({"name": "<script>x"})):
            status, text, _ = browser.ask(path)
            assert status == 200 and "&lt;script&gt;" in text
            assert "<script>" not in text and "<b>" not in text and HOSTILE not in text


def test_a_server_that_is_not_there(page: Browser) -> None:
    assert "There is no server" in page.ask("/server?name=nobody")[1]
    assert page.ask("/server")[0] == 200
    assert page.ask("/nothing")[0] == 404


def test_what_is_inside_of_a_server(agent: PlayedAgent) -> None:
    inside = Inside(
        [Row("shop", "shop", "main", age=60, size=2048, ends=1_800_000_000_000)], more=3,
        moves=[Moving("blog", "a", "b", "copying", 40, 65)], requests=[Counted("create_db", "denied", 17.0)],
        recent=[Asked(1, 0, "drop_db", "dropped", "blog", "the owner has asked")],
    )  # fmt: skip
    with console(agent, inside=lambda _: inside) as (browser, _):
        text = browser.ask("/server?name=a")[1]
    for shown in (
        "2.0 KiB",
        "2027-01-15",
        "And 3 more",
        "40 %",
        "1 min 5 s left",
        "denied",
        "17",
        "the owner has asked",
    ):
        assert shown in text


def test_a_change_reaches_an_open_page(agent: PlayedAgent) -> None:
    with console(agent) as (browser, watch):
        connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=PATIENCE)
        connection.request("GET", "/live?page=overview")
        stream = connection.getresponse()
        assert stream.getheader("Content-Type", "").startswith("text/event-stream")
        assert "not asked yet" not in next_message(stream)["blocks"].values()
        agent.members[0] = record("a", mysql="down")
        watch.look()
        changed = next_message(stream)["blocks"]
        assert any("down" in html for html in changed.values()) and "servers" not in changed
        connection.close()


def next_message(stream: http.client.HTTPResponse) -> dict[str, dict[str, str]]:
    while not (line := stream.readline()).startswith(b"data: "):
        pass
    content = json.loads(line[6:])
    assert isinstance(content, dict)
    return content


# --- who may look ---


def test_without_a_session_there_is_nothing_but_the_log_in(locked: Browser) -> None:
    for path in ("/", "/server?name=a", "/live?page=overview"):
        status, text, headers = locked.ask(path)
        assert status == 303 and headers["location"].startswith("/login") and "a" not in text
    assert locked.ask("/style.css")[0] == 200 and locked.ask("/healthz")[1] == "ok\n"


def test_logging_in_and_out(locked: Browser) -> None:
    status, text, headers = locked.ask("/login", {"password": "wrong horse battery", "next": "/"})
    assert status == 403 and "not the password" in text and "set-cookie" not in headers
    status, _, headers = locked.log_in()
    assert status == 303 and headers["location"] == "/"
    assert "HttpOnly" in headers["set-cookie"] and "SameSite=strict" in headers["set-cookie"].replace(
        "Strict", "strict"
    )
    text = locked.ask("/")[1]
    [token] = re.findall(r'name="token" value="([^"]+)"', text)
    assert locked.ask("/logout", {"token": "wrong"})[0] == 303 and locked.ask("/")[0] == 200
    locked.ask("/logout", {"token": token})
    assert locked.ask("/")[0] == 303


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil", "/x", "/\r\nSet-Cookie: a=b"])
def test_a_log_in_leads_to_no_other_site(locked: Browser, wanted: str) -> None:
    assert locked.ask("/login", {"password": PASSWORD, "next": wanted})[2]["location"] == "/"


def test_another_sites_form_does_not_log_in(locked: Browser) -> None:
    status, _, headers = locked.ask("/login", {"password": PASSWORD}, Origin="http://evil.example")
    assert status == 403 and "set-cookie" not in headers


def test_a_page_that_is_asked_for_is_there_after_the_log_in(locked: Browser) -> None:
    location = locked.ask("/server?name=a%2Fb")[2]["location"]
    text = locked.ask(location)[1]
    assert 'name="next" value="/server?name=a%2Fb"' in text


def test_an_open_page_ends_with_its_session(agent: PlayedAgent) -> None:
    with console(agent, LOGIN) as (browser, watch):
        browser.log_in()
        connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=PATIENCE)
        connection.request("GET", "/live?page=overview", headers={"Cookie": browser.cookie})
        stream = connection.getresponse()
        next_message(stream)
        [token] = re.findall(r'name="token" value="([^"]+)"', browser.ask("/")[1])
        browser.ask("/logout", {"token": token})
        watch.touch()
        assert b"data: " not in stream.read()


# --- what else may come ---


def test_another_name_for_this_host_reads_nothing(page: Browser) -> None:
    status, text, _ = page.ask("/", Host="evil.example")
    assert status == 421 and "server" not in text


def test_large_and_odd_requests_are_refused(page: Browser) -> None:
    assert page.ask("/login", {"password": "x" * 9000})[0] == 413
    assert page.ask("/", method="PUT")[0] == 405
    assert page.ask("/", method="POST")[0] == 405
    assert page.ask("/login", {}, Transfer_Encoding="chunked")[0] == 411


def test_a_defect_shows_nothing_of_what_is_inside(page: Browser, caplog: pytest.LogCaptureFixture) -> None:
    status, text, _ = page.ask("/broken")
    assert status == 500 and "Zero" not in text and "line" not in text
    assert "a page failed (ZeroDivisionError)" in caplog.text
    assert page.ask("/")[0] == 200


def test_readers_that_hang_do_not_keep_others_out(page: Browser) -> None:
    hanging = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(served.MOST_CLIENTS + 20)]
    try:
        began = time.monotonic()
        assert page.ask("/")[0] == 200 and time.monotonic() - began < 3
    finally:
        for one in hanging:
            one.close()


def test_what_was_is_a_page_too(agent: PlayedAgent, tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add(time.time() - 30, {"total/databases": 7.0})
    with console(agent, history=history) as (browser, _):
        status, text, _ = browser.ask("/history?range=6h")
        assert status == 200 and "7 now" in text and "<svg" in text
        assert browser.ask("/history?range=%3Cb%3E&server=%3Cb%3E")[0] == 200


# --- what is done ---


def token_of(text: str) -> str:
    return str(re.findall(r'name="token" value="([^"]+)"', text)[0])


def test_who_has_not_logged_in_does_nothing(page: Browser) -> None:
    assert "<form" not in page.ask("/do")[1]
    assert page.ask("/do", {"do": "request", "name": "shop", "token": ""})[0] == 403
    assert page.ask("/job?id=x")[0] == 200


def test_only_our_own_form_does_anything(agent: PlayedAgent) -> None:
    with console(agent, LOGIN) as (browser, _):
        assert browser.ask("/do", {"do": "request", "name": "shop"})[0] == 303
        browser.log_in()
        token = token_of(browser.ask("/do")[1])
        asked = {"do": "request", "name": "shop", "token": token}
        cases: list[tuple[dict[str, str], dict[str, str]]] = [
            ({**asked, "token": ""}, {}), ({**asked, "token": token[::-1]}, {}),
            (asked, {"Origin": "http://evil.example"}), (asked, {"Sec_Fetch_Site": "cross-site"}),
        ]  # fmt: skip
        for form, headers in cases:
            assert browser.ask("/do", form, **headers)[0] == 403
        status, _, answered = browser.ask("/do", asked)
        assert status == 303 and answered["location"].startswith("/job?id=")
        assert browser.ask("/do?do=request&name=shop&token=" + token)[0] == 200, "asking for a page does nothing"


def test_what_is_refused_is_told_on_the_page(agent: PlayedAgent) -> None:
    with console(agent, LOGIN) as (browser, _):
        browser.log_in()
        token = token_of(browser.ask("/do")[1])
        text = browser.ask("/do", {"do": "<b>", "name": "x", "token": token})[1]
        assert "nobody can do" in text and "<b>" not in text
        location = browser.ask("/do", {"do": "request", "name": "shop", "token": token})[2]["location"]
        deadline = time.monotonic() + PATIENCE
        while "alert" not in (text := browser.ask(location)[1]):
            assert 'http-equiv="refresh"' in text and time.monotonic() < deadline
            time.sleep(0.1)
        assert "waiting for the server" in text
        assert "shown once" in browser.ask(location)[1]


def test_a_proxy_that_leads_nowhere_is_seen(agent: PlayedAgent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    with console(agent, replace(OPEN, doors=(address,))) as (browser, watch):
        watch.look_at_doors()
        text = browser.ask("/")[1]
    assert address in text and "leads nowhere" in text and "refused" in text
