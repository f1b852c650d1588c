"""The RPC client, against a server in a thread that speaks the protocol."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from itertools import pairwise

import msgpack
import pytest

from dbhandler.address import reachable, split_address
from dbhandler.errors import ConfigError, Denied, Unavailable
from dbhandler.serf.members import Member
from dbhandler.serf.rpc import Serf
from tests.support.fakes import Reply, RpcServer, ok

Answers = Callable[[str, dict[str, object], int], Reply]
Start = Callable[[Answers], RpcServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts an RPC server that greets and answers as told."""
    servers: list[RpcServer] = []

    def start(answers: Answers) -> RpcServer:
        def reply(command: str, body: dict[str, object], seq: int) -> Reply:
            return ok(seq) if command == "handshake" else answers(command, body, seq)

        servers.append(RpcServer(reply))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def plainly(*body: object) -> Answers:
    """Every request succeeds with this body."""
    return lambda command, request, seq: ok(seq, *body)


def refusing(error: str) -> Answers:
    return lambda command, request, seq: [{"Seq": seq, "Error": error}]


def record(seq: int, kind: str, sender: str = "", payload: bytes = b"") -> list[object]:
    return [{"Seq": seq, "Error": ""}, {"Type": kind, "From": sender, "Payload": payload}]


def member(name: str, address: bytes | str, status: str = "alive") -> dict[str, object]:
    return {"Name": name, "Addr": address, "Port": 7946, "Status": status, "Tags": {"role": "db"}}


def test_a_connection_shakes_hands_and_shows_its_key(start: Start) -> None:
    server = start(plainly())
    with Serf(server.address, "key"):
        pass
    assert server.requests == [("handshake", {"Version": 1}), ("auth", {"AuthKey": "key"})]


@pytest.mark.parametrize("error", ["Authentication required", "Invalid authentication token"])
def test_a_wrong_key_is_denied(start: Start, error: str) -> None:
    with pytest.raises(Denied, match="SERF_RPC_AUTH"):
        Serf(start(refusing(error)).address, "secret-key")


def test_no_message_holds_the_key(start: Start) -> None:
    with pytest.raises(Denied) as caught:
        Serf(start(refusing("Invalid authentication token")).address, "secret-key")
    assert "secret-key" not in str(caught.value)


def test_an_error_that_merely_sounds_like_a_wrong_key_is_none(start: Start) -> None:
    with Serf(start(refusing("no such host: author")).address) as serf, pytest.raises(Unavailable, match="author"):
        serf.join(["author"], False)


def test_members_have_their_addresses_in_either_protocol_and_any_encoding(start: Start) -> None:
    records = [
        member("a", socket.inet_aton("10.0.0.1")),
        member("b", b"\0" * 10 + b"\xff\xff" + socket.inet_aton("10.0.0.200"), "failed"),
        member("c", socket.inet_pton(socket.AF_INET6, "fd00::7")),
    ]
    # Serf 0.8 sends addresses with msgpack's old type, which has text and bytes in one.
    header = msgpack.packb({"Seq": 2, "Error": ""})
    old = msgpack.packb({"Members": records}, use_bin_type=False)
    with Serf(start(lambda command, body, seq: [header, old]).address) as serf:
        assert serf.members() == [
            Member("a", "10.0.0.1", 7946, "alive", {"role": "db"}),
            Member("b", "10.0.0.200", 7946, "failed", {"role": "db"}),
            Member("c", "fd00::7", 7946, "alive", {"role": "db"}),
        ]


def test_a_member_knows_its_address_and_whether_it_lives() -> None:
    assert Member("a", "::1", 1, "alive", {}).address == "[::1]:1"
    assert Member("a", "10.0.0.1", 1, "alive", {}).address == "10.0.0.1:1"
    assert [Member("a", "h", 1, status, {}).alive for status in ("alive", "left", "failed")] == [True, False, False]


def test_the_agent_tells_its_own_name(start: Start) -> None:
    with Serf(start(plainly({"agent": {"name": "db1"}})).address) as serf:
        assert serf.self_name() == "db1"


