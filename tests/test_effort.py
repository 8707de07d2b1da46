"""The measure of work itself: it passes what is straight, and would not pass what grows with the square."""

from __future__ import annotations

import json

from effort import MOST_YARDS_PER_10_KB, within


def test_straight_work_is_within_and_quadratic_work_is_not() -> None:
    text = "[" + "1," * 5_000 + "1]"
    assert within(MOST_YARDS_PER_10_KB, lambda: json.loads(text))
    assert not within(MOST_YARDS_PER_10_KB, lambda: _ends(text))


def _ends(text: str) -> int:
    return sum(1 for i in range(len(text)) for _ in text[i::5])
