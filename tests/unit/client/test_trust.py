"""Whom an application believes: the pool that was named to it, the one that it remembers, or the first one it meets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dbhandler.client.asking import Client, request_database
from dbhandler.client.discovery import find_server
from dbhandler.client.state import State, StateFile
from dbhandler.errors import ConfigError, DbHandlerError, Denied, InvalidRequest, TryLater, Unavailable
from dbhandler.requests.box import Credentials, Keys, fingerprint
from dbhandler.requests.question import question_of
from dbhandler.serf.members import Member
from dbhandler.trust.pool import Pool
from dbhandler.trust.signature import Purpose
from tests.support.fakes import Clock
from tests.support.pools import CHANGING, NEXT, OURS, THEIRS, PlayedCluster, PlayedServer, changed, proven

NAMED, REMEMBERED, NOTHING = "named", "remembered", "nothing"


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Keys]:
    return {name: Keys(tmp_path / f"key-{name}") for name in "abx"}


@pytest.fixture
def serf(keys: Mapping[str, Keys]) -> PlayedCluster:
    """One server of our pool."""
    return PlayedCluster(PlayedServer("a", keys["a"]))


class Application:
    """A client with a state file; knows of a pool in one of three ways."""

    def __init__(self, folder: Path, clock: Clock, serf: PlayedCluster) -> None:
        self.file, self._clock, self.serf = StateFile(folder / "state"), clock, serf
        self.pools: Sequence[str] = ()

    def knows(self, how: str, key: str | None = None) -> None:
        """Has been told the pool's name, or has met it, or has not."""
        self.pools = [OURS.id] if how == NAMED else []
        pool = OURS.id if how == REMEMBERED else None
        self.file.save(State("shop", "shop", "the password of before", key=key, pool=pool))

    def client(self, timeout: float = 0) -> Client:
        lines: list[str] = []
        return Client(
            lambda: self.serf, self.file, timeout, lines.append, self._clock, self._clock.advance, self.pools  # type: ignore[arg-type, return-value]
        )  # fmt: skip

    def asks(self, timeout: float = 0) -> str:
        """Asks for its database; returns the host it is led to."""
        return self.client(timeout).create("shop", None, {}).host

    @property
    def state(self) -> State:
        state = self.file.load()
        assert state is not None
        return state


@pytest.fixture
def application(tmp_path: Path, clock: Clock, serf: PlayedCluster) -> Application:
    return Application(tmp_path, clock, serf)


def resigned(line: bytes, query: str, payload: bytes, **how: object) -> bytes:
    """The answer, signed by somebody who could not open the box."""
    fields = {key: value for key, value in json.loads(line).items() if key != "signature"}
    pool, purpose = how.get("pool", OURS), how.get("purpose", Purpose.ANSWER)
    content = question_of(query, payload).content(fields, how.get("reply"))  # type: ignore[arg-type]
    return json.dumps({**fields, "signature": pool.keys[0].sign(purpose, content)}).encode()  # type: ignore[attr-defined]


FORGED: Mapping[str, Callable[[str, bytes, bytes], bytes]] = {
    "nothing": lambda query, payload, line: b"",
    "unsigned": lambda query, payload, line: changed(line, signature=None),
    "signed with nothing": lambda query, payload, line: changed(line, signature=""),
    "signed with a number": lambda query, payload, line: changed(line, signature=7),
    "signed with another word": lambda query, payload, line: changed(line, signature="A" * 86),
    "another host": lambda query, payload, line: changed(line, host="evil.example"),
    "another port": lambda query, payload, line: changed(line, port=3307),
    "another status": lambda query, payload, line: changed(line, status="exists"),
    "a refusal": lambda query, payload, line: changed(line, status="denied", reason="go away"),
    "another pool": lambda query, payload, line: changed(line, pool=THEIRS.id),
    "no pool": lambda query, payload, line: changed(line, pool=None),
    "an authority": lambda query, payload, line: changed(line, authority=THEIRS.id),
    "one field more": lambda query, payload, line: changed(line, unknown=1),
    "of a stranger's pool": lambda query, payload, line: resigned(
        changed(line, pool=THEIRS.id), query, payload, pool=THEIRS
    ),
    "of who could not open the box": lambda query, payload, line: resigned(line, query, payload),
    "of who has guessed the word": lambda query, payload, line: resigned(line, query, payload, reply="A" * 22),
}