def test_join_tags_and_event_send_what_serf_expects(start: Start) -> None:
    server = start(lambda command, body, seq: ok(seq, {"Num": 2}) if command == "join" else ok(seq))
    with Serf(server.address) as serf:
        assert serf.join(["a:1", "b:2"], replay=True) == 2
        serf.set_tags({"mysql": "ready"}, delete=["old"])
        serf.event("create_db", b"wordpress")
    assert server.requests[1:] == [
        ("join", {"Existing": ["a:1", "b:2"], "Replay": True}),
        ("tags", {"Tags": {"mysql": "ready"}, "DeleteTags": ["old"]}),
        ("event", {"Name": "create_db", "Payload": b"wordpress", "Coalesce": False}),
    ]


def test_a_query_yields_answers_until_serf_says_that_it_is_done(start: Start) -> None:
    server = start(
        lambda command, body, seq: [
            *ok(seq),
            *record(seq, "ack", "a"),
            *record(seq, "response", "a", b"one"),
            *record(seq, "response", "", b"nobody's"),
            *record(seq, "response", "b", b"\xff"),
            *record(seq, "done"),
        ]
    )
    with Serf(server.address) as serf:
        answers = list(serf.query("create_db", b"x", 10, nodes=["a"], tags={"role": "^db$"}))
    assert answers == [("a", b"one"), ("b", b"\xff")]
    asked = {"Name": "create_db", "Payload": b"x", "Timeout": 10_000_000_000, "RequestAck": False}
    assert server.requests[1] == ("query", asked | {"FilterNodes": ["a"], "FilterTags": {"role": "^db$"}})


def test_an_asker_who_has_had_enough_goes_on_with_the_connection(start: Start) -> None:
    def answers(command: str, body: dict[str, object], seq: int) -> Reply:
        if command == "stats":
            return [*record(seq - 1, "response", "b"), *record(seq - 1, "done"), *ok(seq, {"agent": {"name": "me"}})]
        return [*ok(seq), *record(seq, "response", "a"), *record(seq, "response", "late")]

    with Serf(start(answers).address) as serf:
        assert next(serf.query("q", b"", 10)) == ("a", b"")
        assert serf.self_name() == "me"


def test_what_is_left_of_one_query_is_not_taken_for_the_next(start: Start) -> None:
    def answers(command: str, body: dict[str, object], seq: int) -> Reply:
        late = [*record(seq - 1, "response", "late", b"old"), *record(seq - 1, "done")] if seq > 2 else []
        return [*ok(seq), *late, *record(seq, "response", "a", b"%d" % seq), *record(seq, "done")]

    with Serf(start(answers).address) as serf:
        assert next(serf.query("q", b"", 10)) == ("a", b"2")
        assert list(serf.query("q", b"", 10)) == [("a", b"3")]


def test_a_query_ends_at_its_deadline_and_leaves_the_connection_usable(start: Start) -> None:
    server = start(lambda command, body, seq: ok(seq, {"agent": {"name": "me"}}) if command == "stats" else ok(seq))
    with Serf(server.address) as serf:
        assert list(serf.query("q", b"", 0.05)) == []
        assert serf.self_name() == "me"


# --- a query that is sent again ---


def test_answers_to_every_sending_count_also_those_that_come_before_the_next_one_is_taken(start: Start) -> None:
    first: list[int] = []

    def answers(command: str, body: dict[str, object], seq: int) -> Reply:
        first.append(seq)
        if seq == first[0]:
            return ok(seq)
        early = [*record(first[0], "response", "a", b"early"), *record(first[0], "response", "b", b"early")]
        late = [*record(first[0], "response", "c", b"late"), *record(seq, "response", "d", b"again")]
        return [*early, *ok(seq), *late, *record(first[0], "done"), *record(seq, "done")]

    server = start(answers)
    with Serf(server.address) as serf:
        found = list(serf.query("q", b"x", 10, again=0.05))
    assert found == [("a", b"early"), ("b", b"early"), ("c", b"late"), ("d", b"again")]
    assert [body["Payload"] for command, body in server.requests if command == "query"] == [b"x", b"x"]


