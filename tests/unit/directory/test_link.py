"""The way to the directory: whom gossip proves to hold it, by which password, and what happens while it is away."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest

from dbhandler.directory import directory_sql, link
from dbhandler.directory.directory import Directory
from dbhandler.directory.link import REST, SHARE, TIMEOUT, DirectoryLink
from dbhandler.engine.sql import Statement
from dbhandler.errors import Denied, ServerError, Unavailable
from dbhandler.serf.members import Member
from dbhandler.trust.directory import USER, account_password
from dbhandler.trust.pool import Pool
from tests.support.fakes import Clock, RecordingServer, Rows
from tests.support.pools import CHANGING, OURS, THEIRS, proven

HOLDER = directory_sql.holder("shop")
BARE = Member("dir", "10.0.0.9", 7946, "alive", {"role": "db", "mysql": "ready", "port": "3307"})
PROVEN = proven(BARE)
NOBODY = f"no server of that name is ready and proves to be of the pool {OURS.id}"
AWAY = "the directory of the pool, on 'dir', is away: "


class Distant(RecordingServer):
    """A connection; it answers as the network says."""

    def __init__(self, network: Network, where: tuple[str, int], user: str, password: str) -> None:
        super().__init__()
        self.where, self.user, self.password = where, user, password
        self.is_open, self._network = True, network

    def execute(self, statement: Statement) -> Rows:
        super().execute(statement)
        if error := self._network.error(self):
            raise error
        return [(self.where[0], 1)] if statement == HOLDER else []

    def close(self) -> None:
        self.is_open = False


class Network:
    """All connections that were opened, and what asking on one raises."""

    def __init__(self) -> None:
        self.opened: list[Distant] = []
        self.contexts: list[ssl.SSLContext] = []
        self.error: Callable[[Distant], Exception | None] = lambda _server: None

    def server(
        self, host: str, port: int, user: str, password: str, context: ssl.SSLContext, timeout: float
    ) -> Distant:
        assert timeout == TIMEOUT
        self.contexts.append(context)
        self.opened.append(Distant(self, (host, port), user, password))
        return self.opened[-1]

    def still_open(self) -> list[Distant]:
        return [server for server in self.opened if server.is_open]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr(link, "DistantServer", network.server)
    return network


def reaching(*members: Member, pool: Pool = OURS, clock: Clock | None = None, name: str = "dir") -> DirectoryLink:
    return DirectoryLink(name, pool.secrets, lambda: members, clock=clock or Clock())


def holder(directory: Directory) -> str | None:
    found = directory.holder("shop")
    return found.server if found else None


def sentence(way: DirectoryLink) -> str:
    """Why nobody answers."""
    with pytest.raises(Unavailable) as caught:
        way.ask(holder)
    return str(caught.value)


def test_it_is_reached_by_the_pools_account_at_the_address_that_is_proven(network: Network) -> None:
    way = reaching(PROVEN)
    assert way.ask(holder) == "10.0.0.9"
    [server] = network.opened
    assert (server.where, server.user) == (("10.0.0.9", 3307), USER)
    assert server.password == account_password(OURS.secrets[0])
    # What is open is used again.
    way.ask(holder)
    assert len(network.opened) == 1 and server.executed == [HOLDER, HOLDER]


def test_only_a_certificate_of_the_pool_is_believed(network: Network) -> None:
    reaching(PROVEN, pool=CHANGING).ask(holder)
    [context] = network.contexts
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == len(CHANGING.secrets)


def test_a_server_that_has_not_said_its_port_is_asked_at_the_usual_one(network: Network) -> None:
    reaching(proven(replace(BARE, tags={"role": "db", "mysql": "ready"}))).ask(holder)
    assert network.opened[0].where == ("10.0.0.9", 3306)


def test_on_its_own_server_it_needs_no_network(network: Network) -> None:
    own, is_here = RecordingServer({HOLDER: [("me", 1)]}), True
    way = DirectoryLink("dir", OURS.secrets, lambda: [PROVEN], lambda: own if is_here else None)  # type: ignore[arg-type, return-value]
    assert way.ask(holder) == "me" and network.opened == []
    # Gossip may not have told who it is, or it is another node of the cluster by now.
    is_here = False
    assert way.ask(holder) == "10.0.0.9"


UNFIT = {
    "unproven": BARE,
    "of a stranger's pool": proven(BARE, THEIRS),
    "another server": proven(replace(BARE, name="db1")),
    "a copy of its proof": replace(PROVEN, host="10.6.6.6"),
    "unready": proven(replace(BARE, tags={**BARE.tags, "mysql": "down"})),
    "dead": replace(PROVEN, status="failed"),
    "no database": replace(BARE, tags={**BARE.tags, "role": "serf-agent"}),
}


@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
def test_nobody_else_is_asked(network: Network, unfit: Member) -> None:
    assert sentence(reaching(unfit)) == AWAY + NOBODY
    assert network.opened == []


def test_who_is_no_database_has_nothing_to_prove_and_is_no_directory_either(network: Network) -> None:
    web = Member("web", "10.0.0.1", 7946, "alive", {"role": "web"})
    assert reaching(web, PROVEN, BARE).believed() == [web, PROVEN]


def node(name: str, host: str) -> Member:
    return proven(Member(name, host, 7946, "alive", {"role": "db", "mysql": "ready", "cluster": "trio"}))


def test_of_a_cluster_any_node_is_asked_until_one_answers(network: Network) -> None:
    way = reaching(node("n2", "10.0.0.2"), node("n1", "10.0.0.1"), name="trio")
    network.error = lambda server: Unavailable("n1 is away") if server.where[0] == "10.0.0.1" else None
    assert way.ask(holder) == "10.0.0.2"
    assert [server.where[0] for server in network.opened] == ["10.0.0.1", "10.0.0.2"]
    assert network.still_open() == network.opened[1:]


def test_of_several_secrets_the_next_password_is_tried(network: Network) -> None:
    passwords = [account_password(secret) for secret in CHANGING.secrets]
    network.error = lambda server: Unavailable("refused") if server.password == passwords[0] else None
    way = reaching(proven(BARE, CHANGING), pool=CHANGING)
    assert way.ask(holder) == "10.0.0.9"
    assert [server.password for server in network.opened] == passwords
    assert network.still_open() == network.opened[1:]


def test_while_it_is_away_it_is_not_asked_again_for_a_while(network: Network, clock: Clock) -> None:
    way = reaching(PROVEN, clock=clock)
    network.error = lambda _server: Unavailable("no route")
    assert sentence(way) == AWAY + "no route"
    network.error = lambda _server: None
    clock.advance(REST - 0.01)
    assert sentence(way) == AWAY + "no route"
    assert len(network.opened) == 1
    clock.advance(0.01)
    assert way.ask(holder) == "10.0.0.9"
    assert network.still_open() == network.opened[1:]


def test_one_that_hangs_takes_a_fifth_of_the_time(network: Network, clock: Clock) -> None:
    way = reaching(PROVEN, clock=clock)

    def hangs(_server: object) -> Exception:
        clock.advance(TIMEOUT)
        return Unavailable("no answer")

    network.error = hangs
    sentence(way)
    network.error = lambda _server: None
    clock.advance(SHARE * TIMEOUT - 0.01)
    assert sentence(way) == AWAY + "no answer"
    clock.advance(0.02)
    assert way.ask(holder) == "10.0.0.9"


def test_its_own_server_rests_as_well(clock: Clock) -> None:
    own = RecordingServer({HOLDER: Unavailable("it starts")})
    way = DirectoryLink("dir", OURS.secrets, list, lambda: own, clock)  # type: ignore[arg-type, return-value]
    assert sentence(way) == sentence(way) == AWAY + "it starts"
    assert len(own.executed) == 1


def test_a_connection_that_was_closed_meanwhile_is_opened_anew_once(network: Network) -> None:
    way = reaching(PROVEN)
    way.ask(holder)
    [idle] = network.opened
    network.error = lambda server: Unavailable("gone away") if server is idle else None
    assert way.ask(holder) == "10.0.0.9"
    assert network.still_open() == network.opened[1:] and len(network.opened) == 2
    network.error = lambda _server: Unavailable("gone for good")
    assert sentence(way) == AWAY + "gone for good"
    assert len(network.opened) == 3 and network.still_open() == []


@pytest.mark.parametrize("errno", [1044, 1049, 1142, 1146])
def test_before_it_is_made_it_is_away(network: Network, errno: int) -> None:
    network.error = lambda _server: ServerError(f"refused (error {errno})", errno)
    assert sentence(reaching(PROVEN)) == AWAY + "it has not been made there yet"
    own = RecordingServer({HOLDER: ServerError("refused", errno)})
    here = DirectoryLink("dir", OURS.secrets, list, lambda: own)  # type: ignore[arg-type, return-value]
    assert sentence(here) == AWAY + "it has not been made there yet"


def test_what_it_refuses_is_no_reason_to_rest(network: Network) -> None:
    way = reaching(PROVEN)
    network.error = lambda _server: ServerError("refused (error 1064)", 1064)
    with pytest.raises(ServerError, match="1064"):
        way.ask(holder)
    network.error = lambda _server: None
    assert way.ask(holder) == "10.0.0.9"


def test_what_the_question_itself_refuses_is_passed_on(network: Network) -> None:
    way = reaching(PROVEN)

    def refusing(_directory: Directory) -> None:
        raise Denied("no room")

    with pytest.raises(Denied, match=r"^no room$"):
        way.ask(refusing)
    assert way.ask(holder) == "10.0.0.9"


def test_a_way_that_is_closed_opens_again_when_it_is_needed(network: Network) -> None:
    way = reaching(PROVEN)
    way.close()
    way.ask(holder)
    way.close()
    assert network.still_open() == []
    way.ask(holder)
    assert network.still_open() == network.opened[1:]
