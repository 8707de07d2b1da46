"""`KNN`: the examples of a training set whose inputs are nearest to given ones."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from operator import mul
from typing import Any

from whet.errors import ConfigurationError, InputError

__all__ = ["KNN"]


class KNN:
    """Finds examples by their inputs: `knn(question=...)` gives the `k` nearest of `trainset`, the nearest first.

    The text `field: value | field: value` of the input fields is compared by the dot product of its vectors. `vectorizer` is a
    `whet.Embedder` or any callable that turns a list of texts into rows of numbers; it is called once for the whole set and once per query.

    >>> from whet.core.hashing import hash_embed
    >>> from whet.core.records import Example
    >>> rows = [Example(q=q, a=a).with_inputs("q") for q, a in [("red roses", "flower"), ("blue whales", "animal")]]
    >>> [row.a for row in KNN(1, rows, hash_embed)(q="a whale")]
    ['animal']
    """

    def __init__(self, k: int, trainset: Sequence[Any], vectorizer: Callable[[list[str]], Any]) -> None:
        if k < 1:
            raise ConfigurationError(f"`k` is {k}; ask for at least 1 example.")
        if not trainset:
            raise InputError("The training set is empty; there is nothing to find.")
        self.k, self.trainset, self.embedding = k, list(trainset), vectorizer
        self.trainset_vectors = self._embed([_text(example.inputs()) for example in trainset])

    def __call__(self, **inputs: Any) -> list[Any]:
        """The `k` examples nearest to these inputs."""
        query = self._embed([_text(inputs)])[0]
        near = [sum(map(mul, query, vector)) for vector in self.trainset_vectors]
        best = heapq.nsmallest(self.k, range(len(near)), key=lambda number: (-near[number], number))
        return [self.trainset[number] for number in best]

    def _embed(self, texts: list[str]) -> list[list[float]]:
        rows = [[float(x) for x in row] for row in self.embedding(texts)]
        if len(rows) != len(texts):
            raise InputError(f"The vectorizer gave {len(rows)} vectors for {len(texts)} texts.")
        return rows


def _text(inputs: Mapping[str, Any]) -> str:
    return " | ".join(f"{name}: {value}" for name, value in inputs.items())