def test_a_sending_that_is_done_ends_no_other(start: Start) -> None:
    def answers(command: str, body: dict[str, object], seq: int) -> Reply:
        if seq == 2:
            return ok(seq)
        return [*ok(seq), *record(2, "done"), *record(2, "done"), *record(seq, "response", "a"), *record(seq, "done")]

    with Serf(start(answers).address) as serf:
        assert list(serf.query("q", b"", 10, again=0.05)) == [("a", b"")]


def test_a_query_ends_before_it_is_sent_again_where_serf_says_so(start: Start) -> None:
    server = start(lambda command, body, seq: [*ok(seq), *record(seq, "response", "a"), *record(seq, "done")])
    with Serf(server.address) as serf:
        assert list(serf.query("q", b"", 10, again=5)) == [("a", b"")]
    assert len(server.requests) == 2


def test_only_those_are_asked_again_who_are_left(start: Start) -> None:
    def answers(command: str, body: dict[str, object], seq: int) -> Reply:
        return [*ok(seq), *record(seq, "response", str(body["FilterNodes"][0]))]  # type: ignore[index]

    server, waiting = start(answers), {"a": 1, "b": 2, "c": 3}
    with Serf(server.address) as serf:
        # Who takes the last one out is asked no more.
        for node, _ in serf.query("q", b"", 10, nodes=waiting, again=0.02):
            del waiting[node]
    asked = [body for command, body in server.requests if command == "query"]
    assert [body["FilterNodes"] for body in asked] == [["a", "b", "c"], ["b", "c"], ["c"]]


def test_each_sending_waits_twice_as_long_and_none_for_longer_than_the_deadline(start: Start) -> None:
    server = start(lambda command, body, seq: ok(seq))
    with Serf(server.address) as serf:
        assert list(serf.query("q", b"", 0.5, again=0.05)) == []
    left = [int(str(body["Timeout"])) / 1e9 for command, body in server.requests if command == "query"]
    assert left[0] == 0.5 and 2 <= len(left) <= 4
    for number, (before, after) in enumerate(pairwise(left)):
        assert before - after >= 0.05 * 2**number - 0.001


def test_what_is_asked_again_is_not_taken_for_what_is_asked_next(start: Start) -> None:
    def answers(command: str, body: dict[str, object], seq: int) -> Reply:
        if body.get("Name") == "next":
            old = [record(number, kind, "old") for number in (2, 3) for kind in ("response", "done")]
            return [*old[0], *old[1], *ok(seq), *old[2], *record(seq, "response", "new"), *old[3], *record(seq, "done")]
        return ok(seq) if seq == 2 else [*ok(seq), *record(2, "response", "a")]

    with Serf(start(answers).address) as serf:
        assert next(serf.query("q", b"", 10, again=0.02)) == ("a", b"")
        assert list(serf.query("next", b"", 10)) == [("new", b"")]


def test_an_agent_that_refuses_to_send_again_is_told_of(start: Start) -> None:
    server = start(lambda command, body, seq: ok(seq) if seq == 2 else [{"Seq": seq, "Error": "no more"}])
    with Serf(server.address) as serf, pytest.raises(Unavailable, match="refuses query: no more"):
        list(serf.query("q", b"", 10, again=0.02))


@pytest.mark.parametrize("odd", [None, [2], {"a": 1}, "2", 2.5])
def test_a_record_with_an_odd_number_is_nobody_s(start: Start, odd: object) -> None:
    strange = [{"Seq": odd, "Error": ""}, {"Type": "done"}]
    with Serf(start(lambda command, body, seq: [*ok(seq), *strange, *record(seq, "response", "a")]).address) as serf:
        assert next(serf.query("q", b"", 10)) == ("a", b"")


