"""A share never says none of some, nor all of most."""

import pytest

from kamerton.ground.shares import share_text


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.0, 2, "0.00%"),
        (1 / 30_001, 2, "<0.01%"),
        (0.00006, 2, "0.01%"),
        (0.042, 2, "4.20%"),
        (30_000 / 30_001, 2, ">99.99%"),
        (1.0, 2, "100.00%"),
        (0.0004, 1, "<0.1%"),
        (0.9996, 1, ">99.9%"),
        (0.001, 0, "<1%"),
    ],
)
def test_small_and_large_shares(share: float, digits: int, text: str) -> None:
    assert share_text(share, digits) == text
