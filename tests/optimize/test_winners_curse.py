"""A gain that is told only when it is large enough: what is left of it is right on average, and its interval keeps its promise."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from whet.evaluate.statistics import Estimate
from whet.optimize.winners_curse import corrected

ERROR = 0.087  # of forty rows that are right or wrong


def measured(value: float) -> Estimate:
    return Estimate(value=value, low=value - 1.96 * ERROR, high=value + 1.96 * ERROR, n=40)


@pytest.mark.parametrize("true", [-0.02, 0.0, 0.02, 0.06, 0.1, 0.2, 0.4])
def test_over_many_runs_it_is_right_on_average_and_its_interval_holds_the_truth(true: float) -> None:
    rng, least = random.Random(7), 0.08
    told, errors, inside = 0, [], 0
    for _ in range(3000):
        gain = rng.gauss(true, ERROR)
        if gain < least:
            errors.append(0.0)  # the program is handed back as given, and no gain is told
            continue
        said = corrected(measured(gain), ERROR, least)
        told, inside = told + 1, inside + (true in said)
        errors.append(said.value - true)
        assert said.low <= said.value <= said.high and said.value <= gain
    assert abs(fmean(errors)) < 0.015
    assert inside >= 0.93 * told


def test_the_uncorrected_gain_would_be_told_too_high() -> None:
    rng = random.Random(7)
    gains = [g for _ in range(3000) if (g := rng.gauss(0.02, ERROR)) >= 0.08]
    assert fmean(gains) > 0.1
    assert fmean(corrected(measured(g), ERROR, 0.08).value for g in gains) < 0.07


def test_a_gain_far_above_the_least_stays_as_it_is() -> None:
    said = corrected(measured(0.6), ERROR, 0.08)
    assert said.value == pytest.approx(0.6, abs=1e-3) and said.low == pytest.approx(0.6 - 1.96 * ERROR, abs=1e-3)


def test_a_gain_without_spread_is_believed() -> None:
    said = corrected(Estimate(value=0.5, low=0.5, high=0.5, n=40), 1e-6, 0.1)
    assert (said.value, said.low, said.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-3)