@pytest.mark.parametrize("how", [NAMED, REMEMBERED, NOTHING])
def test_a_server_that_proves_it_is_believed_and_its_pool_is_remembered(application: Application, how: str) -> None:
    application.knows(how)
    assert application.asks() == "a"
    assert application.state.pool == OURS.id
    # And again.
    assert application.asks() == "a"


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("how", [NAMED, REMEMBERED, NOTHING])
def test_a_forged_or_changed_answer_counts_for_none(application: Application, how: str, forged: str) -> None:
    application.knows(how)
    before = application.state
    application.serf.forge = lambda node, query, payload, line: [FORGED[forged](query, payload, line)]
    with pytest.raises(Unavailable, match=r"the server 'a' has given a wrong answer: its? "):
        application.asks()
    assert application.state == before


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("how", [NAMED, REMEMBERED, NOTHING])
def test_the_true_answer_counts_behind_a_forged_one(application: Application, how: str, forged: str) -> None:
    application.knows(how)
    application.serf.forge = lambda node, query, payload, line: [FORGED[forged](query, payload, line), line]
    assert application.asks() == "a"


@pytest.mark.parametrize("how", [NAMED, REMEMBERED, NOTHING])
def test_an_answer_to_another_question_is_none_to_this_one(application: Application, how: str) -> None:
    application.knows(how)
    application.asks()
    [(_, _, _, recorded)] = [heard for heard in application.serf.heard if heard[1] == "create_db"]
    application.serf.forge = lambda node, query, payload, line: [recorded]
    with pytest.raises(Unavailable, match="its signature is wrong"):
        application.asks()
    with pytest.raises(Unavailable, match="its signature is wrong"):
        application.client().rotate()


@pytest.mark.parametrize("how", [NAMED, REMEMBERED])
def test_who_could_open_the_box_is_not_believed_without_the_pool(
    application: Application, how: str, keys: Mapping[str, Keys]
) -> None:
    """A server whose key was stolen, not its pool's secret."""
    application.knows(how)
    thief = PlayedServer("a", keys["a"], THEIRS)
    application.serf.forge = lambda node, query, payload, line: [thief.answer(query, payload)]
    with pytest.raises(Unavailable, match="its signature is wrong"):
        application.asks()


def test_a_signature_for_tags_is_none_for_an_answer(application: Application, keys: Mapping[str, Keys]) -> None:
    application.knows(NAMED)

    def forge(node: str, query: str, payload: bytes, line: bytes) -> list[bytes]:
        word = keys["a"].reply_word(json.loads(payload)["sealed"])
        # By who knows all but that the purpose is another one.
        forged.append(resigned(line, query, payload, reply=word, purpose=purpose))
        return forged[-1:]

    forged: list[bytes] = []
    application.serf.forge = forge
    purpose = Purpose.MEMBER
    with pytest.raises(Unavailable, match="its signature is wrong"):
        application.asks()
    purpose = Purpose.ANSWER
    assert application.asks() == "a"


@pytest.mark.parametrize("operation", ["rotate", "drop"])
@pytest.mark.parametrize("how", [NAMED, REMEMBERED, NOTHING])
def test_what_changes_or_destroys_is_proven_too(
    application: Application, keys: Mapping[str, Keys], how: str, operation: str
) -> None:
    application.knows(how, keys["a"].public)
    application.serf.forge = lambda node, query, payload, line: [changed(line, signature=None)]
    with pytest.raises(Unavailable, match="it is not signed"):
        getattr(application.client(), operation)()
    assert application.file.load() is not None
    application.serf.forge = lambda node, query, payload, line: [line]
    getattr(application.client(), operation)()
    assert application.serf.asked()[-1] == ("a", f"{operation}_db")


def test_a_refusal_that_is_proven_is_decisive(application: Application) -> None:
    application.knows(NAMED)
    application.serf.servers[0].says = {"create_db": {"status": "denied", "reason": "not yours"}}
    with pytest.raises(Denied, match="not yours"):
        application.asks()


# --- who is asked at all ---


