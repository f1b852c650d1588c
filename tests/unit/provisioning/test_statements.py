"""Whatever a payload says, what reaches the server is one of our statements, about the request's own names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dbhandler.engine import sql
from dbhandler.engine.password_hash import stored
from dbhandler.errors import InvalidRequest
from dbhandler.provisioning.provision import Provisioner
from dbhandler.requests.answer import MAX_BYTES, encode
from dbhandler.requests.box import Credentials, Keys, seal
from dbhandler.requests.payload import parse
from dbhandler.requests.policy import Policy
from tests.support.fakes import Remembering
from tests.support.strict_server import WIDE, StrictServer


def changes(server: StrictServer) -> list[tuple[str | None, ...]]:
    """What was sent that changes something."""
    return [groups for shape, groups in server.sent if shape.startswith(("CREATE", "GRANT"))]


class NoClock:
    def __call__(self) -> None:
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("statements")


@pytest.fixture(scope="module")
def keys(folder: Path) -> Keys:
    return Keys(folder / "key")


def provisioner(server: StrictServer, keys: Keys, policy: Policy) -> Provisioner:
    return Provisioner(server, policy, "mariadb", keys, Remembering(), NoClock())  # type: ignore[arg-type]


hostile = st.text(st.sampled_from("abz_%`'\"\\;-# \n\t\x00é€😀$./*()"), min_size=0, max_size=70)
anything = st.one_of(hostile, st.text(max_size=80))


@settings(max_examples=400, deadline=None)
@given(name=anything)
@example("x; CREATE USER eve IDENTIFIED BY 'e'")
@example("`; DROP DATABASE mysql; --")
@example("100%s")
def test_a_database_is_made_under_the_very_name_or_not_at_all(keys: Keys, name: str) -> None:
    server = StrictServer()
    try:
        requests = parse(json.dumps({"database": name}).encode())
    except InvalidRequest:
        return
    [outcome] = provisioner(server, keys, WIDE).create_all(requests)
    if outcome.status == "created":
        [made] = changes(server)
        assert str(made[0]).replace("``", "`") == name
    else:
        assert outcome.status == "invalid" and not server.sent


@settings(max_examples=300, deadline=None)
@given(name=anything, user=anything, password=st.text(st.characters(codec="utf-8"), min_size=12, max_size=40))
@example("a_b", "a%b", "twelve'chars\\`%s")
def test_an_account_is_made_as_asked_or_not_at_all(keys: Keys, name: str, user: str, password: str) -> None:
    server = StrictServer()
    box = seal(keys.public, Credentials(name, user, password))
    try:
        requests = parse(json.dumps({"database": name, "sealed": box}).encode())
    except InvalidRequest:
        return
    [outcome] = provisioner(server, keys, WIDE).create_all(requests)
    if outcome.status != "created":
        assert outcome.reason and not changes(server)
        return
    made, account, grant = changes(server)
    assert str(made[0]).replace("``", "`") == name
    assert account[1:] == ("%", stored(password, "mariadb"))
    assert grant[2:3] == ("%",)
    assert str(grant[0]).replace("``", "`") == sql.grant_pattern(name)


@settings(max_examples=600, deadline=None)
@given(payload=st.one_of(st.binary(max_size=300), anything.map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_no_payload_gets_more_than_an_answer_within_the_limit(keys: Keys, payload: bytes) -> None:
    server = StrictServer()
    try:
        requests = parse(payload)
    except InvalidRequest as error:
        assert str(error)
        return
    outcomes = provisioner(server, keys, Policy()).create_all(requests)
    for outcome in outcomes:
        fields = {**vars(outcome), "host": "h" * 60, "port": 3306}
        line = encode(fields)
        assert len(line) <= MAX_BYTES + 1 and json.loads(line)["status"] == outcome.status
