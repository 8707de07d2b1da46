"""Late interaction on this machine: every word of a query looks for its best match among the words of a passage."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from math import isfinite
from operator import mul
from typing import Any

from whet.core.hashing import hash_embed
from whet.core.wording import counted
from whet.errors import InputError
from whet.retrieve.bm25 import search_words
from whet.retrieve.passage import NONE_YET, Passage, Searching, as_corpus, as_passages, check_queries

__all__ = ["LateInteraction", "hashed_word_vectors"]

# So many vectors are worth loading numpy for, where it is installed.
_MANY = 1_000

Vector = tuple[float, ...]
TokenVectors = Callable[[Sequence[str]], Sequence[Sequence[Sequence[float]]]]


def hashed_word_vectors(texts: Sequence[str], dim: int = 96) -> list[list[list[float]]]:
    """For each text one vector of norm 1 per word, from the word's characters: spelling variants are near, synonyms are not.

    >>> [len(vectors) for vectors in hashed_word_vectors(["two words", ""])]
    [2, 0]
    """
    split = [search_words(text) for text in texts]
    distinct = list({word: None for text in split for word in text})
    vectors = dict(zip(distinct, hash_embed(distinct, dim), strict=True))
    return [[vectors[word] for word in text] for text in split]


class LateInteraction(Searching):
    """Scores passages like ColBERT (Khattab and Zaharia 2020): for each word of the query the largest dot product with a word of the
    passage, summed up ("MaxSim").

    `token_vectors` turns texts into one list of vectors each, by default hashed words, so that it runs without a model; give it a real
    token encoder for real semantics. As a retriever it searches its `passages` exactly, in the time of one dot product per distinct vector
    and query word (with numpy, where it is installed), so it is for thousands of passages, not for millions; as a reranker (`rerank`) it
    needs none.

    >>> index = LateInteraction(["declined card payments", "opening hours"])
    >>> index("my payment was declined", k=1)[0].text
    'declined card payments'
    """

    def __init__(self, passages: Iterable[Any] = NONE_YET, *, token_vectors: TokenVectors = hashed_word_vectors) -> None:
        self.passages = as_corpus(passages)
        self.token_vectors = token_vectors
        self._length = 0
        self._vectors: list[Vector] = []
        self._numbers: dict[Vector, int] = {}
        self._rows = self._index([passage["text"] for passage in self.passages], keep=True)[0]
        self._near = _dot_products(self._vectors)

    def search(self, queries: Sequence[str], k: int) -> list[list[Passage]]:
        """For each query the `k` best of the passages."""
        check_queries(queries, k)
        found = []
        for query in self._embed(queries):
            scores = _max_sim(query, self._near, self._rows)
            best = heapq.nsmallest(k, range(len(scores)), key=lambda number, scores=scores: (-scores[number], number))  # type: ignore[misc]
            found.append([self.passages[number].scored(scores[number]) for number in best])
        return found

    def rerank(self, query: str, passages: Sequence[Passage]) -> list[Passage]:
        """The passages by their score for the query, the best first; equal ones keep their order."""
        check_queries([query], 1)
        given = as_passages(passages)
        rows, vectors = self._index([passage["text"] for passage in given], keep=False)
        scores = _max_sim(self._embed([query])[0], _dot_products(vectors), rows)
        order = sorted(range(len(given)), key=lambda number: -scores[number])
        return [given[number].scored(scores[number]) for number in order]

    def _embed(self, texts: Sequence[str]) -> list[list[Vector]]:
        embedded = [[tuple(map(float, vector)) for vector in vectors] for vectors in self.token_vectors(list(texts))]
        if len(embedded) != len(texts):
            raise InputError(f"`token_vectors` gave vectors for {counted(len(embedded), 'text')}, but there are {len(texts)}.")
        for text, vectors in zip(texts, embedded, strict=True):
            for vector in vectors:
                self._length = self._length or len(vector)
                if len(vector) != self._length or not isfinite(sum(vector)):
                    raise InputError(
                        f"`token_vectors` gave a vector of {len(vector)} numbers for {text!r:.40}; each has {self._length}, all finite."
                    )
        return embedded

    def _index(self, texts: list[str], *, keep: bool) -> tuple[list[list[int]], list[Vector]]:
        """Each distinct vector once; a text is the numbers of its vectors."""
        vectors, numbers = (self._vectors, self._numbers) if keep else ([], {})
        rows = []
        for embedded in self._embed(texts) if texts else ():
            row = []
            for vector in dict.fromkeys(embedded):
                if vector not in numbers:
                    numbers[vector] = len(vectors)
                    vectors.append(vector)
                row.append(numbers[vector])
            rows.append(row)
        return rows, vectors


def _dot_products(vectors: list[Vector]) -> Callable[[Vector], list[float]]:
    """The function from one vector to its dot product with each of these."""
    if len(vectors) >= _MANY and len(set(map(len, vectors))) == 1:
        with suppress(ImportError):
            import numpy  # noqa: PLC0415 - optional

            matrix = numpy.asarray(vectors)
            return lambda word: (matrix @ numpy.asarray(word)).tolist()
    return lambda word: [sum(map(mul, word, vector)) for vector in vectors]


def _max_sim(query: list[Vector], dot_products: Callable[[Vector], list[float]], rows: list[list[int]]) -> list[float]:
    scores = [0.0] * len(rows)
    for word in query:
        near = dot_products(word)
        for number, row in enumerate(rows):
            if row:
                scores[number] += max(map(near.__getitem__, row))
    return scores