@pytest.mark.parametrize("how", [NAMED, REMEMBERED])
@pytest.mark.parametrize("pool", [None, THEIRS])
def test_a_stranger_is_not_asked_and_told_of(
    application: Application, keys: Mapping[str, Keys], how: str, pool: object
) -> None:
    application.knows(how)
    application.serf.servers = [PlayedServer("x", keys["x"], pool)]  # type: ignore[arg-type]
    with pytest.raises(TryLater, match=f"^waiting for a server of the pool {OURS.id}: 'x' cannot prove to be of it$"):
        application.asks()
    assert application.serf.heard == []


@pytest.mark.parametrize("how", [NAMED, REMEMBERED])
def test_a_stranger_beside_the_pool_s_server_changes_nothing(
    application: Application, keys: Mapping[str, Keys], how: str
) -> None:
    application.knows(how)
    for stranger in (PlayedServer("x", keys["x"], None), PlayedServer("x", keys["a"], THEIRS, {"cluster": "shop"})):
        application.serf.servers = [stranger, PlayedServer("a", keys["a"])]
        assert application.asks() == "a"
    assert {node for node, _ in application.serf.asked()} == {"a"}


def test_where_everybody_is_a_stranger_nobody_is_told_of_none(application: Application) -> None:
    application.knows(NAMED)
    application.serf.servers = []
    with pytest.raises(Unavailable, match="there is no database server in the Serf cluster"):
        application.asks()


def finding(serf: PlayedCluster, pools: Sequence[str] = (OURS.id,)) -> Member:
    return find_server(serf, "shop", None, pools=pools)  # type: ignore[arg-type]


@pytest.fixture
def two(keys: Mapping[str, Keys]) -> PlayedCluster:
    """Two servers of our pool, of which b has the database."""
    has = {"find_db": {"status": "exists", "host": "b", "port": 3306}}
    return PlayedCluster(PlayedServer("a", keys["a"]), PlayedServer("b", keys["b"], says=has))


def test_who_has_the_database_is_asked_of_all_with_a_proof(two: PlayedCluster) -> None:
    assert finding(two).name == "b"
    assert two.asked() == [("a", "find_db"), ("b", "find_db")]


OPPOSITE = {"absent": "exists", "exists": "absent"}


@pytest.mark.parametrize(
    "forge",
    [
        lambda query, payload, line: changed(line, signature=None),
        lambda query, payload, line: changed(line, status=OPPOSITE[json.loads(line)["status"]]),
        lambda query, payload, line: resigned(changed(line, pool=THEIRS.id), query, payload, pool=THEIRS),
        lambda query, payload, line: b'{"status": "exists"}',
        lambda query, payload, line: b'{"status": "absent"}',
        lambda query, payload, line: b"exists",
    ],
)
@pytest.mark.parametrize("victim", ["a", "b"])
def test_what_strangers_say_of_who_has_it_is_as_good_as_silence(
    two: PlayedCluster, forge: Callable[[str, bytes, bytes], bytes], victim: str
) -> None:
    two.forge = lambda node, query, payload, line: [forge(query, payload, line), line]
    assert finding(two).name == "b"
    two.forge = lambda node, query, payload, line: [forge(query, payload, line) if node == victim else line]
    with pytest.raises(TryLater, match=f"waiting for '{victim}', which might have the database and has not answered"):
        finding(two)


def test_what_a_server_said_before_is_not_what_it_says_now(two: PlayedCluster) -> None:
    finding(two)
    before = {node: line for node, _, _, line in two.heard}
    two.forge = lambda node, query, payload, line: [before[node]]
    with pytest.raises(TryLater, match="waiting for 'a', 'b'"):
        finding(two)


# --- the pool's secret is changed ---


@pytest.mark.parametrize("how", [REMEMBERED, NOTHING])
def test_an_application_moves_on_with_the_servers_change_of_secret(
    application: Application, keys: Mapping[str, Keys], how: str
) -> None:
    application.knows(how)
    application.asks()
    for pool, remembered in ((CHANGING, NEXT), (NEXT, NEXT)):
        application.serf.servers = [PlayedServer("a", keys["a"], pool)]
        assert application.asks() == "a"
        assert application.state.pool == remembered.id


