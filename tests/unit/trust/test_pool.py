"""A pool's keys: the same on every server that has its secret, and none of them tells of another."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.errors import DbHandlerError
from dbhandler.trust.pool import Pool, derived, former_secret, own_secret
from dbhandler.trust.secret import parse
from dbhandler.trust.signature import HINT, Key, Purpose, is_genuine

SECRET, OLD, OTHER = bytes(range(32)), b"\x01" * 32, b"\x02" * 32


def test_the_id_that_applications_were_told_never_changes() -> None:
    assert Pool([SECRET]).id == "2uh1cQxI_kytKLEl6X4wxV6yaSB0eQK7TSNEDoX3fHo"


@given(
    secret=st.binary(min_size=32, max_size=32),
    purpose=st.sampled_from(["signing", "authority", "a purpose"]),
    size=st.sampled_from([1, 31, 32, 33, 48, 64, 65, 8160]),
)
def test_what_is_derived_is_hkdf_as_others_have_it(secret: bytes, purpose: str, size: int) -> None:
    independent = HKDF(algorithm=SHA256(), length=size, salt=None, info=f"dbhandler pool {purpose}".encode())
    assert derived(secret, purpose, size) == independent.derive(secret)


def test_for_each_purpose_and_secret_something_else_is_derived() -> None:
    made = {derived(secret, purpose) for secret in (SECRET, OLD) for purpose in ("signing", "authority")}
    assert len(made) == 4 and SECRET not in made


def test_of_several_secrets_the_first_one_signs() -> None:
    pool = Pool([SECRET, OLD])
    assert pool.id == Pool([SECRET]).id
    assert pool.ids == (Pool([SECRET]).id, Pool([OLD]).id)
    assert pool.secrets == (SECRET, OLD)
    signature = pool.keys[0].sign(Purpose.ANSWER, {"a": 1})
    assert is_genuine(pool.id, Purpose.ANSWER, {"a": 1}, signature)
    assert not is_genuine(pool.ids[1], Purpose.ANSWER, {"a": 1}, signature)


def test_who_believes_an_older_one_gets_that_ones_signature() -> None:
    new, old, strange = (Key(derived(secret, "signing")).id[:HINT] for secret in (SECRET, OLD, OTHER))
    pool = Pool([SECRET, OLD])
    for hints, expected in (
        ([], 0), ([new], 0), ([old], 1), ([old, new], 0), ([strange], 0), ([strange, old], 1), ([old[:-1]], 0),
    ):  # fmt: skip
        assert pool.key_for(hints) is pool.keys[expected], hints


def test_a_server_that_was_given_no_secret_makes_one_once(tmp_path: Path) -> None:
    path = tmp_path / "pool-secret"
    [made] = own_secret(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert own_secret(path) == former_secret(path) == (made,)
    assert parse(path.read_text()) == (made,)
    assert own_secret(tmp_path / "another") != (made,)


def test_what_was_never_made_is_not_made_for_who_looks_for_the_former_one(tmp_path: Path) -> None:
    assert former_secret(tmp_path / "pool-secret") == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\n", b"hunter2hunter2", b"\xff\xfe", b"A" * 42])
def test_a_damaged_file_is_refused_kept_and_not_quoted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pool-secret"
    path.write_bytes(content)
    for read in (own_secret, former_secret):
        with pytest.raises(DbHandlerError, match=r"is damaged, .*: restore it, or remove it$") as caught:
            read(path)
        assert str(path) in str(caught.value)
        text = content.decode(errors="replace").strip()
        assert not text or text not in str(caught.value)
    assert path.read_bytes() == content
