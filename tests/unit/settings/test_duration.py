"""Times as settings and options take them."""

from __future__ import annotations

import pytest

from dbhandler.settings.duration import seconds


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("30s", 30), ("5m", 300), ("12h", 43200), ("7d", 604800), ("2w", 1209600), ("007", 7)],
)
def test_a_number_with_its_unit(text: str, number: int) -> None:
    assert seconds(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "0", "0d", "-1s", "1.5h", "1 d", " 1d", "1d ", "d", "1D", "1y", "1d12h", "1d\n", "9999999999", "\u0661d"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a time is a number above 0 with s, m, h, d or w behind it, not"):
        seconds(text)
