"""The Pareto front over rows: candidates that are best on some row, and from which of them to go on (GEPA, arXiv 2507.19457)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

__all__ = ["drawn", "fronts", "undominated", "weights"]

Scores = Sequence[Sequence[float | None]]


def fronts(scores: Scores) -> list[frozenset[int]]:
    """For each row (column) the candidates that are best on it; rows that nobody was run on have none.

    >>> fronts([[1, 0, 1], [0, 1, 1]])
    [frozenset({0}), frozenset({1}), frozenset({0, 1})]
    """
    found = []
    for column in range(max((len(row) for row in scores), default=0)):
        values = {i: row[column] for i, row in enumerate(scores) if column < len(row) and row[column] is not None}
        best = max((v for v in values.values() if v is not None), default=None)
        found.append(frozenset(i for i, v in values.items() if v == best))
    return found


def undominated(scores: Scores) -> list[int]:
    """The candidates left when those are gone that are never best without a better one being best too; from the lowest mean up.

    >>> undominated([[1, 0, 1], [0, 1, 1], [0, 0, 1]])
    [0, 1]
    """
    rows = [front for front in fronts(scores) if front]
    alive = set().union(*rows) if rows else set()
    for i in sorted(alive, key=lambda i: (_mean(scores[i]), i)):
        mine = [front for front in rows if i in front]
        if all(front & (alive - {i}) for front in mine) and len(alive) > 1:
            alive.discard(i)
    return sorted(alive)


def weights(scores: Scores) -> dict[int, int]:
    """On how many rows each undominated candidate is best."""
    alive = set(undominated(scores))
    counts = Counter(i for front in fronts(scores) for i in front if i in alive)
    return {i: counts[i] for i in sorted(alive)}


def drawn(scores: Scores, count: int, rng: Random) -> list[int]:
    """Candidates to go on from, each as probable as the number of rows that it is best on; the first one alone if nothing was run."""
    found = weights(scores)
    return rng.choices(list(found), list(found.values()), k=count) if found else [0] * count


def _mean(values: Sequence[float | None]) -> float:
    counted = [v for v in values if v is not None]
    return sum(counted) / len(counted) if counted else 0.0
