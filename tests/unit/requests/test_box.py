import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PublicKey, SealedBox

from dbhandler.errors import DbHandlerError, Denied, InvalidRequest
from dbhandler.requests.box import LIFETIME, Credentials, Keys, seal

NOW = 1_800_000_000.0
OWN = Credentials("shop", "clerk", "a password of clerk")
DROP = replace(OWN, operation="drop_db", expires=int(NOW) + LIFETIME)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "key", clock=lambda: NOW)


def sealed(keys: Keys, content: object) -> str:
    """A box with any content at all, closed by hand."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.b64encode(SealedBox(PublicKey(base64.b64decode(keys.public))).encrypt(data)).decode()


def test_a_box_brings_the_credentials(keys: Keys) -> None:
    assert keys.open(seal(keys.public, OWN), "shop") == OWN


def test_the_key_is_private_and_stays_the_same(keys: Keys, tmp_path: Path) -> None:
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert Keys(tmp_path / "key").public == keys.public


def test_the_user_defaults_to_the_database(keys: Keys) -> None:
    box = sealed(keys, {"database": "shop", "password": OWN.password})
    assert keys.open(box, "shop").user == "shop"


def test_a_box_for_another_database_is_denied(keys: Keys) -> None:
    with pytest.raises(Denied, match="another database"):
        keys.open(seal(keys.public, OWN), "blog")


def test_a_box_for_another_server_is_denied(keys: Keys, tmp_path: Path) -> None:
    with pytest.raises(Denied, match="not made for this server"):
        keys.open(seal(Keys(tmp_path / "other").public, OWN), "shop")


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255), cut=st.integers(0, 60))
def test_a_damaged_box_is_denied(tmp_path_factory: pytest.TempPathFactory, position: int, flip: int, cut: int) -> None:
    keys = Keys(tmp_path_factory.getbasetemp() / "damaged-key")
    raw = bytearray(base64.b64decode(seal(keys.public, OWN)))
    raw[position % len(raw)] ^= flip
    with pytest.raises(Denied):
        keys.open(base64.b64encode(raw[: len(raw) - cut]).decode(), "shop")


@given(text=st.text(max_size=200))
def test_what_is_no_box_is_denied(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    keys = Keys(tmp_path_factory.getbasetemp() / "no-box-key")
    with pytest.raises(Denied):
        keys.open(text, "shop")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"not json",
        [],
        {"database": "shop"},
        {"database": "shop", "password": "short"},
        {"database": "shop", "password": "x" * 129},
        {"database": "shop", "password": "€" * 100},
        {"database": "shop", "password": "twelve chars\n"},
        {"database": "shop", "password": 123456789012},
        {"database": "shop", "password": OWN.password, "surprise": 1},
        {"database": "shop", "password": OWN.password, "expires": True},
    ],
)
def test_wrong_content_is_invalid_and_not_quoted(keys: Keys, content: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        keys.open(sealed(keys, content), "shop")
    assert "clerk" not in str(caught.value) and "short" not in str(caught.value)


@pytest.mark.parametrize("password", ["x" * 12, "x" * 128, "é" * 128])
def test_the_shortest_and_the_longest_password_are_taken(keys: Keys, password: str) -> None:
    own = replace(OWN, password=password)
    assert keys.open(seal(keys.public, own), "shop") == own


def test_an_operation_needs_its_own_box(keys: Keys) -> None:
    with pytest.raises(Denied, match="not for drop_db"):
        keys.open(seal(keys.public, OWN), "shop", "drop_db")
    with pytest.raises(Denied, match="not for create_db"):
        keys.open(seal(keys.public, DROP), "shop")
    assert keys.open(seal(keys.public, DROP), "shop", "drop_db") == DROP


@pytest.mark.parametrize("expires", [None, int(NOW) - 1, int(NOW) + 20 * LIFETIME])
def test_a_box_for_an_operation_dies(keys: Keys, expires: int | None) -> None:
    with pytest.raises(Denied, match=r"expired|too long"):
        keys.open(seal(keys.public, replace(DROP, expires=expires)), "shop", "drop_db")


def test_a_box_lives_to_its_very_last_second_and_no_longer_than_is_allowed(keys: Keys) -> None:
    def opened(expires: int) -> Credentials:
        return keys.open(seal(keys.public, replace(DROP, expires=expires)), "shop", "drop_db")

    longest = int(NOW) + 10 * LIFETIME
    for allowed in (int(NOW), longest):
        assert opened(allowed).expires == allowed
    with pytest.raises(Denied, match="has expired"):
        opened(int(NOW) - 1)
    with pytest.raises(Denied, match="valid for too long"):
        opened(longest + 1)


@pytest.mark.parametrize("key", ["", "x", base64.b64encode(b"short").decode(), "ä"])
def test_a_wrong_public_key_is_invalid(key: str) -> None:
    with pytest.raises(DbHandlerError, match="public key"):
        seal(key, OWN)


def test_the_repr_keeps_the_password() -> None:
    assert OWN.password not in repr(OWN)


@pytest.mark.parametrize("content", ["", "no base64!", "AAAA", "\xff", "ü" * 44])
def test_a_damaged_key_file_is_one_sentence_and_stays(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DbHandlerError, match="is damaged: restore it"):
        Keys(path)
    assert path.read_bytes() == content.encode("latin-1")


@pytest.mark.parametrize("new", ["another password", "short"])
def test_a_box_brings_a_new_password_that_obeys_the_rule(keys: Keys, new: str) -> None:
    box = seal(keys.public, replace(DROP, operation="rotate_db", new_password=new))
    if new == "short":
        with pytest.raises(InvalidRequest, match="a password in a sealed box has 12 to"):
            keys.open(box, "shop", "rotate_db")
    else:
        assert keys.open(box, "shop", "rotate_db").new_password == new


def test_the_word_in_a_box_is_known_to_whoever_opens_it(keys: Keys, tmp_path: Path) -> None:
    box = seal(keys.public, replace(OWN, reply="a word"))
    assert keys.reply_word(box) == "a word"
    assert keys.open(box, "shop") == replace(OWN, reply="a word")
    assert Keys(tmp_path / "other").reply_word(box) is None
    # For an operation, too, also where it is not the one or has expired: the refusal is proven as well.
    assert keys.reply_word(seal(keys.public, replace(DROP, reply="a word", expires=1))) == "a word"


def test_a_box_without_a_word_has_none(keys: Keys) -> None:
    assert keys.reply_word(seal(keys.public, OWN)) is None


@pytest.mark.parametrize("content", [b"\xff", b"not json", [], {}, {"reply": 7}, {"reply": None}, {"reply": ["a"]}])
def test_what_is_no_word_is_none_and_no_error(keys: Keys, content: object) -> None:
    assert keys.reply_word(sealed(keys, content)) is None


@pytest.mark.parametrize("box", ["", "x", "ü", "AAAA", "A" * 5000, "\ud800"])
def test_what_is_no_box_has_no_word(keys: Keys, box: str) -> None:
    assert keys.reply_word(box) is None


def test_a_word_that_is_no_text_spoils_the_box(keys: Keys) -> None:
    with pytest.raises(InvalidRequest, match='"reply" in the sealed box is not a string'):
        keys.open(sealed(keys, {"database": "shop", "password": OWN.password, "reply": 7}), "shop")
