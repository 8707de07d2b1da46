"""A judge against humans: agreement, bias, and whether the corrected mean covers what humans would have said."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from whet.errors import InputError, WhetError
from whet.evaluate.calibration import calibrate_judge, prediction_powered_mean, rogan_gladen
from whet.evaluate.statistics import mean_interval, wilson_interval


def _world(rng: random.Random, n: int, share: float = 0.6) -> tuple[list[int], list[int]]:
    """Humans say yes to `share` of the rows; the judge passes 90 % of those and 30 % of the others."""
    human = [int(rng.random() < share) for _ in range(n)]
    return [int(rng.random() < (0.9 if y else 0.3)) for y in human], human


def test_agreement_kappa_and_bias_of_a_known_table() -> None:
    judge = [1] * 20 + [1] * 10 + [0] * 5 + [0] * 15
    human = [1] * 20 + [0] * 10 + [1] * 5 + [0] * 15
    result = calibrate_judge(judge, human)
    assert result.agreement.value == 0.7
    assert result.kappa == pytest.approx(0.4)  # Cohen's own example: (0.7 - 0.5) / (1 - 0.5)
    assert result.bias.value == pytest.approx(0.1)
    assert result.sensitivity is not None
    assert result.specificity is not None
    assert (result.sensitivity.value, result.specificity.value) == (0.8, 0.6)
    assert "agrees with humans on 70% of 50 rows" in str(result)


def test_graded_scores_agree_within_a_tolerance_and_have_no_sensitivity() -> None:
    result = calibrate_judge([0.5, 0.7, 0.2, 0.9], [0.6, 0.7, 0.1, 0.9], tolerance=0.1)
    assert result.agreement.value == 1.0
    assert result.sensitivity is None
    assert result.kappa > 0.9


def test_where_all_scores_are_the_same_there_is_no_kappa() -> None:
    result = calibrate_judge([1] * 60, [1] * 60)
    assert math.isnan(result.kappa)
    assert "no kappa" in str(result) and "good" not in str(result)


def test_a_graded_judge_of_people_who_said_yes_or_no_is_told_apart_from_a_bad_one() -> None:
    judge, human = [0.9, 0.2] * 30, [1, 0] * 30
    assert "Humans said 0 or 1, and the judge 0.2 to 0.9: only equal scores agree. Give `tolerance=`" in str(calibrate_judge(judge, human))
    assert "Humans said 0 or 1, and the judge 0.7: only" in str(calibrate_judge([0.7] * 10, [1, 0] * 5))
    within = calibrate_judge(judge, human, tolerance=0.2)
    assert within.agreement.value == 1.0 and not within.remark
    assert not calibrate_judge([0.5, 0.9], [0.4, 0.8]).remark


def test_a_lenient_judge_is_found_out_and_corrected() -> None:
    rng = random.Random(0)
    judge, human = _world(rng, 600)
    more, truth = _world(rng, 3000)
    result = calibrate_judge(judge, human, unlabelled=more)
    assert "too high on average" in result.verdict
    assert abs(result.corrected_mean.value - sum(truth) / len(truth)) < 0.03 < abs(result.raw_mean - 0.6)
    assert result.corrected_mean.half_width < mean_interval(human).half_width


@pytest.mark.parametrize("n", [30, 100])
def test_the_corrected_mean_covers_the_truth(n: int) -> None:
    rng = random.Random(n)
    hits = 0
    for _ in range(500):
        judge, human = _world(rng, n)
        hits += 0.6 in prediction_powered_mean(human, judge, _world(rng, 300)[0])
    assert 0.93 <= hits / 500 <= 0.98


def test_the_corrected_mean_covers_the_truth_when_the_judge_is_nearly_perfect() -> None:
    rng, hits = random.Random(2), 0
    for _ in range(300):
        human = [rng.choice((0, 0.25, 0.5, 0.75, 1, 1)) for _ in range(400)]
        judge = [y + rng.gauss(0.05, 0.05) for y in human]
        hits += 3.5 / 6 in calibrate_judge(judge[:100], human[:100], unlabelled=judge[100:]).corrected_mean
    assert 0.93 <= hits / 300 <= 0.985


def test_a_useless_judge_does_no_harm() -> None:
    human = [1, 0, 1, 1, 0, 1] * 10
    result = prediction_powered_mean(human, [0, 1] * 30, [1] * 500)
    assert result.value == pytest.approx(mean_interval(human).value, abs=0.02)
    assert prediction_powered_mean(human, [1] * 60, [1] * 500) == mean_interval(human)


def test_a_few_rows_without_error_are_no_perfect_judge() -> None:
    result = prediction_powered_mean([1, 0] * 10, [1, 0] * 10, [1, 0] * 5000)
    assert result.half_width > 0.03


def test_rogan_gladen_covers_the_truth() -> None:
    rng = random.Random(1)
    hits = 0
    for _ in range(400):
        judged = wilson_interval(sum(_world(rng, 300, share=0.4)[0]), 300)
        yes, no = sum(rng.random() < 0.9 for _ in range(60)), sum(rng.random() < 0.7 for _ in range(60))
        hits += 0.4 in rogan_gladen(judged, wilson_interval(yes, 60), wilson_interval(no, 60))
    assert 0.92 <= hits / 400 <= 0.98


def test_a_judge_no_better_than_chance_says_nothing() -> None:
    coin = wilson_interval(10, 20)
    with pytest.raises(InputError, match="no better than chance"):
        rogan_gladen(coin, coin, coin)


def test_lists_must_match() -> None:
    with pytest.raises(InputError, match="3 scores of the judge and 1 of humans"):
        calibrate_judge([1, 0, 1], [1])
    with pytest.raises(InputError, match="1 scores of the judge and 1 of humans"):
        prediction_powered_mean([1], [1], [1, 0])


def test_scores_that_are_not_finite_are_refused_and_no_row_counts_twice() -> None:
    with pytest.raises(InputError, match="not finite"):
        calibrate_judge([1, float("nan")], [1, 0])
    assert calibrate_judge([1, 0, 1] * 10, [1, 0, 0] * 10, unlabelled=[1, 0] * 10).corrected_mean.n == 50


@pytest.mark.parametrize(
    ("judge", "human", "options", "says"),
    [
        (["yes", "no"], [1, 0], {}, "Score 0 of the judge is 'yes'; give numbers"),
        ([1, 0], [1, None], {}, "Score 1 of a human is None"),
        ([1, 0], [1, 0], {"unlabelled": [float("nan")]}, "Score 0 without a label is not finite"),
        ([1, 0], [1, 0], {"level": 1.5}, "`level` \\(1.5\\) lies between 0 and 1"),
        ([1, 0], [1, 0], {"tolerance": -1}, "`tolerance` \\(-1\\) is at least 0"),
    ],
)
def test_scores_that_are_none(judge: list[object], human: list[object], options: dict[str, Any], says: str) -> None:
    with pytest.raises(WhetError, match=says):
        calibrate_judge(judge, human, **options)


@pytest.mark.parametrize("agreeing", [0.8, 0.95, 0.98])
@pytest.mark.parametrize("n", [10, 30, 100])
def test_the_interval_of_the_bias_of_a_graded_judge_that_seldom_errs_holds_it(agreeing: float, n: int) -> None:
    """The variance of a few rows without an error is 0: such intervals held the bias in 11 of 100 cases."""
    rng = random.Random(5)

    def one() -> tuple[float, float]:
        human = rng.choices((1, 2, 3, 4, 5), (1, 1, 2, 3, 3))[0]
        return human, human if rng.random() < agreeing else min(5, max(1, human + rng.choice((-1, 1, 1, 2))))

    many = [one() for _ in range(50_000)]
    bias = sum(f - y for y, f in many) / len(many)
    held = 0
    for _ in range(300):
        rows = rng.choices(many, k=n)
        held += bias in calibrate_judge([f for _, f in rows], [y for y, _ in rows]).bias
    assert held >= 0.92 * 300


def test_a_bias_lies_on_the_scale() -> None:
    found = calibrate_judge([1, 0], [0, 1]).bias
    assert (found.low, found.high) == (-1.0, 1.0)
    assert not calibrate_judge([3, 3, 3], [3, 3, 3]).bias.bounded
