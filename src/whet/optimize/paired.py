"""Is one candidate better than another: the differences on the rows that both were run on, and what they prove."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Difference", "paired"]

# How large true differences between candidates usually are: the standard deviation of the prior around 0.
PRIOR = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The mean difference over `n` shared rows and its standard error."""

    n: int
    mean: float
    error: float

    def shrunk(self, prior: float = PRIOR) -> float:
        """The difference that is to be expected, given that most differences are small."""
        return self.mean * self._weight(prior)

    def spread(self, prior: float = PRIOR) -> float:
        """The standard deviation of what the true difference may be."""
        return math.sqrt(self._weight(prior)) * self.error if self.n else prior

    def better(self, prior: float = PRIOR) -> float:
        """The probability that the true difference is above 0.

        >>> round(paired([1, 1, 1, 0, 1, 1], [0, 1, 0, 0, 1, 0]).better(), 2)
        0.83
        """
        if not self.n:
            return 0.5
        return 0.5 * (1 + math.erf(self.shrunk(prior) / self.spread(prior) / math.sqrt(2)))

    def _weight(self, prior: float) -> float:
        return prior * prior / (prior * prior + self.error * self.error) if self.n else 0.0


def paired(a: Sequence[float | None], b: Sequence[float | None]) -> Difference:
    """A against B, row by row; rows that one of them lacks are left out.

    Half a squared point of variance is added, so that a handful of equal rows proves nothing.
    """
    differences = [x - y for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    n = len(differences)
    if not n:
        return Difference(n=0, mean=0.0, error=1.0)
    mean = math.fsum(differences) / n
    variance = (_squares(differences, mean) + 0.5) / (n + 1)
    return Difference(n=n, mean=mean, error=math.sqrt(variance / n))


def _squares(values: Iterable[float], mean: float) -> float:
    return math.fsum((v - mean) ** 2 for v in values)
