"""Which pool a server proves to be of: the given one, beside what it was before, or its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbhandler.agent.proofs import Proofs, proofs_of, server_pool
from dbhandler.client.verified import verified
from dbhandler.errors import DbHandlerError
from dbhandler.group.trusted import UNPROTECTED
from dbhandler.inventory import InState
from dbhandler.requests.box import Keys
from dbhandler.requests.question import new_nonce, question_of
from dbhandler.serf.members import Member
from dbhandler.serf.proof import Believer
from dbhandler.settings.config import Config
from dbhandler.trust.pool import Pool
from dbhandler.trust.secret import MOST, new_secret, parse

GIVEN = new_secret()


class Made:
    """A server's settings over a state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def config(self, **environ: str) -> Config:
        return Config.from_environ({
            "DBHANDLER_ENGINE": "mariadb", "DBHANDLER_STATE_DIR": str(self.folder),
            "DBHANDLER_DATA_DIR": str(self.folder / "data"), **environ,
        })  # fmt: skip

    def pool(self, **environ: str) -> Pool | None:
        return server_pool(self.config(**environ))

    @property
    def file(self) -> Path:
        return self.folder / InState.POOL_SECRET


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_without_a_secret_a_server_is_a_pool_of_its_own_for_good(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    pool, again = made.pool(), made.pool()
    assert pool and again and pool.ids == again.ids == Pool(parse(made.file.read_text())).ids
    told = (
        f"this server is of the pool {pool.id}, its own: without DBHANDLER_POOL_SECRET applications believe the first "
        "server that they meet"
    )
    assert caplog.messages == [told] * 2
    assert made.file.read_text().strip() not in caplog.text


def test_a_given_secret_is_the_pool_s_and_makes_no_file(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    pool = made.pool(DBHANDLER_POOL_SECRET=GIVEN)
    assert pool and pool.secrets == parse(GIVEN)
    assert not made.file.exists()
    assert caplog.messages == [f"this server is of the pool {pool.id}"]


def test_what_a_server_was_by_itself_is_still_proven_beside_the_given_secret(made: Made) -> None:
    own = made.pool()
    pool = made.pool(DBHANDLER_POOL_SECRET=GIVEN)
    assert own and pool and pool.ids == (Pool(parse(GIVEN)).id, own.id)
    # Given what it was by itself: once.
    assert (pool := made.pool(DBHANDLER_POOL_SECRET=made.file.read_text())) and pool.ids == own.ids


def test_a_server_knows_no_more_secrets_than_others_ask_for(made: Made) -> None:
    made.pool()
    written = [new_secret() for _ in range(MOST)]
    pool = made.pool(DBHANDLER_POOL_SECRET=" ".join(written))
    assert pool and pool.secrets == parse(" ".join(written))


def test_a_node_of_a_cluster_has_the_given_secrets_alone(made: Made) -> None:
    made.pool()
    pool = made.pool(DBHANDLER_POOL_SECRET=GIVEN, DBHANDLER_CLUSTER="shop")
    assert pool and pool.secrets == parse(GIVEN)


def test_a_node_without_a_secret_is_of_no_pool_and_says_what_that_means(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    assert made.pool(DBHANDLER_CLUSTER="shop") is None
    assert not made.file.exists()
    assert caplog.messages == [f"no DBHANDLER_POOL_SECRET: {UNPROTECTED}"]
    assert proofs_of(made.config(DBHANDLER_CLUSTER="shop"), Keys(made.folder / "key"), lambda: None) == Proofs()


@pytest.mark.parametrize("environ", [{}, {"DBHANDLER_POOL_SECRET": GIVEN}])
def test_a_damaged_file_stops_the_start_with_a_sentence(made: Made, environ: dict[str, str]) -> None:
    made.file.write_text("hunter2")
    with pytest.raises(DbHandlerError, match=r"is damaged, .*: restore it, or remove it") as caught:
        made.pool(**environ)
    assert "hunter2" not in str(caught.value)


def test_a_server_s_tags_and_answers_are_of_its_pool(made: Made) -> None:
    proofs = proofs_of(made.config(DBHANDLER_POOL_SECRET=GIVEN), Keys(made.folder / "key"), lambda: None)
    [pool] = Pool(parse(GIVEN)).ids
    member = Member("a", "10.0.0.1", 7946, "alive", {"role": "db"})
    shown = Member("a", "10.0.0.1", 7946, "alive", {"role": "db", **proofs.prove(member)})
    assert Believer([pool]).is_proven(shown)
    payload = json.dumps({"nonce": new_nonce()}).encode()
    line = proofs.sign("status_db", payload, b'{"status": "ok"}\n')
    answer = verified(line, question_of("status_db", payload), None, [pool])
    # Before the server has shown a certificate nobody is told who signs it.
    assert (answer.pool, answer.authority) == (pool, None)


def test_without_a_pool_an_answer_stays_as_it_is() -> None:
    proofs = Proofs()
    payload = json.dumps({"nonce": new_nonce()}).encode()
    assert proofs.sign("status_db", payload, b"x") == b"x"
    assert proofs.prove(Member("a", "10.0.0.1", 7946, "alive", {})) == {}
