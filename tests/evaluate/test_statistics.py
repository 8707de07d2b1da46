"""The intervals keep their promise: exact coverage for right-or-wrong scores, simulated coverage for the others."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

import whet
from whet.errors import ConfigurationError, InputError
from whet.evaluate import compare, corpus_f1
from whet.evaluate.distribution import sign_test, t_cdf, t_quantile
from whet.evaluate.statistics import Estimate, bootstrap_interval, mean_interval, share_interval, wilson_interval

Draw = Callable[[random.Random], float]


def mostly_right(rng: random.Random) -> float:
    u = rng.random()
    return 0.0 if u < 0.3 else 1.0 if u < 0.8 else rng.random()


CONTINUOUS: dict[str, tuple[Draw, float]] = {
    "uniform": (lambda rng: rng.random(), 0.5),
    "skewed": (lambda rng: rng.betavariate(5, 1), 5 / 6),
    "rare": (lambda rng: rng.betavariate(0.5, 3), 0.5 / 3.5),
    "F1-like": (mostly_right, 0.6),
    "grades": (lambda rng: rng.choice((0.0, 0.25, 0.5, 0.75, 0.75, 1.0)), 3.25 / 6),
    "unbounded": (lambda rng: rng.gauss(3, 2), 3.0),
    "latency": (lambda rng: rng.expovariate(1), 1.0),
}


def exact_coverage(n: int, p: float, intervals: list[Estimate]) -> float:
    """The probability of all counts whose interval holds p."""
    hits = [k for k in range(n + 1) if p in intervals[k]]
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in hits)


@pytest.mark.parametrize("n", [10, 20, 50, 200])
def test_the_interval_of_right_or_wrong_scores_covers_the_truth_95_times_in_100(n: int) -> None:
    shares = [i / 40 for i in range(2, 39)]
    wilson = [wilson_interval(k, n) for k in range(n + 1)]
    covered = [exact_coverage(n, p, wilson) for p in shares]
    assert 0.945 <= sum(covered) / len(covered) <= 0.96
    assert min(covered) > (0.86 if n < 20 else 0.91 if n < 200 else 0.93)


MOST = {1: 1.0, 2: 1.0, 3: 1.0, 5: 0.995, 10: 0.985, 20: 0.972, 40: 0.964, 100: 0.959, 400: 0.955}


@pytest.mark.parametrize(("n", "most"), MOST.items())
def test_whatever_share_is_right_the_interval_of_the_mean_covers_it_in_93_of_100_cases(n: int, most: float) -> None:
    shares = [i / 1000 for i in (*range(1, 30), *range(30, 501, 10))]
    intervals = [mean_interval([1] * k + [0] * (n - k)) for k in range(n + 1)]
    covered = [exact_coverage(n, p, intervals) for p in shares]
    assert min(covered) >= 0.93
    assert sum(covered[29:]) / len(covered[29:]) <= most


@pytest.mark.parametrize(("n", "rounds"), [(10, 1200), (30, 1000), (100, 600), (1000, 120)])
def test_the_interval_of_other_scores_covers_the_truth_95_times_in_100(n: int, rounds: int) -> None:
    rng = random.Random(n)
    share: dict[str, float] = {}
    for name, (draw, truth) in CONTINUOUS.items():
        share[name] = sum(truth in mean_interval([draw(rng) for _ in range(n)]) for _ in range(rounds)) / rounds
    assert 0.935 <= sum(share.values()) / len(share) <= 0.97, share
    noise = 3 * math.sqrt(0.05 * 0.95 / rounds)
    assert all(0.94 - noise <= s <= 0.968 + noise for s in share.values()), share


MOSTLY_ONE = {
    "half, seldom 0 or 1": ((0.0, 0.5, 1.0), (1, 8, 1)),
    "half, very seldom 0 or 1": ((0.0, 0.5, 1.0), (1, 38, 1)),
    "half, or 1": ((0.5, 1.0), (4, 1)),
    "three quarters, seldom 0 or 1": ((0.0, 0.75, 1.0), (1, 9, 1)),
}


@pytest.mark.parametrize("n", [5, 10, 20, 50])
def test_grades_that_are_mostly_the_same_are_no_certainty(n: int) -> None:
    rng, rounds = random.Random(n), 600
    for name, (grades, weights) in MOSTLY_ONE.items():
        truth = sum(grade * weight for grade, weight in zip(grades, weights, strict=True)) / sum(weights)
        share = sum(truth in mean_interval(rng.choices(grades, weights, k=n)) for _ in range(rounds)) / rounds
        assert share >= 0.93 - 3 * math.sqrt(0.07 * 0.93 / rounds), (name, share)
    same = mean_interval([0.5] * n)
    assert same.low < 0.5 < same.high


def test_bools_and_numbers_give_the_same_interval() -> None:
    assert mean_interval([True, False, True]) == mean_interval([1, 0, 1.0]) == share_interval(2, 3)


def test_ten_right_answers_are_no_certainty() -> None:
    estimate = mean_interval([1.0] * 10)
    assert estimate.high == 1.0
    assert estimate.low == pytest.approx(0.661, abs=1e-3)
    assert wilson_interval(10, 10).low == pytest.approx(0.722, abs=1e-3)


def test_the_interval_of_scores_in_the_unit_range_stays_there() -> None:
    estimate = mean_interval([0.99, 1.0, 0.98, 0.2])
    assert 0 <= estimate.low < estimate.value < estimate.high <= 1


def test_a_wider_level_gives_a_wider_interval() -> None:
    scores = [i / 30 for i in range(30)]
    narrow, wide = mean_interval(scores, level=0.8), mean_interval(scores, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_repeats_of_a_row_count_as_one_row() -> None:
    scores = [1, 1, 1, 0, 0, 0] * 10
    rows = [i // 3 for i in range(60)]
    estimate = mean_interval(scores, groups=rows)
    assert estimate.n == 20
    assert estimate == mean_interval([1, 0] * 10)
    assert estimate.half_width > 1.5 * mean_interval(scores).half_width


def test_one_score_says_next_to_nothing() -> None:
    assert (mean_interval([0.5]).low, mean_interval([0.5]).high) == (0.0, 1.0)
    assert mean_interval([7.0]).low == -math.inf


@pytest.mark.parametrize(("scores", "words"), [([], "no scores"), ([1, None], "no number"), ([float("nan")], "NaN"), (["x"], "no number")])
def test_what_has_no_mean_is_refused(scores: list[object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        mean_interval(scores)


def test_groups_must_match_the_scores() -> None:
    with pytest.raises(InputError, match="3 scores but 2 groups"):
        mean_interval([1, 0, 1], groups=["a", "b"])


def test_the_bootstrap_repeats_itself_and_covers() -> None:
    rng = random.Random(5)

    def median(rows: list[float]) -> float:
        return sorted(rows)[len(rows) // 2]

    first = [rng.gauss(0, 1) for _ in range(101)]
    assert bootstrap_interval(first, median, resamples=100) == bootstrap_interval(first, median, resamples=100)
    assert bootstrap_interval(first, sum, resamples=100) != bootstrap_interval(first, sum, resamples=100, seed=1)
    hits = sum(0.0 in bootstrap_interval([rng.gauss(0, 1) for _ in range(51)], median, resamples=200) for _ in range(150))
    assert 0.88 <= hits / 150 <= 0.99
    with pytest.raises(ConfigurationError, match="resamples"):
        bootstrap_interval(first, median, resamples=3)
    with pytest.raises(InputError, match="no rows"):
        bootstrap_interval([], median)


@pytest.mark.parametrize(
    ("p", "df", "expected"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.3027), (0.975, 9, 2.2622), (0.995, 30, 2.7500), (0.9, 5, 1.4759), (0.025, 9, -2.2622)],
)
def test_t_quantiles_are_those_of_the_tables(p: float, df: float, expected: float) -> None:
    assert t_quantile(p, df) == pytest.approx(expected, abs=1e-4)
    assert t_cdf(expected, df) == pytest.approx(p, abs=1e-5)


@pytest.mark.parametrize(("wins", "losses", "expected"), [(10, 0, 2 / 1024), (5, 5, 1.0), (8, 2, 0.109375), (0, 0, 1.0)])
def test_the_sign_test_is_exact(wins: int, losses: int, expected: float) -> None:
    assert sign_test(wins, losses) == sign_test(losses, wins) == pytest.approx(expected)


def test_the_sign_test_takes_thousands_of_rows() -> None:
    assert sign_test(2600, 2400) == pytest.approx(0.0049, abs=3e-4)


def test_an_estimate_is_a_number_with_a_range() -> None:
    estimate = Estimate(value=0.5, low=0.4, high=0.7, n=9)
    assert float(estimate) == 0.5
    assert estimate.half_width == pytest.approx(0.15)
    assert 0.4 in estimate
    assert 0.39 not in estimate


def test_scores_of_an_unknown_scale_that_are_all_the_same_have_no_interval() -> None:
    """An interval of width 0 would be certain of what eight rows cannot say."""
    estimate = mean_interval([3.0] * 8)
    assert (estimate.low, estimate.high, estimate.bounded) == (-math.inf, math.inf, False)
    assert str(estimate) == "3.000 [no interval: all scores are the same] (n=8)"
    rows = [whet.Example(n=n).with_inputs("n") for n in range(8)]
    result = whet.Evaluate(devset=rows, metric=lambda row, prediction: 3.0, num_threads=1)(lambda n: n)
    assert result.summary() == "300.0 % (no interval: all scores are the same, n = 8)"


@pytest.mark.parametrize("level", [95, 1.0, 0, -1, float("nan"), "0.95"])
def test_a_level_that_is_none_is_said_to_be_and_does_not_hang(level: Any) -> None:
    for call in (
        lambda: mean_interval([0.1, 0.5], level=level),
        lambda: mean_interval([0, 1], level=level),
        lambda: wilson_interval(1, 2, level=level),
        lambda: bootstrap_interval([1, 2], sum, level=level),
        lambda: compare([0.1, 0.5], [0.3, 0.4], level=level),
        lambda: corpus_f1(["a", "b"], ["a", "a"], level=level),
    ):
        with pytest.raises(ConfigurationError, match="it lies between 0 and 1"):
            call()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None, "high"])
def test_no_program_is_better_by_a_score_that_is_none(bad: Any) -> None:
    with pytest.raises(InputError, match="A score is"):
        compare([bad, 1.0], [0.5, 1.0])
