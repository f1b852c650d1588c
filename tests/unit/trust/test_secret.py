"""The secret of a pool as it is written."""

from __future__ import annotations

import pytest

from dbhandler.trust.secret import MOST, new_secret, parse


def test_a_new_secret_is_one_that_is_taken_and_never_the_same() -> None:
    made = {new_secret() for _ in range(20)}
    assert len(made) == 20
    assert {len(secret) for secret in made} == {43}
    assert all(len(raw) == 32 for secret in made for raw in parse(secret))


def test_several_stand_in_their_order_with_any_white_space() -> None:
    first, second, third = (new_secret() for _ in range(3))
    expected = (*parse(first), *parse(second), *parse(third))
    assert parse(f" {first}\n{second}\t {third}\n") == expected
    assert parse(f"{second} {first}") == (expected[1], expected[0])


def test_more_than_are_needed_none_and_the_same_twice_are_refused() -> None:
    written = [new_secret() for _ in range(MOST + 1)]
    assert len(parse(" ".join(written[:MOST]))) == MOST
    for text in (" ".join(written), "", " \n", f"{written[0]} {written[0]}"):
        with pytest.raises(ValueError, match="has to hold 1 to 3 different secrets"):
            parse(text)


@pytest.mark.parametrize(
    "damage", [lambda s: s[:-1], lambda s: s + "A", lambda s: s + "=", lambda s: f"hunter2{s[7:]}!"]
)
def test_what_is_no_secret_is_refused_and_not_quoted(damage: object) -> None:
    good, wrong = new_secret(), damage(new_secret())  # type: ignore[operator]
    for text in (wrong, f"{good} {wrong}"):
        with pytest.raises(ValueError, match="dbhandler-pool keygen makes one") as caught:
            parse(text)
        told = f"{caught.value} {caught.value.__cause__}"
        assert wrong not in told and good not in told and "hunter2" not in told
