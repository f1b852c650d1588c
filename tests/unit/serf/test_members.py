"""Members as Serf tells them: whoever is one chooses most of it."""

from __future__ import annotations

import base64

import pytest

from dbhandler.address import is_node_name
from dbhandler.serf import members
from dbhandler.serf.members import Member, checked, is_key, parsed

KEY = base64.b64encode(bytes(32)).decode()
DATABASE = {"role": "db", "port": "3306", "mysql": "ready", "engine": "mariadb", "version": "11.8.6-MariaDB-0+deb13u1",
            "key": KEY, "address": "proxy:3306", "cluster": "shop", "galera": "synced data x:0 a/b - -"}  # fmt: skip


def record(**wrong: object) -> dict[str, object]:
    """What RPC sends of a member."""
    right = {"Name": "db1", "Addr": b"\x0a\x00\x00\x01", "Port": 7946, "Status": "alive", "Tags": DATABASE}
    return right | wrong


@pytest.fixture(autouse=True)
def _nobody_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_told", set())


def test_what_a_database_says_of_itself_is_read() -> None:
    member = parsed(record())
    assert member == Member("db1", "10.0.0.1", 7946, "alive", DATABASE)
    assert (member.key, member.server_port, member.server_address) == (KEY, 3306, "proxy:3306")


def test_without_an_advertised_address_a_server_is_reached_at_its_own() -> None:
    tags = {"role": "db", "port": "3307"}
    assert parsed(record(Addr=b"\0" * 15 + b"\x01", Tags=tags)).server_address == "[::1]:3307"
    assert parsed(record(Tags=None)).server_address == "10.0.0.1:3306"


def test_what_a_backup_says_of_itself_is_read() -> None:
    backup, database = parsed(record(Tags={"role": "backup", "key": KEY})), parsed(record())
    assert (backup.backup_key, backup.key, backup.is_database) == (KEY, None, False)
    assert database.backup_key is None
    assert parsed(record(Tags={"role": "backup"})).backup_key is None


@pytest.mark.parametrize(("tag", "text"), [("key", "AAAA"), ("proof", "x"), ("proof", "zz." + "a" * 86)])
def test_a_backup_whose_tags_cannot_be_is_none(tag: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"its tag {tag}"):
        parsed(record(Tags={"role": "backup", tag: text}))


WRONG: list[object] = [
    None, [], "text", {}, record(Name=""), record(Name="x" * 129), record(Name="a\nb"), record(Name="\x1b[2J"),
    record(Name="\udc80"), record(Name="\u202eevil"), record(Name=b"db"), record(Name=7), record(Addr=b"12345"),
    record(Addr=None), record(Addr="10.0.0.1"), record(Addr=[1, 2, 3, 4]), record(Port=0), record(Port=65536),
    record(Port="7946"), record(Port=True), record(Status="dead"), record(Status=["alive"]), record(Status=None),
    record(Tags=[]), record(Tags={1: "x"}), record(Tags={"x": 1}), record(Tags={"x": ["y"]}),
    record(Tags={"x": "line\nbreak"}), record(Tags={"x": "y" * 513}),
]  # fmt: skip
WRONG_TAGS = [
    ("port", "²"), ("port", "99999"), ("port", "0"), ("port", ""), ("port", "-1"), ("port", "3306\n"), ("port", " 1"),
    ("port", "٣"), ("key", ""), ("key", "AAAA"), ("key", KEY + "\n"), ("key", "ü" * 44), ("key", "!" * 44),
    ("address", "proxy"), ("address", "foo..bar:1"), ("address", "a b:1"), ("address", "h:99999"), ("address", ":1"),
    ("address", "h\n:1"), ("address", "fd00::1:1"), ("cluster", ""), ("cluster", "a b"), ("mysql", "re ady"),
    ("mysql", "x" * 65), ("engine", "\x1b"), ("version", "1\n2"),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG + [record(Tags=DATABASE | {name: value}) for name, value in WRONG_TAGS])
def test_a_wrong_member_costs_nobody_else_and_is_told_once(wrong: object, caplog: pytest.LogCaptureFixture) -> None:
    right = record(Name="right")
    for _ in range(3):
        assert checked([wrong, right]) == [parsed(right)]
    [line] = caplog.messages
    assert line.startswith("a member of the Serf cluster is left out, ")
    assert line.isprintable() and len(line) < 400


def test_other_members_tags_are_their_own_matter() -> None:
    member = parsed(record(Tags={"role": "web server", "port": "http", "key": "k", "address": "a b", "cluster": "c d"}))
    assert member.tags["port"] == "http"
    assert (member.key, member.server_port, member.group, member.server_address) == (
        None,
        None,
        None,
        "10.0.0.1:3306",
    )


def test_of_two_with_one_name_the_first_counts(caplog: pytest.LogCaptureFixture) -> None:
    assert [member.port for member in checked([record(), record(Port=1)])] == [7946]
    assert "its name stands twice" in caplog.text


@pytest.mark.parametrize("reply", [None, {}, "text", 7, b"x"])
def test_a_reply_that_is_no_list_is_none(reply: object) -> None:
    with pytest.raises(ValueError, match="no list of members"):
        checked(reply)


def test_there_is_an_end_to_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    checked([record(Name=f"x{number}", Port=0) for number in range(1000)])
    assert len(caplog.messages) == members.MOST_TOLD + 1
    assert caplog.messages[-1].startswith("more members are left out")


def test_names_and_keys() -> None:
    assert is_node_name("db-1.example") and is_node_name("tränke") and not is_node_name(None)
    assert is_key(KEY) and not is_key(KEY[:-4])