def test_who_was_named_the_former_pool_is_answered_while_the_servers_know_it(
    application: Application, keys: Mapping[str, Keys]
) -> None:
    application.knows(NAMED)
    application.serf.servers = [PlayedServer("a", keys["a"], CHANGING)]
    assert [application.asks(), application.asks()] == ["a", "a"]
    application.serf.servers = [PlayedServer("a", keys["a"], NEXT)]
    with pytest.raises(TryLater, match="cannot prove to be of it"):
        application.asks()
    application.pools = [OURS.id, NEXT.id]
    assert application.asks() == "a"


def test_a_change_that_an_application_has_missed_needs_the_owner_s_word(
    application: Application, keys: Mapping[str, Keys]
) -> None:
    application.knows(REMEMBERED)
    application.serf.servers = [PlayedServer("a", keys["a"], NEXT)]
    with pytest.raises(TryLater, match="cannot prove to be of it"):
        application.asks()
    # What the owner says now counts more than what was met once.
    application.pools = [NEXT.id]
    assert application.asks() == "a"
    assert application.state.pool == NEXT.id


def test_a_stranger_cannot_lead_to_a_pool_of_its_own(application: Application, keys: Mapping[str, Keys]) -> None:
    application.knows(REMEMBERED)
    stranger = PlayedServer("a", keys["a"], THEIRS)
    application.serf.forge = lambda node, query, payload, line: [stranger.answer(query, payload), line]
    application.asks()
    assert application.state.pool == OURS.id


# --- a server whose state volume is lost ---


def heir(keys: Mapping[str, Keys], pool: object = OURS, **tags: str) -> PlayedServer:
    return PlayedServer("b", keys["b"], pool, {"was": fingerprint(keys["a"].public), **tags})  # type: ignore[arg-type]


@pytest.mark.parametrize("how", [NAMED, REMEMBERED])
def test_the_heir_is_followed_without_a_hand_where_it_is_proven(
    application: Application, keys: Mapping[str, Keys], how: str
) -> None:
    application.knows(how, keys["a"].public)
    application.serf.servers = [PlayedServer("x", keys["x"]), heir(keys)]
    password = application.state.password
    assert application.asks() == "b"
    assert (application.state.key, application.state.password) == (keys["b"].public, password)


def test_who_knows_no_pool_is_told_and_follows_nobody(application: Application, keys: Mapping[str, Keys]) -> None:
    application.knows(NOTHING, keys["a"].public)
    for pool in (None, OURS):
        application.serf.servers = [heir(keys, pool)]
        with pytest.raises(TryLater, match=r"--accept-server b$"):
            application.asks()
    assert application.serf.heard == []


@pytest.mark.parametrize("pool", [None, THEIRS])
def test_an_heir_outside_the_named_pool_is_none_and_cannot_be_accepted(
    application: Application, keys: Mapping[str, Keys], pool: object
) -> None:
    application.knows(NAMED, keys["a"].public)
    before = application.state
    application.serf.servers = [heir(keys, pool), PlayedServer("x", keys["x"])]
    with pytest.raises(TryLater, match="not in the Serf cluster"):
        application.asks()
    with pytest.raises(InvalidRequest, match=f"no live database server 'b' .* that proves to be of the pool {OURS.id}"):
        application.client().create("shop", None, {}, "b")
    application.serf.servers = [heir(keys, pool)]
    with pytest.raises(TryLater, match="'b' cannot prove to be of it"):
        application.asks()
    assert (application.serf.heard, application.state) == ([], before)


@pytest.mark.parametrize("pool", [None, THEIRS])
def test_an_heir_outside_a_pool_that_was_only_met_is_followed_by_the_owner_s_word(
    application: Application, keys: Mapping[str, Keys], pool: object
) -> None:
    """A server that is a pool of its own has lost that with its state volume, too."""
    application.knows(REMEMBERED, keys["a"].public)
    # While others of the pool are there the secret is not lost, and a stranger is no heir.
    application.serf.servers = [heir(keys, pool), PlayedServer("x", keys["x"])]
    with pytest.raises(TryLater, match="not in the Serf cluster"):
        application.asks()
    application.serf.servers = [heir(keys, pool)]
    with pytest.raises(TryLater, match=r"--accept-server b$"):
        application.asks()
    assert (application.serf.heard, application.state.pool) == ([], OURS.id)
    password = application.state.password
    assert application.client().create("shop", None, {}, "b").host == "b"
    expected = THEIRS.id if pool else None
    assert (application.state.key, application.state.pool) == (keys["b"].public, expected)
    assert application.state.password == password
    # From now on as with any other that was met first.
    assert application.asks() == "b"


