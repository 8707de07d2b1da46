"""Labelled rows as demos."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from whet.core.wording import counted
from whet.optimize.candidate import Candidate

__all__ = ["labeled"]


def labeled(
    candidate: Candidate, rows: Sequence[Any], k: int, *, sample: bool = True, rng: Random | None = None, seed: int | None = None
) -> Candidate:
    """The candidate with `k` rows as demos for each predictor: drawn by one generator for all of them, or the first ones.

    Without rows it is the candidate itself.

    >>> from whet.core.param import Learnt
    >>> plain = Candidate(params={"self": Learnt(instructions="Answer.")})
    >>> len(labeled(plain, ["a", "b", "c"], 2).params["self"].demos)
    2
    """
    if not rows or k <= 0:
        return candidate
    rng = rng or Random(0)
    count = min(k, len(rows))
    demos: dict[str, list[Any]] = {name: rng.sample(list(rows), count) if sample else list(rows[:count]) for name in candidate.params}
    return candidate.with_demos(demos, counted(count, "labelled demo"), seed=seed)
