"""Sets of demos of different kinds and sizes, made from the rows and from right answers that are there already; costs no call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from whet.core.records import Example
from whet.core.text import words
from whet.optimize.candidate import Candidate

__all__ = ["KINDS", "DemoPool", "diverse", "kinds_up_to"]

# What a set is made of, and how many demos: labelled rows; right answers filled up with labels; right answers; a varied choice of both.
KINDS = (("labels", 16), ("mixed", 4), ("mixed", 8), ("answers", 4), ("answers", 8), ("varied", 8), ("varied", 16), ("answers", 12))


def kinds_up_to(limit: int) -> list[tuple[str, int]]:
    """The kinds of sets with at most so many demos.

    >>> kinds_up_to(4)[:3]
    [('labels', 4), ('mixed', 2), ('mixed', 4)]
    """
    if limit >= 16:
        return list(KINDS)
    half = max(1, limit // 2)
    shorter = [
        ("labels", limit),
        ("mixed", half),
        ("mixed", limit),
        ("answers", half),
        ("answers", limit),
        ("varied", limit),
        ("varied", half),
    ]
    return list(dict.fromkeys(shorter)) if limit > 0 else []


@dataclass(frozen=True, kw_only=True)
class DemoPool:
    """Right answers by row (`made`: one demo per predictor), and the labelled rows; `limit` is the most demos that one set may have."""

    base: Candidate
    made: Sequence[tuple[Any, Mapping[str, Example]]]
    rows: Sequence[Any]
    fields: Mapping[str, tuple[frozenset[str], frozenset[str]]]
    limit: int = 16

    def draw(self, kind: str, count: int, rng: Random) -> dict[str, list[Any]]:
        """A set of demos for each predictor. The predictors' right answers are from the same runs."""
        runs = rng.sample(list(self.made), min(count, len(self.made)))
        raw = rng.sample(list(self.rows), min(16, len(self.rows)))
        return {name: self._set(name, kind, count, runs, raw, rng) for name in self.base.params}

    def _set(self, name: str, kind: str, count: int, runs: Sequence[Any], raw: Sequence[Any], rng: Random) -> list[Any]:
        answers = [made[name] for _, made in runs if name in made]
        if kind == "answers":
            return answers
        if kind == "labels":
            return self._labels(name, raw)[:count]
        if kind == "mixed":
            seen = {id(row) for row, _ in runs}
            return self._labels(name, [r for r in raw if id(r) not in seen])[: max(0, self.limit - len(answers))] + answers
        pool = [made[name] for _, made in self.made if name in made]
        if not self._reasons(name):
            answered = {id(row) for row, _ in self.made}
            pool += self._labels(name, [r for r in self.rows if id(r) not in answered])
        return diverse(pool, count, self.fields[name], rng)

    def _labels(self, name: str, rows: Sequence[Any]) -> list[Any]:
        inputs, outputs = self.fields[name]
        return [row for row in rows if any(f in row for f in outputs) and any(f in row for f in inputs)]

    def _reasons(self, name: str) -> bool:
        return any(f not in row for f in self.fields[name][1] for row in self.rows[:1])


def diverse(pool: Sequence[Any], count: int, fields: tuple[frozenset[str], frozenset[str]], rng: Random) -> list[Any]:
    """Demos that differ: greedily the label seen least so far, then the one with most new words."""
    inputs, outputs = fields
    left = list(pool)
    rng.shuffle(left)
    left = left[:120]
    texts = {id(d): frozenset(words(" ".join(str(v) for k, v in d.items() if k in inputs))) for d in left}
    labels = {id(d): repr(sorted((k, str(v)) for k, v in d.items() if k in outputs and k != "reasoning")) for d in left}
    chosen: list[Any] = []
    times: Counter[str] = Counter()
    seen: set[str] = set()
    while left and len(chosen) < count:
        best = max(left, key=lambda d: -times[labels[id(d)]] + 0.3 * len(texts[id(d)] - seen) / (len(texts[id(d)]) + 1))
        left.remove(best)
        chosen.append(best)
        times[labels[id(best)]] += 1
        seen |= texts[id(best)]
    return chosen
