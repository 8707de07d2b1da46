"""Which combination to try next: a small tree-structured Parzen estimator over choices (Bergstra et al. 2011), without dependencies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from random import Random

__all__ = ["Choices", "suggest"]

Choices = tuple[int, ...]

_ALL = 4096


def suggest(sizes: Sequence[int], seen: Mapping[Choices, float], rng: Random, *, gamma: float = 0.3, draws: int = 48) -> Choices | None:
    """The untried combination that looks most like the best `gamma` of those seen and least like the others; `None` when all were tried.

    A combination has one choice below each of `sizes`. Each place has its own two distributions, smoothed towards all choices being equal.

    >>> suggest([2, 2], {(0, 0): 0.1, (0, 1): 0.9, (1, 0): 0.2}, Random(0))
    (1, 1)
    """
    fresh = _untried(sizes, seen, rng, draws)
    if not fresh:
        return None
    if not seen:
        return fresh[0]
    order = sorted(seen, key=lambda c: -seen[c])
    count = max(1, math.ceil(gamma * len(order)))
    good, bad = order[:count], order[count:]
    tables = [(_table(good, place, size), _table(bad, place, size)) for place, size in enumerate(sizes)]
    return max(fresh, key=lambda c: sum(math.log(up[i] / down[i]) for i, (up, down) in zip(c, tables, strict=True)))


def _untried(sizes: Sequence[int], seen: Mapping[Choices, float], rng: Random, draws: int) -> list[Choices]:
    if math.prod(sizes) <= _ALL:
        rest = [c for c in product(*map(range, sizes)) if c not in seen]
        rng.shuffle(rest)
        return rest
    drawn = (tuple(rng.randrange(size) for size in sizes) for _ in range(draws))
    near = [_changed(base, sizes, rng) for base in sorted(seen, key=lambda c: -seen[c])[:4] for _ in range(draws // 4)]
    return [c for c in dict.fromkeys([*drawn, *near]) if c not in seen]


def _changed(base: Choices, sizes: Sequence[int], rng: Random) -> Choices:
    place = rng.randrange(len(sizes))
    return (*base[:place], rng.randrange(sizes[place]), *base[place + 1 :])


def _table(group: Sequence[Choices], place: int, size: int, prior: float = 1.0) -> list[float]:
    counts = [prior / size] * size
    for choices in group:
        counts[choices[place]] += 1
    total = sum(counts)
    return [c / total for c in counts]
