"""Can the judge be trusted: a judge's scores against human labels, and the mean they would give once its bias is taken out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from whet.core.wording import counted
from whet.errors import ConfigurationError, InputError
from whet.evaluate.distribution import normal_quantile, t_quantile
from whet.evaluate.statistics import Estimate, mean_interval, share_interval

__all__ = ["JudgeCalibration", "calibrate_judge", "prediction_powered_mean", "rogan_gladen"]

_UNEVEN = "There are {} scores of the judge and {} of humans; there must be as many of both, at least two."


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCalibration:
    """A judge against humans over `n` rows that both scored.

    `agreement` is the share of rows with (nearly) the same score; `kappa` the agreement beyond chance, with squared distances as weights
    (Cohen 1968; for 0 and 1 the plain kappa; NaN where all scores are one number, and chance agrees as well); `bias` the judge's mean minus
    the humans'; `raw_mean` the judge's mean over all its rows and `corrected_mean` what humans would have given there. `sensitivity` and
    `specificity` exist when both score 0 or 1. `remark` says where the two do not use the same scale.

    >>> print(calibrate_judge([1, 1, 0, 1] * 10, [1, 1, 0, 0] * 10))
    The judge agrees with humans on 75% of 40 rows (kappa 0.50, fair); it scores 0.250 too high on average.
    Its mean of 0.750 stands for 0.500 [0.348, 0.652] (n=40).
    """

    n: int
    agreement: Estimate
    kappa: float
    bias: Estimate
    raw_mean: float
    corrected_mean: Estimate
    sensitivity: Estimate | None = None
    specificity: Estimate | None = None
    remark: str = ""

    @property
    def verdict(self) -> str:
        """What this means, in a sentence or two."""
        lean = "no bias is visible" if 0.0 in self.bias else f"it scores {abs(self.bias.value):.3f} too {_side(self.bias.value)} on average"
        return (
            f"The judge agrees with humans on {self.agreement.value:.0%} of {counted(self.n, 'row')} ({_said_of(self.kappa)}); {lean}. "
            f"Its mean of {self.raw_mean:.3f} stands for {self.corrected_mean}.{' ' * bool(self.remark)}{self.remark}"
        )

    def __str__(self) -> str:
        return self.verdict


def calibrate_judge(
    judge: Iterable[Any], human: Iterable[Any], *, unlabelled: Iterable[Any] = (), tolerance: float = 0.0, level: float = 0.95
) -> JudgeCalibration:
    """Compare a judge's scores with human labels of the same rows, and correct its mean.

    `unlabelled` are the judge's scores of further rows that no human has seen; the corrected mean speaks about all rows and gets tighter
    with them. Scores count as agreeing when they differ by `tolerance` at most. 30 human labels are a start, 100 are good.

    Raises `InputError` for fewer than two rows, lists that differ in length, or a score that is no number.

    >>> result = calibrate_judge([1, 1, 1, 0, 1, 0] * 10, [1, 1, 0, 0, 1, 0] * 10, unlabelled=[1, 1, 0] * 100)
    >>> round(result.kappa, 2), round(result.bias.value, 2), round(result.corrected_mean.value, 2)
    (0.67, 0.17, 0.5)
    """
    if not (0 < level < 1 and tolerance >= 0):
        raise ConfigurationError(f"`level` ({level}) lies between 0 and 1, and `tolerance` ({tolerance}) is at least 0.")
    seen, truth, rest = (
        _numbers(scores, kind) for scores, kind in ((judge, "of the judge"), (human, "of a human"), (unlabelled, "without a label"))
    )
    if len(seen) != len(truth) or len(seen) < 2:
        raise InputError(_UNEVEN.format(len(seen), len(truth)))
    n, pairs = len(seen), list(zip(seen, truth, strict=True))
    binary = all(x in (0.0, 1.0) for x in (*seen, *truth))
    sensitivity = specificity = None
    if binary:
        sensitivity = _share([f == 1 for f, y in pairs if y == 1], level)
        specificity = _share([f == 0 for f, y in pairs if y == 0], level)
    everything = seen + rest
    return JudgeCalibration(
        n=n,
        agreement=share_interval(sum(abs(f - y) <= tolerance + 1e-12 for f, y in pairs), n, level=level),
        kappa=_kappa(seen, truth),
        bias=_bias(seen, truth, binary, level),
        raw_mean=math.fsum(everything) / len(everything),
        corrected_mean=prediction_powered_mean(truth, seen, rest, level=level),
        sensitivity=sensitivity,
        specificity=specificity,
        remark="" if binary or tolerance else _other_scale(seen, truth),
    )


def prediction_powered_mean(
    human: Iterable[Any], judge: Iterable[Any], judge_everywhere: Iterable[Any] = (), *, level: float = 0.95
) -> Estimate:
    """The mean that humans would give to many rows, from the judge's scores of all and human labels of a few.

    `human` and `judge` are scores of the same rows, `judge_everywhere` the judge's of further rows, that no human has seen.

    Prediction-powered inference (Angelopoulos et al. 2023, Science 382:669; the weight of the judge is tuned as in PPI++, 2311.01453): the
    judge's mean over `judge_everywhere`, corrected by its mean error on the labelled rows. A useless judge gets weight 0 and the result is
    the humans' own mean. Without `judge_everywhere` it is that mean too. When all scores are 0 or 1, half a disagreement is added each
    way, so that a few rows without error do not pass for a perfect judge.

    >>> few = prediction_powered_mean([1, 0, 1, 1] * 10, [1, 0, 1, 1] * 10)
    >>> many = prediction_powered_mean([1, 0, 1, 1] * 10, [1, 0, 1, 1] * 10, [1, 0, 1, 1] * 500)
    >>> few.half_width > 1.5 * many.half_width
    True
    """
    y, f, everywhere = [float(x) for x in human], [float(x) for x in judge], [float(x) for x in judge_everywhere]
    if len(y) != len(f) or len(y) < 2:
        raise InputError(_UNEVEN.format(len(f), len(y)))
    n, m = len(y), len(everywhere)
    spread = _variance(f)
    if m < 2 or spread == 0.0:
        return mean_interval(y, level=level)
    covariance = (math.fsum(a * b for a, b in zip(y, f, strict=True)) - math.fsum(y) * math.fsum(f) / n) / (n - 1)
    weight = min(1.0, max(0.0, covariance / spread / (1 + n / m)))
    value = weight * math.fsum(everywhere) / m + math.fsum(a - weight * b for a, b in zip(y, f, strict=True)) / n
    errors = [a - weight * b for a, b in zip(y, f, strict=True)]
    binary = all(x in (0.0, 1.0) for x in (*y, *f))
    variance = weight**2 * _variance(everywhere) / m + (_variance(errors) + (1 / n if binary else 0.0)) / n
    half = t_quantile((1 + level) / 2, n - 1) * math.sqrt(variance)
    low, high = value - half, value + half
    if all(0 <= x <= 1 for x in (*y, *f, *everywhere)):
        value, low, high = (min(1.0, max(0.0, x)) for x in (value, low, high))
    return Estimate(value=value, low=low, high=high, n=n + m, level=level, method="prediction-powered")


def rogan_gladen(judged: Estimate, sensitivity: Estimate, specificity: Estimate) -> Estimate:
    """The true share of ones behind a judge's share, from its sensitivity and specificity (Rogan and Gladen 1978).

    All three come with the number of rows behind them; the interval is Lang and Reiczigel's (2014), which adds a pseudo-row to each. Use it
    when the judge was calibrated on other rows than those it scored. Raises `InputError` for a judge no better than chance
    (sensitivity + specificity at most 1).

    >>> from whet.evaluate.statistics import wilson_interval
    >>> result = rogan_gladen(wilson_interval(130, 200), wilson_interval(45, 50), wilson_interval(40, 50))
    >>> round(result.value, 3)
    0.643
    """
    youden = sensitivity.value + specificity.value - 1
    if youden <= 0:
        raise InputError(
            f"With sensitivity {sensitivity.value:.3f} and specificity {specificity.value:.3f} the judge is no better than chance; "
            "its share of ones says nothing about the true one. Change the judge."
        )
    z = normal_quantile((1 + judged.level) / 2)
    p, np_ = (judged.value * judged.n + z * z / 2) / (judged.n + z * z), judged.n + z * z
    se, nse = (sensitivity.value * sensitivity.n + 1) / (sensitivity.n + 2), sensitivity.n + 2
    sp, nsp = (specificity.value * specificity.n + 1) / (specificity.n + 2), specificity.n + 2
    index = max(1e-9, se + sp - 1)
    middle = (p + sp - 1) / index
    noise = math.sqrt(p * (1 - p) / np_ + middle**2 * se * (1 - se) / nse + (1 - middle) ** 2 * sp * (1 - sp) / nsp) / index
    shift = 2 * z * z * (middle * se * (1 - se) / nse - (1 - middle) * sp * (1 - sp) / nsp)
    value = min(1.0, max(0.0, (judged.value + specificity.value - 1) / youden))
    low, high = max(0.0, middle + shift - z * noise), min(1.0, middle + shift + z * noise)
    return Estimate(value=value, low=min(low, value), high=max(high, value), n=judged.n, level=judged.level, method="Rogan-Gladen")


def _numbers(scores: Iterable[Any], kind: str) -> list[float]:
    numbers = []
    for place, score in enumerate(scores):
        try:
            numbers.append(float(score))
        except (TypeError, ValueError):
            raise InputError(f"Score {place} {kind} is {score!r:.80}; give numbers, 1 for yes and 0 for no.") from None
        if not math.isfinite(numbers[-1]):
            raise InputError(f"Score {place} {kind} is not finite; leave out the rows that have none.")
    return numbers


def _side(bias: float) -> str:
    return "high" if bias > 0 else "low"


def _share(hits: list[bool], level: float) -> Estimate | None:
    return share_interval(sum(hits), len(hits), level=level) if hits else None


def _bias(judge: Sequence[float], human: Sequence[float], binary: bool, level: float) -> Estimate:
    """The mean error of the judge. Where it errs in few rows, or none, their variance says next to nothing of the next: errors lie between
    minus and plus the span of the scale, and as shares of it have the interval of any scores that are nearly all the same."""
    errors, n = [f - y for f, y in zip(judge, human, strict=True)], len(judge)
    mean = math.fsum(errors) / n
    scores = (*judge, *human)
    span = 1.0 if min(scores) >= 0 and max(scores) <= 1 else max(scores) - min(scores)
    if not span:
        return Estimate(value=mean, low=-math.inf, high=math.inf, n=n, level=level, method="all scores are the same")
    if binary:
        half = t_quantile((1 + level) / 2, n - 1) * math.sqrt((_variance(errors) + 1 / n) / n)
        return Estimate(value=mean, low=max(-1.0, mean - half), high=min(1.0, mean + half), n=n, level=level, method="t")
    share = mean_interval([min(1.0, max(0.0, (1 + error / span) / 2)) for error in errors], level=level)
    low, high = (span * (2 * end - 1) for end in (share.low, share.high))
    return Estimate(value=mean, low=min(low, mean), high=max(high, mean), n=n, level=level, method=share.method)


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)


def _said_of(kappa: float) -> str:
    if math.isnan(kappa):
        return "no kappa: all scores are the same, and chance would agree as well"
    kind = "hardly better than chance" if kappa < 0.2 else "weak" if kappa < 0.4 else "fair" if kappa < 0.6 else "good"
    return f"kappa {kappa:.2f}, {kind}"


def _other_scale(judge: Sequence[float], human: Sequence[float]) -> str:
    """A sentence where people said yes or no and the judge something in between, or beyond: equal scores are no measure of those."""
    if not set(human) <= {0.0, 1.0}:
        return ""
    judged = f"{min(judge):g}" if min(judge) == max(judge) else f"{min(judge):g} to {max(judge):g}"
    return f"Humans said 0 or 1, and the judge {judged}: only equal scores agree. Give `tolerance=`, or make them yes and no."


def _kappa(a: Sequence[float], b: Sequence[float]) -> float:
    """One minus the squared distance seen, divided by the one that chance would give."""
    n = len(a)
    seen = math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / n
    mean_a, mean_b = math.fsum(a) / n, math.fsum(b) / n
    chance = (_variance(a) + _variance(b)) * (n - 1) / n + (mean_a - mean_b) ** 2
    return 1 - seen / chance if chance else math.nan