def test_a_reply_that_never_comes_is_waited_for_no_longer_than_the_timeout(start: Start) -> None:
    server = start(lambda command, body, seq: [])
    with Serf(server.address, timeout=0.05) as serf:
        with pytest.raises(Unavailable, match="timed out"):
            serf.set_tags({})
        # Its reply may still come and would be taken for another's: nothing else is asked on this connection.
        with pytest.raises(Unavailable):
            serf.members()
    assert [command for command, _ in server.requests] == ["handshake", "tags"]


def test_a_join_may_be_waited_for_less_than_other_replies(start: Start) -> None:
    with Serf(start(lambda command, body, seq: []).address, timeout=60) as serf, pytest.raises(Unavailable):
        serf.join(["a"], False, timeout=0.05)


def test_a_connection_that_is_closed_is_unavailable(start: Start) -> None:
    with Serf(start(lambda command, body, seq: None).address) as serf, pytest.raises(Unavailable, match="closed"):
        serf.members()


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xc1", b"\x93\x01\x02\x03"])
def test_something_else_at_the_address_is_unavailable(start: Start, nonsense: bytes) -> None:
    server = start(lambda command, body, seq: [nonsense])
    with Serf(server.address) as serf, pytest.raises(Unavailable, match="does not speak Serf's RPC"):
        serf.members()


@pytest.mark.parametrize(
    "reply",
    [
        7, [], "text", {}, {"agent": 7, "serf": []}, {"agent": {"name": 7}, "serf": {"event_time": "²"}},
        {"agent": {"name": "a\nb"}, "serf": {"event_time": "9" * 5000}}, {"Members": 7, "Num": "2"},
        b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xf0\xff\xff\xff" + b"x" * 1000, b"\x91" * 5000,
        b"\xc9\xff\xff\xff\xff\x01",
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("ask", [Serf.self_name, Serf.event_clock, Serf.members, lambda serf: serf.join(["a"], False)])
def test_a_reply_of_another_form_is_unavailable(start: Start, reply: object, ask: Callable[[Serf], object]) -> None:
    server = start(lambda command, body, seq: ok(seq, reply))
    with Serf(server.address, timeout=0.1) as serf, pytest.raises(Unavailable) as caught:
        ask(serf)
    assert str(caught.value).isprintable()


def test_a_lamport_time_that_somebody_has_set_forward_is_cut(start: Start) -> None:
    with Serf(start(plainly({"serf": {"event_time": str(2**64 - 1)}})).address) as serf:
        assert serf.event_clock() == 2**63 - 1


def test_what_serf_refuses_with_is_one_printable_line(start: Start) -> None:
    with Serf(start(refusing("a\x1b[2J\nb" + "x" * 1000)).address) as serf, pytest.raises(Unavailable) as caught:
        serf.join(["a"], False)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


def test_nobody_at_the_address_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unavailable, match=f"no Serf agent answers at 127.0.0.1:{port}"):
        Serf(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("text", "address"),
    [("h:1", ("h", 1)), ("h", ("h", 9)), ("[::1]:1", ("::1", 1)), ("[::1]", ("::1", 9)), ("10.0.0.1", ("10.0.0.1", 9))],
)
def test_an_address_is_split(text: str, address: tuple[str, int]) -> None:
    assert split_address(text, 9) == address


@pytest.mark.parametrize("wrong", ["foo..bar", "a b", "a\nb:1", "fd00::1", "fd00::1:7946", "[a]:1", "[::1", "h:²", "-",
    "x" * 64, ".", "ü", "[fe80::1%\n]:1", ""])  # fmt: skip
def test_what_no_resolver_takes_is_no_address(wrong: str) -> None:
    with pytest.raises(ConfigError):
        split_address(wrong, 9)


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        ("0.0.0.0:1", "127.0.0.1:1"),
        ("[::]:1", "[::1]:1"),
        ("10.0.0.1:1", "10.0.0.1:1"),
        ("[fd00::7]", "[fd00::7]:7373"),
    ],
)
def test_who_listens_everywhere_is_reached_on_loopback(bind: str, expected: str) -> None:
    assert reachable(bind) == expected
