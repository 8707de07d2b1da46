"""How good is a ranking: rank precision, NDCG, recall, precision and the place of the first hit."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence, Set

from whet.core.wording import a_kind
from whet.errors import ConfigurationError, InputError

__all__ = ["ndcg", "precision_at", "rank_precision", "recall_at", "reciprocal_rank"]


def rank_precision(relevant: Collection[Hashable], ranked: Sequence[Hashable], k: int) -> float:
    """RP@k: hits among the first `k`, divided by `k` or by the number of relevant items where those are fewer; 1 is always reachable.

    The measure of extreme classification (Chalkidis et al. 2019; IReRa, 2401.12178). Repeated items count once; without relevant items it
    is 0.

    >>> rank_precision({"a", "b"}, ["a", "x", "b"], k=2)
    0.5
    """
    wanted = _wanted(relevant)
    best = min(_positive(k), len(wanted))
    return len(_first(ranked, k) & wanted) / best if best else 0.0


def recall_at(relevant: Collection[Hashable], ranked: Sequence[Hashable], k: int) -> float:
    """The share of the relevant items that stand among the first `k`; 0 without relevant items.

    >>> recall_at({"a", "b", "c", "d"}, ["a", "x", "b"], k=3)
    0.5
    """
    wanted = _wanted(relevant)
    return len(_first(ranked, _positive(k)) & wanted) / len(wanted) if wanted else 0.0


def precision_at(relevant: Collection[Hashable], ranked: Sequence[Hashable], k: int) -> float:
    """The share of the first `k` places that hold a relevant item.

    >>> precision_at({"a", "b"}, ["a", "x", "b", "y"], k=4)
    0.5
    """
    return len(_first(ranked, _positive(k)) & _wanted(relevant)) / k


def reciprocal_rank(relevant: Collection[Hashable], ranked: Sequence[Hashable]) -> float:
    """One divided by the place of the first relevant item; 0 when there is none. Its mean over queries is MRR.

    >>> reciprocal_rank({"b"}, ["a", "b", "c"])
    0.5
    """
    wanted = _wanted(relevant)
    return next((1 / place for place, item in enumerate(_ranking(ranked), 1) if item in wanted), 0.0)


def ndcg(relevant: Collection[Hashable] | Mapping[Hashable, float], ranked: Sequence[Hashable], k: int = 10) -> float:
    """NDCG@k (Jaervelin and Kekaelaeinen 2002): gains discounted by log2(place + 1), divided by the best that was possible.

    `relevant` is a collection of items (gain 1 each) or a mapping from item to gain. A repeated item gains once; without any gain it is 0.
    Raises `ConfigurationError` for a gain below 0 or without end.

    >>> ndcg({"a": 3, "b": 1}, ["a", "b"], k=2), round(ndcg({"a": 3, "b": 1}, ["b", "a"], k=2), 3)
    (1.0, 0.797)
    """
    gains = (
        {item: float(gain) for item, gain in relevant.items()} if isinstance(relevant, Mapping) else dict.fromkeys(_wanted(relevant), 1.0)
    )
    if wrong := next((gain for gain in gains.values() if not 0 <= gain < math.inf), None):
        raise ConfigurationError(f"A gain is {wrong}; gains are 0 or more.")
    best = _discounted(sorted(gains.values(), reverse=True)[: _positive(k)])
    seen: set[Hashable] = set()
    found = []
    for item in _ranking(ranked)[:k]:
        found.append(0.0 if item in seen else gains.get(item, 0.0))
        seen.add(item)
    return _discounted(found) / best if best else 0.0


def _discounted(gains: Sequence[float]) -> float:
    return math.fsum(gain / math.log2(place + 1) for place, gain in enumerate(gains, 1))


def _first(ranked: Sequence[Hashable], k: int) -> set[Hashable]:
    return set(_ranking(ranked)[:k])


def _wanted(relevant: Collection[Hashable]) -> set[Hashable]:
    if isinstance(relevant, str) or not isinstance(relevant, Iterable):
        raise InputError(f"The relevant items are a set, a list or the like; this is {relevant!r:.80}, {a_kind(relevant)}.")
    return set(relevant)


def _ranking(ranked: Sequence[Hashable]) -> Sequence[Hashable]:
    if isinstance(ranked, str | Set | Mapping) or not hasattr(ranked, "__getitem__"):
        raise InputError(
            f"A ranking is a list, the best first; this is {ranked!r:.80}, {a_kind(ranked)}. What is relevant comes before it."
        )
    return ranked


def _positive(k: int) -> int:
    if k < 1:
        raise ConfigurationError(f"`k` is {k}; a ranking is judged by its first 1, 2, 3 ... places.")
    return k
