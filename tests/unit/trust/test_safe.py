"""What is closed with one secret opens with it, with nothing else, and once more while another takes its place."""

from __future__ import annotations

import base64

import pytest

from dbhandler.trust.safe import Safe

OLD, NEW, OTHER = (bytes([number]) * 32 for number in (1, 2, 3))


def test_who_has_the_secret_opens_it() -> None:
    closed = Safe([OLD]).close(b"a key")
    assert Safe([OLD]).open(closed) == Safe([NEW, OLD]).open(closed) == b"a key"
    assert Safe([OTHER]).open(closed) is None
    assert b"a key" not in base64.b64decode(closed)
    assert Safe([OLD]).close(b"a key") != closed


def test_the_first_secret_is_the_one_to_close_with() -> None:
    closed = Safe([OLD]).close(b"a key")
    assert Safe([OLD, NEW]).is_current(closed)
    assert not Safe([NEW, OLD]).is_current(closed)
    assert Safe([NEW]).open(Safe([NEW, OLD]).close(b"a key")) == b"a key"


@pytest.mark.parametrize("damaged", ["", "ä", "????", "AAAA", "A" * 120])
def test_what_was_never_closed_is_nothing(damaged: str) -> None:
    assert Safe([OLD]).open(damaged) is None


def test_a_changed_one_is_nothing() -> None:
    closed = bytearray(base64.b64decode(Safe([OLD]).close(b"a key")))
    closed[-1] ^= 1
    assert Safe([OLD]).open(base64.b64encode(closed).decode()) is None
