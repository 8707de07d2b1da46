"""Two programs over the same rows: what is said, and how often it is wrong."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

import whet
from effort import within
from whet.errors import ConfigurationError, InputError
from whet.evaluate import check, diff
from whet.evaluate.comparison import compare

RESULT = whet.Evaluate(devset=[whet.Example(n=1).with_inputs("n")], metric=lambda row, pred: pred == row.n)(lambda n: n)


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
    assert 0.93 <= hits / rounds <= (0.985 if binary and n == 20 else 0.97)  # exact: 0.974, the price of 93 % whatever the rates are


def _exact(n: int, won: float, lost: float, effects: dict[tuple[int, int], Any]) -> float:
    """How probable are counts of wins and losses whose interval holds the true difference."""
    tied, total = max(0.0, 1 - won - lost), 0.0
    for (wins, losses), effect in effects.items():
        if effect.low - 1e-9 <= won - lost <= effect.high + 1e-9:
            ways = math.comb(n, wins) * math.comb(n - wins, losses)
            total += ways * won**wins * lost**losses * tied ** (n - wins - losses)
    return total


@pytest.mark.parametrize(("n", "most"), [(5, 1.0), (10, 0.99), (17, 0.98), (30, 0.975)])
def test_whoever_wins_however_often_the_interval_covers_in_93_of_100_cases(n: int, most: float) -> None:
    counts = [(w, x) for w in range(n + 1) for x in range(n + 1 - w)]
    effects = {(w, x): compare([0] * w + [1] * x + [0] * (n - w - x), [1] * w + [0] * (n - w), resamples=1).effect for w, x in counts}
    rates = [(w / 20, x / 20) for w in range(21) for x in range(w + 1) if w + x <= 20]
    covered = [_exact(n, won, lost, effects) for won, lost in rates]
    assert min(covered) >= 0.929
    assert sum(covered) / len(covered) <= most
    only_wins = {counts: effect for counts, effect in effects.items() if counts[1] == 0}
    assert min(_exact(n, won / 100, 0.0, only_wins) for won in range(1, 100)) >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 400, 1000])
def test_where_only_one_side_ever_wins_the_interval_covers_too(n: int) -> None:
    effects = {(w, 0): compare([0] * n, [1] * w + [0] * (n - w), resamples=1).effect for w in range(n + 1)}
    covered = [_exact(n, won / 400, 0.0, effects) for won in (*range(1, 41), *range(60, 400, 20))]
    assert min(covered) >= 0.93
    assert sum(covered) / len(covered) <= 0.97


def _graded(rng: random.Random, n: int, ties: float, kind: str) -> list[float]:
    draw = {
        "any gain": rng.random,
        "a quarter or more": lambda: rng.choice((0.25, 0.5, 0.75, 1.0)),
        "mostly whole": lambda: 1.0 if rng.random() < 0.9 else 0.5,
        "small ones": lambda: rng.betavariate(0.5, 3),
    }[kind]
    return [0.0 if rng.random() < ties else draw() for _ in range(n)]


MEANS = {"any gain": 0.5, "a quarter or more": 0.625, "mostly whole": 0.95, "small ones": 0.5 / 3.5}


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 20, 40, 100, 400])
def test_graded_gains_that_only_one_side_ever_makes_are_covered(n: int) -> None:
    rng, rounds, seen = random.Random(n), 600, {}
    for kind, mean in MEANS.items():
        for ties in (0.3, 0.7, 0.9):
            gains = [_graded(rng, n, ties, kind) for _ in range(rounds)]
            seen[kind, ties] = sum((1 - ties) * mean in compare([0] * n, g, resamples=1).effect for g in gains) / rounds
    assert min(seen.values()) >= 0.935 - 3 * math.sqrt(0.06 * 0.94 / rounds), seen
    assert sum(seen.values()) / len(seen) >= 0.945, seen
    assert n < 40 or sum(seen.values()) / len(seen) <= 0.975, seen


def test_scores_between_0_and_1_differ_by_1_at_most() -> None:
    effect = compare([0.5], [0.7]).effect
    assert (effect.low, effect.high) == (-1.0, 1.0)


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


def test_examples_without_a_partner_are_said() -> None:
    rows = [whet.Example(n=n).with_inputs("n") for n in range(6)]
    evaluate = whet.Evaluate(devset=rows, metric=lambda row, pred: pred > 0, num_threads=1)
    whole, part = evaluate(lambda n: 1), evaluate(lambda n: n % 2, devset=rows[:3])
    result = compare(whole, part, names=("all", "half"))
    assert (result.n, result.only_a, result.only_b) == (3, 3, 0)
    assert result.verdict.endswith(" Left out: 3 examples that count in all only.")
    assert compare(evaluate(lambda n: 1, devset=rows[:3]), evaluate(lambda n: 1, devset=rows[2:])).verdict.endswith(
        " Left out: 2 examples that count in A only. Left out: 3 examples that count in B only."
    )
    assert "Left out" not in str(compare(whole, whole)) and "1 win, 0 losses, 2 ties" in str(compare([0, 1, 1], [1, 1, 1]))


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [(RESULT, [1.0], "two lists of scores; this is EvaluationResult.*, an EvaluationResult"),
     ([RESULT], [RESULT], "this is EvaluationResult"),
     (None, [1], "this is None, a NoneType"), (0.5, 0.6, "this is 0.5, a float"), ("abc", "abd", "this is 'abc', a str"),
     (len, len, "a builtin_function_or_method"), ({"x": 1}, {"x": 2}, "a dict")],
)  # fmt: skip
def test_what_cannot_be_compared_is_named(a: Any, b: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        compare(a, b)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"names": ("a",)}, "`names` is"), ({"names": "ab"}, "`names` is 'ab'"), ({"resamples": 0}, "`resamples` is 0"),
     ({"resamples": 1.5}, "is 1.5")],
)  # fmt: skip
def test_options_of_a_comparison_that_do_not_fit(options: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        compare([0, 1], [1, 1], **options)


def test_what_is_no_evaluation_is_neither_diffed_nor_held_against_a_bar() -> None:
    for look in (lambda run: diff(RESULT, run), lambda run: diff(run, RESULT), check, lambda run: check(RESULT, baseline=run)):
        with pytest.raises(InputError, match=r"this is 'rows.jsonl', a str. Read a file with `load_run\(path\)`"):
            look("rows.jsonl")
