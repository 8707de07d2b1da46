"""The certificate: what was gained, measured on rows that the search never saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

from whet.evaluate.comparison import Comparison, compare
from whet.evaluate.distribution import normal_quantile
from whet.evaluate.statistics import Estimate, mean_interval
from whet.optimize.candidate import Candidate
from whet.optimize.paired import paired
from whet.optimize.search import Search
from whet.optimize.strand import Strand
from whet.optimize.winners_curse import corrected

__all__ = ["Certificate", "certify"]

# From this probability on the winner is handed back; below it, a change that may do harm is not worth its gain.
_PROBABLY = 0.85
# What the search saw counts so much, as the mean of a prior with this standard deviation.
_DISCOUNT, _PRIOR = 0.2, 0.10
# A smaller correction is not told.
_TOLD_FROM = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The winner against the program as given, on the same `n` rows, which nothing in the search had looked at.

    `gain` is what the program that was handed back gained, with its 95 % interval: 0 where that is the program as given, and else the mean
    difference, corrected for being told only because it was large enough (`measured` is the difference as it was). `reliable` says
    whether it is more than chance. `kept` is false when the winner did worse here, or was not probably better (`probability` below 0.85),
    and the program as given was handed back instead; `score` is that of what was handed back. The probability stands on the standard
    error by which the whole search judges (`optimize/paired.py`), and also counts what the search saw, at a fifth, because the winner was
    chosen for it.
    """

    n: int
    baseline: Estimate
    winner: Estimate
    comparison: Comparison
    probability: float
    kept: bool
    gain: Estimate

    @property
    def measured(self) -> Estimate:
        """The mean difference between the best candidate and the program as given, with its interval."""
        return self.comparison.effect

    @property
    def score(self) -> Estimate:
        """The mean of the program that was handed back, on these rows."""
        return self.winner if self.kept else self.baseline

    @property
    def reliable(self) -> bool:
        """Whether there is a gain beyond chance."""
        return self.kept and self.comparison.reliable and self.gain.low > 0

    def __str__(self) -> str:
        e = self.gain if self.kept else self.measured
        numbers = f"{e.value:+.3f}, 95 % interval {e.low:+.3f} to {e.high:+.3f}, {self.n} unseen rows"
        if not self.kept:
            return f"No reliable gain: on unseen rows the best candidate is no better ({numbers}); the program is handed back as given."
        if self.measured.value - e.value > _TOLD_FROM:
            numbers += f"; {self.measured.value:+.3f} as measured, less what such a gain is too high for having been chosen"
        if self.reliable:
            return f"Gain on rows the search never saw: {numbers}."
        return f"No reliable gain: {numbers}. Only a gain of about {self.comparison.detectable:.2f} would have shown with so few rows."


def certify(search: Search, winner: Candidate, rows: Sequence[Any], *, seen: float = 0.0) -> Strand[Certificate | None]:
    """Run winner and baseline on untouched rows and compare them; `None` when too few rows could be scored on both.

    `seen` is how much better the winner was in the search.
    """
    handles = [h for c in (winner, search.baseline) for h in search.scores(c, rows)]
    results = yield handles
    pairs = [(a.value, b.value) for a, b in zip(results[: len(rows)], results[len(rows) :], strict=True)]
    good = [(a, b) for a, b in pairs if a is not None and b is not None]
    if len(good) < 5:
        return None
    mine, theirs = [a for a, _ in good], [b for _, b in good]
    comparison = compare(theirs, mine, names=("the program as given", "the winner"))
    effect, error = comparison.effect, paired(mine, theirs).error
    weight, expected = _PRIOR**2 / (_PRIOR**2 + error**2), _DISCOUNT * seen
    spread = math.sqrt(weight) * error
    least = max(0.0, (normal_quantile(_PROBABLY) * spread - (1 - weight) * expected) / weight)
    kept = effect.value >= least
    return Certificate(
        n=len(good),
        baseline=mean_interval(theirs),
        winner=mean_interval(mine),
        comparison=comparison,
        probability=NormalDist().cdf((weight * effect.value + (1 - weight) * expected) / spread),
        kept=kept,
        gain=corrected(effect, error, least) if kept else replace(effect, value=0.0, low=0.0, high=0.0, method="as given"),
    )
