"""Whatever a payload says, what reaches the server is one of our statements, about the request's own names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymysql.converters import escape_string

from dbhandler import sql
from dbhandler.answer import MAX_BYTES, encode
from dbhandler.box import Credentials, Keys, seal
from dbhandler.errors import InvalidRequest
from dbhandler.policy import Policy
from dbhandler.provision import Provisioner
from dbhandler.registry import Registry
from dbhandler.request import parse
from dbhandler.sql import Statement

NAME = r"`((?:[^`]|``)+)`"
VALUE = r"'((?:[^'\\]|\\.|'')*)'"
SHAPES = [
    re.compile(shape, re.DOTALL)
    for shape in (
        rf"CREATE DATABASE {NAME} CHARACTER SET {VALUE}(?: COLLATE {VALUE})?",
        rf"CREATE USER IF NOT EXISTS {VALUE}@{VALUE} IDENTIFIED BY {VALUE}",
        rf"GRANT ALL PRIVILEGES ON {NAME}\.\* TO {VALUE}@{VALUE}",
        rf"SELECT 1 FROM information_schema\.SCHEMATA WHERE SCHEMA_NAME = {VALUE} "
        r"AND EXISTS \(SELECT 1 FROM mysql\.user\)",
        rf"SELECT Host FROM mysql\.user WHERE User = {VALUE}",
        r"SHOW GLOBAL VARIABLES LIKE 'partial_revokes'",
    )
]
WIDE = Policy(name_pattern=re.compile(r"(?s).+"))
"""An owner who allows every name: then quoting is all that protects."""


class StrictServer:
    """Takes statements as the driver would send them, and refuses any that has no known shape."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[str | None, ...]]] = []

    def execute(self, statement: Statement) -> list[tuple[object, ...]]:
        text = statement.text % tuple(f"'{escape_string(str(value))}'" for value in statement.values)
        matches = [found for shape in SHAPES if (found := shape.fullmatch(text))]
        assert len(matches) == 1, f"not one of our statements: {text!r}"
        self.sent.append((matches[0].re.pattern[:12], matches[0].groups()))
        return []


class NoClock:
    def __call__(self) -> None:
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("statements")


@pytest.fixture(scope="module")
def keys(folder: Path) -> Keys:
    return Keys(folder / "key")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Registry:
    return Registry(folder / "registry")


def provisioner(server: StrictServer, keys: Keys, registry: Registry, policy: Policy) -> Provisioner:
    return Provisioner(server, policy, "mariadb", keys, registry, NoClock())  # type: ignore[arg-type]


hostile = st.text(st.sampled_from("abz_%`'\"\\;-# \n\t\x00é€😀$./*()"), min_size=0, max_size=70)
anything = st.one_of(hostile, st.text(max_size=80))


@settings(max_examples=400, deadline=None)
@given(name=anything)
@example("x; CREATE USER eve IDENTIFIED BY 'e'")
@example("`; DROP DATABASE mysql; --")
@example("100%s")
def test_a_database_is_made_under_the_very_name_or_not_at_all(keys: Keys, registry: Registry, name: str) -> None:
    server = StrictServer()
    try:
        requests = parse(json.dumps({"database": name}).encode())
    except InvalidRequest:
        return
    [outcome] = provisioner(server, keys, registry, WIDE).create_all(requests)
    if outcome.status == "created":
        [(_, groups)] = server.sent
        assert str(groups[0]).replace("``", "`") == name
    else:
        assert outcome.status == "invalid" and not server.sent


@settings(max_examples=300, deadline=None)
@given(name=anything, user=anything, password=st.text(st.characters(codec="utf-8"), min_size=12, max_size=40))
@example("a_b", "a%b", "twelve'chars\\`%s")
def test_an_account_is_made_as_asked_or_not_at_all(
    keys: Keys, registry: Registry, name: str, user: str, password: str
) -> None:
    server = StrictServer()
    box = seal(keys.public, Credentials(name, user, password))
    try:
        requests = parse(json.dumps({"database": name, "sealed": box}).encode())
    except InvalidRequest:
        return
    [outcome] = provisioner(server, keys, registry, WIDE).create_all(requests)
    changes = [groups for shape, groups in server.sent if shape.startswith(("CREATE", "GRANT"))]
    if outcome.status != "created":
        assert outcome.reason and not changes
        return
    made, account, grant = changes
    assert str(made[0]).replace("``", "`") == name
    assert account[1:2] == grant[2:3] == ("%",)
    assert str(grant[0]).replace("``", "`") == sql.grant_pattern(name)


@settings(max_examples=600, deadline=None)
@given(payload=st.one_of(st.binary(max_size=300), anything.map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_no_payload_gets_more_than_an_answer_within_the_limit(keys: Keys, registry: Registry, payload: bytes) -> None:
    server = StrictServer()
    try:
        requests = parse(payload)
    except InvalidRequest as error:
        assert str(error)
        return
    outcomes = provisioner(server, keys, registry, Policy()).create_all(requests)
    for outcome in outcomes:
        fields = {**vars(outcome), "host": "h" * 60, "port": 3306}
        line = encode(fields)
        assert len(line) <= MAX_BYTES + 1 and json.loads(line)["status"] == outcome.status
