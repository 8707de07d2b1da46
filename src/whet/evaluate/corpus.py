"""Scores of a whole corpus that are no mean of its rows: precision, recall and F1 from added-up counts, with intervals."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from whet.errors import ConfigurationError, InputError
from whet.evaluate.statistics import Estimate, share_interval

__all__ = ["Counts", "CorpusScore", "corpus_f1", "count_hits"]

_RESAMPLES = 1000
Average = Literal["micro", "macro"]


@dataclass(frozen=True, slots=True)
class Counts:
    """True positives, false positives and false negatives; they add up over rows.

    >>> total = Counts(3, 1, 2) + Counts(1, 0, 0)
    >>> total.precision, round(total.recall, 3), round(total.f1, 3)
    (0.8, 0.667, 0.727)
    """

    tp: float = 0
    fp: float = 0
    fn: float = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """The share of what was found that is right; 0 when nothing was found."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0

    @property
    def recall(self) -> float:
        """The share of what is right that was found; 0 when there was nothing to find."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both; 1 when there was nothing to find and nothing was found."""
        wrong = self.fp + self.fn
        return 2 * self.tp / (2 * self.tp + wrong) if self.tp or wrong else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusScore:
    """Precision, recall and F1 of a corpus with their intervals, and the counts of each label."""

    precision: Estimate
    recall: Estimate
    f1: Estimate
    by_label: Mapping[Any, Counts]

    def __float__(self) -> float:
        return self.f1.value

    def __str__(self) -> str:
        return f"F1 {self.f1}, precision {self.precision.value:.3f}, recall {self.recall.value:.3f}"


def count_hits(gold: Any, found: Any, *, positive: Hashable | None = None) -> dict[Any, Counts]:
    """The counts of one row, by label.

    `gold` and `found` are labels, or sets (lists, tuples) of labels for a row with several. With `positive`, only that label counts.

    >>> count_hits("spam", "ham")
    {'spam': Counts(tp=0, fp=0, fn=1), 'ham': Counts(tp=0, fp=1, fn=0)}
    >>> count_hits({"a", "b"}, ["b"], positive="b")
    {'b': Counts(tp=1, fp=0, fn=0)}
    """
    wanted, given = _labels(gold), _labels(found)
    labels = dict.fromkeys([*wanted, *given]) if positive is None else ([positive] if positive in wanted or positive in given else [])
    return {x: Counts(int(x in wanted and x in given), int(x not in wanted), int(x not in given)) for x in labels}


def corpus_f1(
    gold: Iterable[Any],
    found: Iterable[Any],
    *,
    positive: Hashable | None = None,
    average: Average = "micro",
    level: float = 0.95,
    seed: int = 0,
) -> CorpusScore:
    """Precision, recall and F1 over all rows, with their intervals.

    The interval is the percentile bootstrap over rows (1000 resamples), never narrower than what the counts allow by themselves: precision
    and recall are shares (`share_interval`), and so, by a formula, is F1. The bootstrap alone would be certain of a perfect score after
    twenty rows, and holds a true recall of 0.98 in 16 of 100 cases there.

    Rows hold one label or several each. `positive` is the one label of a yes/no task; without it `average` says how labels are put
    together: "micro" adds up the counts, "macro" is the mean over the labels of the gold rows. Raises `InputError` when the lists are empty
    or differ in length.

    >>> score = corpus_f1(["y", "n", "y", "n", "y"], ["y", "y", "n", "n", "y"], positive="y")
    >>> round(float(score), 3), round(score.precision.value, 3)
    (0.667, 0.667)
    """
    if average not in ("micro", "macro"):
        raise ConfigurationError(f"`average` is {average!r}; it can be 'micro' or 'macro'.")
    wanted, given = list(gold), list(found)
    if len(wanted) != len(given) or not wanted:
        raise InputError(f"There are {len(wanted)} gold rows and {len(given)} found ones; there must be as many of both, at least one.")
    rows = [count_hits(g, f, positive=positive) for g, f in zip(wanted, given, strict=True)]
    labels = [positive] if positive is not None else list(dict.fromkeys(x for g in wanted for x in _labels(g)))
    macro = average == "macro" and positive is None
    kinds, which = _kinds(rows)
    whole = _combine(kinds, Counter(which), labels, macro)
    rng, n = random.Random(seed), len(rows)
    draws = [_combine(kinds, Counter(rng.choices(which, k=n)), labels, macro) for _ in range(_RESAMPLES)]
    by_label = _add_up(kinds, Counter(which))
    least = _of_counts(sum(by_label.values(), Counts()), positive is not None, level)
    estimates = [_estimate(whole[i], sorted(d[i] for d in draws), least[i], n, level) for i in range(3)]
    return CorpusScore(precision=estimates[0], recall=estimates[1], f1=estimates[2], by_label=by_label)


