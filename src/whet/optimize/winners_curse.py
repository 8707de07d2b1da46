"""What a measured gain is worth when it is only told because it was large enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from whet.evaluate.statistics import Estimate

__all__ = ["corrected"]

# The interval is inverted at 94.5 % and kept inside the one of 99.5 % that knows nothing of the selection: together 95 %.
_TAIL, _TAIL_STEPS, _OUTER_STEPS = 0.0275, 1.919, 2.807
# The share of the measured gain in the estimate.
_MEASURED = 1 / 3
_HALVINGS = 50


def corrected(measured: Estimate, error: float, least: float) -> Estimate:
    """The gain, given that gains below `least` are not told: what makes the measured one just what is to be expected, and at least 0.

    Where gains are told only if they are large, those that are told are too large on average. The measured gain is taken as normal with
    this standard error, cut off at `least`; the maximum of its likelihood corrects middling gains too much, so a third of the measured
    gain is mixed in (Zhong and Prentice 2008). The interval holds the true gain in 95 % of the cases that are told; its lower end is
    bounded as by Andrews, Kitagawa and McCloskey (2019). Far above `least` nothing changes.

    >>> gain = Estimate(value=0.15, low=-0.02, high=0.32, n=40)
    >>> print(corrected(gain, 0.087, least=0.1))
    0.072 [-0.094, 0.309] (n=40)
    >>> print(corrected(gain, 0.087, least=-1.0))
    0.150 [-0.020, 0.320] (n=40)
    """
    x = measured.value
    likeliest = _solved(lambda true: true + error * _excess((least - true) / error), x, x, error)
    value = max(0.0, _MEASURED * x + (1 - _MEASURED) * likeliest)
    told = _solved(lambda true: _at_least(x, least, true, error), _TAIL, x, error)
    lowest = max(measured.low + told - (x - _TAIL_STEPS * error), x - _OUTER_STEPS * error)
    told = _solved(lambda true: _at_least(x, least, true, error), 1 - _TAIL, x, error)
    high = max(value, measured.high + told - (x + _TAIL_STEPS * error))
    return replace(measured, value=value, low=min(lowest, value), high=high, method=f"{measured.method}, told from {least:+.3f} on")


def _solved(rising: Callable[[float], float], wanted: float, x: float, error: float) -> float:
    """Where a rising function of the true gain is `wanted`, within a dozen standard errors of `x`."""
    low, high = x - 12 * error, x + 6 * error
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > wanted else (middle, high)
    return (low + high) / 2


def _excess(cut: float) -> float:
    """By how many standard deviations the mean of a standard normal rises when everything below `cut` is left out."""
    above = _above(cut)
    return math.exp(-cut * cut / 2) / math.sqrt(2 * math.pi) / above if above > 0 else cut


def _at_least(x: float, least: float, true: float, error: float) -> float:
    """How probable so large a gain is among those that are told, if this is the true one."""
    told = _above((least - true) / error)
    return _above((x - true) / error) / told if told > 0 else 0.0


def _above(z: float) -> float:
    return 0.5 * math.erfc(z / math.sqrt(2))