def test_a_server_that_went_to_another_pool_is_followed_by_the_owner_s_word(
    application: Application, keys: Mapping[str, Keys]
) -> None:
    application.knows(REMEMBERED, keys["a"].public)
    application.serf.servers = [PlayedServer("a", keys["a"], THEIRS)]
    with pytest.raises(TryLater, match="shows the key of the one that made 'shop', and is of another pool by now"):
        application.asks()
    assert application.client().create("shop", None, {}, "a").host == "a"
    assert application.state.pool == THEIRS.id
    application.knows(NAMED, keys["a"].public)
    with pytest.raises(InvalidRequest, match="no live database server 'a' in the Serf cluster that proves"):
        application.client().create("shop", None, {}, "a")


def test_who_only_says_that_it_is_the_heir_is_none(application: Application, keys: Mapping[str, Keys]) -> None:
    class Liar(PlayedServer):
        def member(self) -> Member:
            shown = proven(super().member())
            return replace(shown, tags={**shown.tags, "was": fingerprint(keys["a"].public)})

    application.knows(NAMED, keys["a"].public)
    application.serf.servers = [Liar("x", keys["x"]), PlayedServer("b", keys["b"])]
    with pytest.raises(TryLater, match="not in the Serf cluster"):
        application.asks()


def test_an_heir_that_is_away_is_waited_for_and_the_living_original_comes_first(
    application: Application, keys: Mapping[str, Keys]
) -> None:
    application.knows(NAMED, keys["a"].public)
    away = heir(keys)
    away.status = "failed"
    application.serf.servers = [away]
    with pytest.raises(TryLater):
        application.asks()
    living = PlayedServer("x", keys["x"], tags=away.tags)
    application.serf.servers = [away, living]
    assert application.client().create("shop", None, {}).host == "x"
    application.knows(NAMED, keys["a"].public)
    application.serf.servers = [heir(keys), PlayedServer("a", keys["a"])]
    assert application.asks() == "a"


# --- versions that know of no pool ---


@pytest.mark.parametrize("pool", [None, OURS])
def test_a_state_file_of_a_version_without_pools_goes_on(
    application: Application, keys: Mapping[str, Keys], tmp_path: Path, pool: object
) -> None:
    values = {"database": "shop", "user": "clerk", "password": "the password of before", "key": keys["a"].public}
    (tmp_path / "state").write_text(json.dumps(values))
    application.serf.servers = [PlayedServer("a", keys["a"], pool)]  # type: ignore[arg-type]
    assert application.asks() == "a"
    expected = OURS.id if pool else None
    assert application.state == State(**values, pool=expected)  # type: ignore[arg-type]


def test_a_server_of_an_older_version_is_asked_as_before(application: Application, keys: Mapping[str, Keys]) -> None:
    application.knows(NOTHING)
    application.serf.servers = [PlayedServer(name, keys[name], None) for name in "ab"]
    assert application.asks() in "ab"
    found, _, (node, _, payload, _) = application.serf.heard
    # It would refuse whatever it does not know.
    assert found[2] == b"shop"
    assert set(json.loads(payload)) == {"database", "sealed"}
    box = json.loads(keys[node]._decrypt(json.loads(payload)["sealed"]))
    assert set(box) == {"database", "user", "password"}


def test_what_nobody_has_signed_says_nothing_of_whom_to_believe(
    application: Application, keys: Mapping[str, Keys]
) -> None:
    """Else one forged answer of a server that can prove nothing would hand the application over for good."""
    application.knows(NOTHING)
    application.serf.servers = [PlayedServer("a", keys["a"], None)]
    application.serf.forge = lambda node, query, payload, line: [changed(line, pool=THEIRS.id, authority=THEIRS.id)]
    assert application.asks() == "a"
    assert (application.state.pool, application.state.authority) == (None, None)
    assert application.serf.asked() == [("a", "create_db")]


