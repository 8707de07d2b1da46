"""Several rankings made one: reciprocal rank fusion, and a retriever that fuses others."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, Protocol, TypeVar

from whet.core.wording import counted
from whet.errors import ConfigurationError, InputError
from whet.retrieve.passage import (
    Passage,
    Retriever,
    Searching,
    as_passages,
    check_k,
    check_pool,
    check_queries,
    check_retriever,
    checked_rankings,
)

__all__ = ["Hybrid", "Reranked", "Reranker", "fuse", "fuse_passages"]

Item = TypeVar("Item", bound=Hashable)


def fuse(rankings: Sequence[Sequence[Item]], *, weights: Sequence[float] | None = None, constant: int = 60) -> list[tuple[Item, float]]:
    """Items with their fused scores, the best first: the sum over rankings of weight / (constant + place).

    Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009). Only places count, so scores of different kinds can be fused. An item that
    a ranking repeats counts at its first place. Equal scores keep the order of the rankings. Raises `ConfigurationError` for weights that
    are no numbers from 0 up, one for each ranking.

    >>> [item for item, score in fuse([["a", "b", "c"], ["b", "d"]])]
    ['b', 'a', 'd', 'c']
    """
    if constant < 0:
        raise ConfigurationError(f"`constant` is {constant}; it is added to places that begin at 1, and is not negative. 60 is usual.")
    shares = _shares(weights, len(rankings), "ranking")
    scores: dict[Item, float] = {}
    for ranking, share in zip(rankings, shares, strict=True):
        if isinstance(ranking, str):
            raise InputError(f"A ranking is a list of items; this is one text: {ranking!r:.80}.")
        for place, item in enumerate(dict.fromkeys(map(_item, ranking)), 1):
            scores[item] = scores.get(item, 0.0) + share / (constant + place)
    return sorted(scores.items(), key=lambda pair: -pair[1])


def _item(item: Item) -> Item:
    if isinstance(item, Mapping):
        raise InputError(f"`fuse` puts names in order; for passages there is `fuse_passages`. This is {item!r:.80}.")
    return item


def _is_weight(share: Any) -> bool:
    return isinstance(share, Real) and 0 <= float(share) < math.inf


def _shares(weights: Sequence[float] | None, count: int, what: str) -> list[float]:
    shares: list[Any] = list(weights) if weights is not None else [1.0] * count
    if len(shares) != count:
        raise ConfigurationError(f"{counted(count, what)} but {counted(len(shares), 'weight')}; give one for each.")
    if not all(map(_is_weight, shares)) or (shares and not any(shares)):
        raise ConfigurationError(f"`weights` are {shares}; each is a number from 0 up, and one at least is above.")
    return shares


def fuse_passages(rankings: Sequence[Sequence[Any]], k: int, *, weights: Sequence[float] | None = None) -> list[Passage]:
    """The `k` best passages (or texts) of several rankings; passages with the same text are one. `weights` are one number from 0 up for
    each ranking (default: all the same).

    Use it for the results of several queries of one question, too.

    >>> [passage.text for passage in fuse_passages([["a fox", "a wolf"], ["a wolf", "a hare"]], k=2)]
    ['a wolf', 'a fox']
    """
    check_k(k)
    read = [as_passages(ranking) for ranking in rankings]
    first: dict[str, Passage] = {}
    for ranking in read:
        for passage in ranking:
            first.setdefault(passage["text"], passage)
    fused = fuse([[passage["text"] for passage in ranking] for ranking in read], weights=weights)
    return [first[text].scored(score) for text, score in fused[:k]]


class Hybrid(Searching):
    """Searches with several retrievers and fuses their rankings; each is asked for `pool` passages (default: five times `k`). `weights` are
    one number from 0 up for each retriever (default: all the same).

    >>> from whet.retrieve.bm25 import BM25
    >>> both = Hybrid(BM25(["red fox", "grey wolf"]), BM25(["fox", "red panda"]))
    >>> [passage.text for passage in both("red fox", k=2)]
    ['red fox', 'fox']
    """

    def __init__(self, *retrievers: Retriever, weights: Sequence[float] | None = None, pool: int | None = None) -> None:
        if not retrievers:
            raise ConfigurationError("`Hybrid` needs at least one retriever.")
        for retriever in retrievers:
            check_retriever(retriever)
        _shares(weights, len(retrievers), "retriever")
        check_pool(pool)
        self.retrievers, self.weights, self.pool = retrievers, weights, pool

    def search(self, queries: Sequence[str], k: int) -> list[list[Passage]]:
        """For each query the `k` best passages of all retrievers."""
        check_queries(queries, k)
        each = [_searched(retriever, queries, max(k, self.pool or 5 * k)) for retriever in self.retrievers]
        return [fuse_passages(rankings, k, weights=self.weights) for rankings in zip(*each, strict=True)]


class Reranker(Protocol):
    """Whatever orders passages anew for a query: a cross-encoder, a model as judge, `LateInteraction`.

    >>> class Longest:
    ...     def rerank(self, query, passages):
    ...         return sorted((passage.scored(len(passage.text)) for passage in passages), key=lambda passage: -passage.score)
    >>> longest: Reranker = Longest()
    >>> [passage.text for passage in longest.rerank("fox", [Passage(text="a fox"), Passage(text="a red fox")])]
    ['a red fox', 'a fox']
    """

    def rerank(self, query: str, passages: Sequence[Passage]) -> list[Passage]:
        """The same passages, the best first, with new scores."""
        ...


class Reranked(Searching):
    """A retriever whose first `pool` passages are put in order by a reranker.

    >>> from whet.retrieve.bm25 import BM25
    >>> class Shortest:
    ...     def rerank(self, query, passages):
    ...         return sorted(passages, key=lambda passage: len(passage.text))
    >>> Reranked(BM25(["a fox and a hound", "a fox"]), Shortest())("fox hound", k=1)[0].text
    'a fox'
    """

    def __init__(self, retriever: Retriever, reranker: Reranker, *, pool: int = 50) -> None:
        check_retriever(retriever)
        if not callable(getattr(reranker, "rerank", None)):
            raise ConfigurationError(f"A reranker has a method `rerank(query, passages)`; {reranker!r:.80} has none.")
        check_pool(pool)
        self.retriever, self.reranker, self.pool = retriever, reranker, pool

    def search(self, queries: Sequence[str], k: int) -> list[list[Passage]]:
        """For each query the `k` best passages after reranking."""
        check_queries(queries, k)
        found = _searched(self.retriever, queries, max(k, self.pool))
        return [self._reranked(query, passages)[:k] for query, passages in zip(queries, found, strict=True)]

    def _reranked(self, query: str, passages: list[Any]) -> list[Passage]:
        ordered: Any = self.reranker.rerank(query, as_passages(passages))
        if not isinstance(ordered, Iterable):
            raise InputError(f"`{type(self.reranker).__name__}.rerank` gives passages; it gave {ordered!r:.80}.")
        return as_passages(ordered)


def _searched(retriever: Retriever, queries: Sequence[str], k: int) -> list[Any]:
    return checked_rankings(retriever, queries, retriever.search(queries, k))