Kind = tuple[tuple[Any, Counts], ...]


def _labels(value: Any) -> set[Any]:
    if value is None:
        return set()
    return set(value) if isinstance(value, set | frozenset | list | tuple) else {value}


def _kinds(rows: Sequence[dict[Any, Counts]]) -> tuple[list[Kind], list[int]]:
    """Rows with the same counts are one kind: a resample then needs only how often each kind was drawn."""
    numbers: dict[Kind, int] = {}
    which = [numbers.setdefault(tuple(row.items()), len(numbers)) for row in rows]
    return list(numbers), which


def _add_up(kinds: list[Kind], drawn: Mapping[int, int]) -> dict[Any, Counts]:
    sums: dict[Any, list[float]] = {}
    for kind, times in drawn.items():
        for label, counts in kinds[kind]:
            total = sums.setdefault(label, [0, 0, 0])
            total[0] += times * counts.tp
            total[1] += times * counts.fp
            total[2] += times * counts.fn
    return {label: Counts(*total) for label, total in sums.items()}


def _combine(kinds: list[Kind], drawn: Mapping[int, int], labels: Sequence[Any], macro: bool) -> tuple[float, float, float]:
    sums = _add_up(kinds, drawn)
    if not macro:
        total = sum(sums.values(), Counts())
        return total.precision, total.recall, total.f1
    each = [sums[x] for x in labels if x in sums]  # a label that a resample left out says nothing about it
    n = max(1, len(each))
    return sum(c.precision for c in each) / n, sum(c.recall for c in each) / n, sum(c.f1 for c in each) / n


def _of_counts(total: Counts, one_label: bool, level: float) -> list[tuple[float, float]]:
    """How far down and up precision, recall and F1 may be off, by their counts alone."""
    hits, wrong = round(total.tp), round(total.fp + total.fn)
    precision, recall = (_share(hits, hits + round(other), level) for other in (total.fp, total.fn))
    off = [(e.value - e.low, e.high - e.value) for e in (precision, recall)]
    if one_label:  # each mistake is one count: F1 is a function of the share of hits
        share = _share(hits, hits + wrong, level)
        return [*off, (total.f1 - _f1_of(share.low), _f1_of(share.high) - total.f1)]
    return [*off, (max(off[0][0], off[1][0]), max(off[0][1], off[1][1]))]


def _share(hits: int, n: int, level: float) -> Estimate:
    return share_interval(hits, n, level=level) if n else Estimate(value=0.0, low=0.0, high=1.0, n=0)


def _f1_of(share: float) -> float:
    """F1 where this share of hits, false positives and false negatives are hits."""
    return 2 * share / (1 + share)


def _estimate(value: float, draws: list[float], least: tuple[float, float], n: int, level: float) -> Estimate:
    cut = (1 - level) / 2 * (len(draws) - 1)
    low, high = draws[math.floor(cut)], draws[math.ceil(len(draws) - 1 - cut)]
    low, high = max(0.0, min(low, value - least[0])), min(1.0, max(high, value + least[1]))
    return Estimate(value=value, low=low, high=high, n=n, level=level, method="bootstrap, at least as wide as by counts")
