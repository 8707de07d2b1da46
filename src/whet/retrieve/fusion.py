"""Several rankings made one: reciprocal rank fusion, and a retriever that fuses others."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Protocol, TypeVar

from whet.errors import ConfigurationError
from whet.retrieve.passage import Passage, Retriever, Searching, check_queries, check_retriever

__all__ = ["Hybrid", "Reranked", "Reranker", "fuse", "fuse_passages"]

Item = TypeVar("Item", bound=Hashable)


def fuse(rankings: Sequence[Sequence[Item]], *, weights: Sequence[float] | None = None, constant: int = 60) -> list[tuple[Item, float]]:
    """Items with their fused scores, the best first: the sum over rankings of weight / (constant + place).

    Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009). Only places count, so scores of different kinds can be fused. An item that
    a ranking repeats counts at its first place.

    >>> [item for item, score in fuse([["a", "b", "c"], ["b", "d"]])]
    ['b', 'a', 'd', 'c']
    """
    shares = list(weights) if weights is not None else [1.0] * len(rankings)
    if len(shares) != len(rankings):
        raise ConfigurationError(f"There are {len(rankings)} rankings but {len(shares)} weights; give one per ranking.")
    scores: dict[Item, float] = {}
    for ranking, share in zip(rankings, shares, strict=True):
        for place, item in enumerate(dict.fromkeys(ranking), 1):
            scores[item] = scores.get(item, 0.0) + share / (constant + place)
    return sorted(scores.items(), key=lambda pair: -pair[1])


def fuse_passages(rankings: Sequence[Sequence[Passage]], k: int, *, weights: Sequence[float] | None = None) -> list[Passage]:
    """The `k` best passages of several rankings; passages with the same text are one.

    Use it for the results of several queries of one question, too.
    """
    first: dict[str, Passage] = {}
    for ranking in rankings:
        for passage in ranking:
            first.setdefault(passage["text"], passage)
    fused = fuse([[passage["text"] for passage in ranking] for ranking in rankings], weights=weights)
    return [first[text].scored(score) for text, score in fused[:k]]


class Hybrid(Searching):
    """Searches with several retrievers and fuses their rankings; each is asked for `pool` passages (default: five times `k`).

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
        if weights is not None and len(weights) != len(retrievers):
            raise ConfigurationError(f"There are {len(retrievers)} retrievers but {len(weights)} weights; give one per retriever.")
        self.retrievers, self.weights, self.pool = retrievers, weights, pool

    def search(self, queries: Sequence[str], k: int) -> list[list[Passage]]:
        """For each query the `k` best passages of all retrievers."""
        check_queries(queries, k)
        each = [retriever.search(queries, max(k, self.pool or 5 * k)) for retriever in self.retrievers]
        return [fuse_passages(rankings, k, weights=self.weights) for rankings in zip(*each, strict=True)]


class Reranker(Protocol):
    """Whatever orders passages anew for a query: a cross-encoder, a model as judge, `LateInteraction`."""

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
        self.retriever, self.reranker, self.pool = retriever, reranker, pool

    def search(self, queries: Sequence[str], k: int) -> list[list[Passage]]:
        """For each query the `k` best passages after reranking."""
        check_queries(queries, k)
        found: Any = self.retriever.search(queries, max(k, self.pool))
        return [list(self.reranker.rerank(query, passages))[:k] for query, passages in zip(queries, found, strict=True)]
