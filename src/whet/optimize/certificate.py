"""The certificate: what was gained, measured on rows that the search never saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whet.evaluate.comparison import Comparison, compare
from whet.evaluate.statistics import Estimate, mean_interval
from whet.optimize.candidate import Candidate
from whet.optimize.search import Search
from whet.optimize.strand import Strand

__all__ = ["Certificate", "certify"]

# From this probability on the winner is handed back; below it, a change that may do harm is not worth its gain.
_PROBABLY = 0.8
# What the search saw counts so much, as the mean of a prior with this standard deviation.
_DISCOUNT, _PRIOR = 0.3, 0.10
# Half of a 95 % interval in standard errors.
_STEPS = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The winner against the program as given, on the same `n` rows, which nothing in the search had looked at.

    `gain` is the mean difference with its 95 % interval; `reliable` says whether it is more than chance. `kept` is false when the winner
    did worse here, or was not probably better (`probability` below 0.8), and the program as given was handed back instead; `score` is that
    of what was handed back. The probability also counts what the search saw, at a third, because the winner was chosen for it.
    """

    n: int
    baseline: Estimate
    winner: Estimate
    comparison: Comparison
    probability: float
    kept: bool

    @property
    def gain(self) -> Estimate:
        """The mean difference between winner and program as given, with its interval."""
        return self.comparison.effect

    @property
    def score(self) -> Estimate:
        """The mean of the program that was handed back, on these rows."""
        return self.winner if self.kept else self.baseline

    @property
    def reliable(self) -> bool:
        """Whether there is a gain beyond chance."""
        return self.kept and self.comparison.reliable and self.gain.value > 0

    def __str__(self) -> str:
        e = self.gain
        numbers = f"{e.value:+.3f}, 95 % interval {e.low:+.3f} to {e.high:+.3f}, {self.n} unseen rows"
        if not self.kept:
            return f"No reliable gain: on unseen rows the best candidate is no better ({numbers}); the program is handed back as given."
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
    gain = comparison.effect.value
    probability = _probability(gain, max(1e-3, comparison.effect.half_width / _STEPS), _DISCOUNT * seen)
    return Certificate(
        n=len(good),
        baseline=mean_interval(theirs),
        winner=mean_interval(mine),
        comparison=comparison,
        probability=probability,
        kept=gain >= 0 and probability >= _PROBABLY,
    )


def _probability(gain: float, error: float, expected: float) -> float:
    """That the true gain is above 0, given what was measured and, as a prior, what was to be expected."""
    weight = _PRIOR**2 / (_PRIOR**2 + error**2)
    z = (weight * gain + (1 - weight) * expected) / (math.sqrt(weight) * error)
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))
