"""Is program B better than program A: two score lists over the same rows, compared row by row and said in one sentence."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from whet.core.wording import a_kind, counted
from whet.errors import ConfigurationError, InputError
from whet.evaluate.distribution import normal_quantile, sign_test, t_quantile
from whet.evaluate.row import EvaluationResult
from whet.evaluate.statistics import Estimate, check_level, numbers_of, skewed_t
from whet.evaluate.stream import key_of

__all__ = ["Comparison", "compare", "places_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """B against A over the same rows.

    `effect` is the mean of B minus the mean of A with its interval; `wins`, `losses` and `ties` count rows where B scored higher, lower
    or the same; `p_sign` and `p_bootstrap` are two-sided; `detectable` is the smallest true difference that so many rows would reveal in
    four of five cases; `reliable` is true when the interval leaves out 0 and the bootstrap agrees. `only_a` and `only_b` examples count in
    one of two evaluations, and are left out.

    >>> result = compare([0, 0, 1, 0] * 10, [1, 0, 1, 0] * 10)
    >>> result.effect.value, result.wins, result.losses, result.ties, result.reliable
    (0.25, 10, 0, 30, True)
    """

    n: int
    mean_a: float
    mean_b: float
    effect: Estimate
    wins: int
    losses: int
    ties: int
    p_sign: float
    p_bootstrap: float
    detectable: float
    name_a: str = "A"
    name_b: str = "B"
    only_a: int = 0
    only_b: int = 0

    @property
    def reliable(self) -> bool:
        """Whether the difference is more than chance, at the level of the interval."""
        return 0.0 not in self.effect and self.p_bootstrap <= 1 - self.effect.level

    @property
    def verdict(self) -> str:
        """The result in one sentence, and in another what was left out of it."""
        return " ".join([self._said(), *self._left_out()])

    def _said(self) -> str:
        e = self.effect
        numbers = f"{e.value:+.3f}, {100 * e.level:g} % interval {e.low:+.3f} to {e.high:+.3f}, n={self.n}"
        if self.reliable:
            better, worse = (self.name_b, self.name_a) if e.value > 0 else (self.name_a, self.name_b)
            return f"{better} is better than {worse} ({numbers})."
        return (
            f"There is no reliable difference between {self.name_a} and {self.name_b} ({numbers}); "
            f"with these rows only a difference of about {self.detectable:.3f} or more would show."
        )

    def _left_out(self) -> list[str]:
        sides = ((self.only_a, self.name_a), (self.only_b, self.name_b))
        return [f"Left out: {counted(n, 'example')} that {'counts' if n == 1 else 'count'} in {name} only." for n, name in sides if n]

    def __str__(self) -> str:
        rows = f"{counted(self.wins, 'win')}, {counted(self.losses, 'loss', 'losses')}, {counted(self.ties, 'tie')}"
        return f"{self.verdict} {rows}; sign test p={self.p_sign:.3g}."


def compare(
    a: Iterable[Any],
    b: Iterable[Any],
    *,
    level: float = 0.95,
    resamples: int | None = None,
    seed: int = 0,
    names: tuple[str, str] = ("A", "B"),
) -> Comparison:
    """Compare two programs over the same rows: two evaluations of one devset, or two lists of scores in the same order.

    Of evaluations the rows count that have a score in both, whatever their order; repeats of an example are put together first, as they are
    no new rows.

    Where rows only win, lose or tie the interval is that of Bonett and Price (2012), with Student's t: a win and a loss are added, so that
    two identical programs are not called identical for certain. Otherwise it is Hall's skewness-corrected t (1992) of the row differences,
    to which a win and a loss are added as far as rows tie. In simulations 95 % intervals hold the true difference in 93 to 97 % of the
    cases; in more, up to all, where rows are few (below twenty) or nearly all tie; in less where large differences are so rare that the
    rows seen held none. `resamples` defaults to 2000, fewer above 2500 rows. The same seed gives the same result. `level` is the share of
    intervals that shall hold the true difference, `names` what the two are called in the verdict.

    Raises `InputError` when there is nothing to compare, or the lists differ in length.

    >>> a = [0, 0, 1, 0, 1, 0, 0, 1, 0, 0] * 4
    >>> compare(a, [1, 1, 1, 0, 1, 1, 0, 1, 1, 0] * 4).verdict
    'B is better than A (+0.400, 95 % interval +0.215 to +0.547, n=40).'
    >>> compare(a[:6], [1, 0, 1, 0, 0, 0]).reliable
    False
    """
    alone = (0, 0)
    _check(names, resamples)
    if isinstance(a, EvaluationResult) and isinstance(b, EvaluationResult):
        a, b, alone = _paired(a, b)
    check_level(level)
    first, second = (numbers_of(scores) if scores else [] for scores in (_listed(a), _listed(b)))
    if len(first) != len(second) or not first:
        raise InputError(f"There are {len(first)} scores of A and {len(second)} of B; a comparison needs the same rows, at least one.")
    differences = [y - x for x, y in zip(first, second, strict=True)]
    n, mean = len(differences), math.fsum(differences) / len(differences)
    unit = min(*first, *second) >= 0 and max(*first, *second) <= 1
    spread = 1.0 if unit else max(*first, *second) - min(*first, *second) or 1.0
    effect, error = _effect(differences, mean, unit, spread, level)
    wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    return Comparison(
        n=n,
        mean_a=math.fsum(first) / n,
        mean_b=math.fsum(second) / n,
        effect=effect,
        wins=wins,
        losses=losses,
        ties=n - wins - losses,
        p_sign=sign_test(wins, losses),
        p_bootstrap=_bootstrap_p(differences, mean, resamples or max(500, min(2000, 5_000_000 // n)), seed),
        detectable=(normal_quantile((1 + level) / 2) + normal_quantile(0.8)) * error,
        name_a=names[0],
        name_b=names[1],
        only_a=alone[0],
        only_b=alone[1],
    )


def _check(names: Any, resamples: Any) -> None:
    if isinstance(names, str) or len(names) != 2:
        raise ConfigurationError(f"`names` is {names!r}; give what the two are called, such as ('before', 'after').")
    if resamples is not None and (not isinstance(resamples, int) or resamples < 1):
        raise ConfigurationError(f"`resamples` is {resamples!r}; give a whole number, 2000 is usual, or leave it out.")


def _listed(scores: Any) -> list[Any]:
    """One of two lists of scores. Raises `InputError` for an evaluation, which is compared with another one, and for what is none."""
    if isinstance(scores, str | Mapping) or not isinstance(scores, Iterable):
        listed, odd = [], [scores]
    else:
        listed = list(scores)
        odd = [score for score in listed if isinstance(score, EvaluationResult)]
    if odd:
        raise InputError(f"`compare` takes two evaluations, or two lists of scores; this is {odd[0]!r:.80}, {a_kind(odd[0])}.")
    return listed


def _paired(a: EvaluationResult, b: EvaluationResult) -> tuple[list[float], list[float], tuple[int, int]]:
    """The mean score of each example that counts in both, side by side, and how many count in only one."""
    first, second = _by_example(a), _by_example(b)
    shared = [place for place in first if place in second]
    if not shared:
        raise InputError("No example counts in both evaluations. Were they made with the same devset?")
    alone = len(first) - len(shared), len(second) - len(shared)
    return [first[place] for place in shared], [second[place] for place in shared], alone


def _by_example(result: EvaluationResult) -> dict[tuple[str, int], float]:
    scores: dict[tuple[str, int], list[float]] = {}
    for row, place in zip(result.rows, places_of(result), strict=True):
        if row.score is not None:
            scores.setdefault(place, []).append(row.score.value)
    return {place: math.fsum(values) / len(values) for place, values in scores.items()}


def places_of(result: EvaluationResult) -> list[tuple[str, int]]:
    """What rows of two evaluations find each other by, in whatever order the devset was: the fields of the example, and, where it stands in
    the devset more than once, which of them it is."""
    numbers: dict[tuple[str, int], int] = {}
    times: Counter[str] = Counter()
    places = []
    for row in result.rows:
        key = key_of(row.example)
        if (key, row.index) not in numbers:
            numbers[(key, row.index)] = times[key]
            times[key] += 1
        places.append((key, numbers[(key, row.index)]))
    return places


def _effect(differences: list[float], mean: float, unit: bool, spread: float, level: float) -> tuple[Estimate, float]:
    """The mean difference with its interval, and its standard error; `unit`: all scores lie between 0 and 1, `spread`: how far apart."""
    n = len(differences)
    sizes = {abs(d) for d in differences if d}
    steps, largest = len(sizes) <= 1, max(sizes, default=spread)
    extra = 1.0 if steps else differences.count(0.0) / n
    size = math.sqrt(largest) if unit else largest
    total = n + 2 * extra
    centre = mean * n / total
    variance = (math.fsum((d - centre) ** 2 for d in differences) + extra * ((size - centre) ** 2 + (size + centre) ** 2)) / total
    if steps:
        half = t_quantile((1 + level) / 2, max(1, n - 1)) * math.sqrt(variance / total)
        low, high, method = centre - half, centre + half, "Bonett and Price, with t"
    else:
        third = math.fsum((d - centre) ** 3 for d in differences) + extra * ((size - centre) ** 3 - (size + centre) ** 3)
        variance *= n / (n - 1)
        low, high = skewed_t(centre, variance, third / total, total, level)
        method = "paired t, corrected for skewness"
    low, high = min(mean, low), max(mean, high)
    if unit:
        low, high = max(-1.0, low), min(1.0, high)
    return Estimate(value=mean, low=low, high=high, n=n, level=level, method=method), math.sqrt(variance / total)


def _bootstrap_p(differences: list[float], mean: float, resamples: int, seed: int) -> float:
    """The share of resamples, centred on no difference, whose mean is at least as far out as the one seen."""
    if not any(differences):
        return 1.0
    rng, n = random.Random(seed), len(differences)
    far = abs(mean) * n - 1e-9
    shift = mean * n
    beyond = sum(abs(sum(rng.choices(differences, k=n)) - shift) >= far for _ in range(resamples))
    return (1 + beyond) / (1 + resamples)
