"""Two programs over the same rows: what is said, and how often it is wrong."""

from __future__ import annotations

import random

import pytest

from effort import within
from whet.errors import InputError
from whet.evaluate.comparison import compare


def test_a_clear_win_is_called_one() -> None:
    result = compare([0, 0, 0, 1, 0] * 10, [1, 1, 0, 1, 1] * 10, names=("old", "new"))
    assert result.reliable
    assert result.verdict.startswith("new is better than old (+0.600")
    assert (result.wins, result.losses, result.ties, result.n) == (30, 0, 20, 50)
    assert result.p_sign < 1e-6
    assert result.p_bootstrap < 0.01
    assert compare([1, 1, 0, 1, 1] * 10, [0, 0, 0, 1, 0] * 10, names=("old", "new")).verdict.startswith("old is better than new (-0.600")


def test_a_small_difference_is_called_no_reliable_one_and_what_would_show_is_said() -> None:
    result = compare([1, 0, 1, 0, 1, 1], [1, 1, 1, 0, 1, 1])
    assert not result.reliable
    assert result.verdict.startswith("There is no reliable difference between A and B (+0.167")
    assert "only a difference of about" in result.verdict
    assert "sign test p=1" in str(result)


def test_two_equal_programs_are_not_called_equal_for_certain() -> None:
    result = compare([1, 0] * 10, [1, 0] * 10)
    assert result.p_bootstrap == 1.0
    assert result.effect.low < 0 < result.effect.high


def test_the_same_seed_gives_the_same_answer() -> None:
    rng = random.Random(1)
    a, b = [rng.random() for _ in range(50)], [rng.random() for _ in range(50)]
    assert compare(a, b) == compare(a, b)


def _pairs(rng: random.Random, n: int, lift: float, binary: bool) -> tuple[list[float], list[float]]:
    a, b = [], []
    for _ in range(n):
        ease = rng.random()
        if binary:
            a.append(float(rng.random() < 0.8 * ease))
            b.append(float(rng.random() < 0.8 * ease + lift))
        else:
            a.append(min(1.0, 0.8 * ease + 0.1 * rng.random()))
            b.append(a[-1] + lift + rng.gauss(0, 0.1))
    return a, b


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("n", [20, 100])
def test_the_interval_of_the_difference_covers_it(n: int, binary: bool) -> None:
    rng = random.Random(n + binary)
    rounds = 1000
    hits = sum(0.1 in compare(*_pairs(rng, n, 0.1, binary), resamples=1).effect for _ in range(rounds))
    assert 0.93 <= hits / rounds <= 0.97


def test_equal_programs_are_seldom_told_apart_and_better_ones_often() -> None:
    rng = random.Random(3)
    false_alarms = sum(compare(*_pairs(rng, 60, 0.0, True), resamples=200).reliable for _ in range(200))
    found = sum(compare(*_pairs(rng, 200, 0.2, True), resamples=200).reliable for _ in range(50))
    assert false_alarms <= 18
    assert found >= 45


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    rng = random.Random(4)
    size = compare(*_pairs(rng, 2000, 0.0, True), resamples=1).detectable * (2000 / 150) ** 0.5
    found = sum(0.0 not in compare(*_pairs(rng, 150, size, True), resamples=1).effect for _ in range(300)) / 300
    assert 0.7 <= found <= 0.9


def test_ten_thousand_rows_take_no_time_worth_mentioning() -> None:
    rng = random.Random(5)
    a, b = [rng.random() for _ in range(10_000)], [rng.random() for _ in range(10_000)]
    assert within(1_300, lambda: compare(a, b))


def test_scores_of_different_rows_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="2 scores of A and 1 of B"):
        compare([1, 0], [1])
    with pytest.raises(InputError, match="0 scores of A"):
        compare([], [])