def test_the_box_s_word_is_new_each_time_and_hints_are_no_more_than_beginnings(
    application: Application, keys: Mapping[str, Keys]
) -> None:
    application.knows(NAMED)
    application.asks()
    application.asks()
    payloads = [json.loads(payload) for _, _, payload, _ in application.serf.heard]
    words = {keys["a"].reply_word(payload["sealed"]) for payload in payloads}
    assert len(words) == 2 and None not in words
    assert {payload["pool"] for payload in payloads} == {OURS.id[:8]}
    box = keys["a"].open(payloads[0]["sealed"], "shop")
    assert box == Credentials("shop", "shop", application.state.password, reply=box.reply)


# --- a cluster's nodes ---


def test_a_stranger_s_node_is_no_host_of_the_cluster(application: Application, keys: Mapping[str, Keys]) -> None:
    application.knows(NAMED)
    node = {"cluster": "shop", "port": "3306"}
    ours = [PlayedServer(name, keys[name], tags=node) for name in "ab"]
    application.serf.servers = [*ours, PlayedServer("x", keys["x"], THEIRS, node)]
    connection = application.client().create("shop", None, {})
    assert connection.hosts == ("a:3306", "10.0.0.98:3306")
    application.pools = [OURS.id, THEIRS.id]
    assert len(application.client().create("shop", None, {}).hosts) == 3


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("pool", [None, THEIRS])
@pytest.mark.parametrize("known", [True, False])
def test_whoever_copies_a_key_is_not_believed_by_who_knows_no_pool(
    application: Application, keys: Mapping[str, Keys], pool: Pool | None, first: bool, known: bool
) -> None:
    """It leaves the proof out, so that its answers need none, or shows one of its own."""
    if known:
        application.knows(NOTHING, keys["a"].public)
    copy = PlayedServer("x", keys["x"], pool, {"key": keys["a"].public})
    application.serf.servers = [copy, *application.serf.servers] if first else [*application.serf.servers, copy]
    assert application.asks(timeout=20) == "a"


# --- the setting ---


def test_the_environment_names_the_pool(
    serf: PlayedCluster, keys: Mapping[str, Keys], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbhandler.client.asking.connect_first", lambda _addresses, _key: serf)

    def asked() -> str:
        return request_database("shop", state_file=tmp_path / "state", rpc_addr="127.0.0.1:1", timeout=0).host

    monkeypatch.setenv("DBHANDLER_POOL", THEIRS.id)
    with pytest.raises(TryLater, match=f"waiting for a server of the pool {THEIRS.id}"):
        asked()
    monkeypatch.setenv("DBHANDLER_POOL", f"{THEIRS.id} {OURS.id}")
    assert asked() == "a"
    for wrong in ("nonsense", " "):
        monkeypatch.setenv("DBHANDLER_POOL", wrong)
        with pytest.raises(ConfigError, match="DBHANDLER_POOL has to be the id of a pool"):
            asked()
    monkeypatch.delenv("DBHANDLER_POOL")
    serf.servers = [PlayedServer("a", keys["a"], THEIRS)]
    with pytest.raises(TryLater, match=r"of another pool by now; if you trust it.*--accept-server a"):
        asked()


@pytest.mark.parametrize("pool", ["x", "", "ü" * 43])
def test_a_state_file_with_what_is_no_pool_is_refused(application: Application, tmp_path: Path, pool: str) -> None:
    values = {"database": "shop", "user": "shop", "password": "the password of before", "pool": pool}
    (tmp_path / "state").write_text(json.dumps(values))
    with pytest.raises(DbHandlerError, match="not written by dbhandler-request"):
        application.asks()


def test_a_proof_that_has_expired_is_none(application: Application, keys: Mapping[str, Keys]) -> None:
    class Asleep(PlayedServer):
        def member(self) -> Member:
            plain = PlayedServer(self.name, self.keys, None).member()
            return proven(plain, OURS, lambda: time.time() - 2 * 3600)

    application.knows(NAMED)
    application.serf.servers = [Asleep("a", keys["a"])]
    with pytest.raises(TryLater, match="'a' cannot prove to be of it"):
        application.asks()
