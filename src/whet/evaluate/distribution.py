"""The few distributions that intervals and tests need, on the standard library alone."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

__all__ = ["normal_quantile", "sign_test", "t_cdf", "t_quantile"]

_NORMAL = NormalDist()


def normal_quantile(p: float) -> float:
    """The value below which a standard normal falls with probability `p`.

    >>> round(normal_quantile(0.975), 3)
    1.96
    """
    return _NORMAL.inv_cdf(p)


def t_cdf(t: float, df: float) -> float:
    """The probability that Student's t with `df` degrees of freedom is at most `t`.

    >>> round(t_cdf(2.228, 10), 4)
    0.975
    """
    if df > 1e6:
        return _NORMAL.cdf(t)
    tail = 0.5 * _incomplete_beta(df / (df + t * t), df / 2, 0.5)
    return 1 - tail if t > 0 else tail


@lru_cache(maxsize=1024)
def t_quantile(p: float, df: float) -> float:
    """The value below which Student's t with `df` degrees of freedom falls with probability `p`; needs `df >= 1`.

    >>> round(t_quantile(0.975, 4), 3)
    2.776
    """
    if p < 0.5:
        return -t_quantile(1 - p, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, df) < p else (low, middle)
    return (low + high) / 2


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact p of `wins` against `losses` when both were equally likely; ties are left out before.

    >>> round(sign_test(9, 1), 4), sign_test(0, 0)
    (0.0215, 1.0)
    """
    n, fewer = wins + losses, min(wins, losses)
    total = term = 1
    for k in range(fewer):
        term = term * (n - k) // (k + 1)
        total += term
    return min(1.0, 2 * total / 2**n if n < 1000 else math.exp(math.log(2 * total) - n * math.log(2)))


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function, by its continued fraction (Lentz's method)."""
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d, result = 1.0, 0.0, 1.0
    for i in range(400):
        m = i // 2
        if i == 0:
            factor = 1.0
        elif i % 2 == 0:
            factor = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            factor = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _away_from_zero(1 + factor * d)
        c = _away_from_zero(1 + factor / c)
        result *= c * d
        if abs(1 - c * d) < 1e-13:
            break
    return front * (result - 1)


def _away_from_zero(x: float) -> float:
    return x if abs(x) > 1e-30 else 1e-30
