"""`KNN`: the examples of a training set whose inputs are nearest to given ones."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from operator import mul
from typing import Any

from whet.core.flow import adrive, drive
from whet.core.wording import a_kind, counted
from whet.errors import ConfigurationError, InputError
from whet.retrieve.passage import invoked

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

    def __init__(self, k: int, trainset: Iterable[Any], vectorizer: Callable[[list[str]], Any]) -> None:
        if not hasattr(k, "__index__") or k < 1:
            raise ConfigurationError(f"`k` is {k!r}; ask for at least 1 example.")
        if not callable(vectorizer):
            raise ConfigurationError(f"`vectorizer` is {vectorizer!r}; give a callable that turns a list of texts into rows of numbers.")
        self.k, self.trainset, self.embedding = k, list(trainset), vectorizer
        if not self.trainset:
            raise InputError("The training set is empty; there is nothing to find.")
        given = [_inputs(example) for example in self.trainset]
        self._names = frozenset(name for inputs in given for name in inputs)
        self._length = 0
        self.trainset_vectors = self._embed([_text(inputs) for inputs in given])

    def __call__(self, **inputs: Any) -> list[Any]:
        """The `k` examples nearest to these inputs. Raises `InputError` where they are none of the examples' inputs."""
        if self._names.isdisjoint(inputs):
            named, known = ", ".join(inputs) or "nothing", ", ".join(sorted(self._names))
            raise InputError(f"The inputs of the training set are {known}; {named} was given, and nothing can be compared.")
        query = self._embed([_text(inputs)])[0]
        near = [sum(map(mul, query, vector)) for vector in self.trainset_vectors]
        best = heapq.nsmallest(self.k, range(len(near)), key=lambda number: (-near[number], number))
        return [self.trainset[number] for number in best]

    async def acall(self, **inputs: Any) -> list[Any]:
        """The same, awaited: the event loop goes on meanwhile."""
        return await adrive(invoked(self, **inputs))

    def _embed(self, texts: list[str]) -> list[list[float]]:
        try:
            rows = [[float(x) for x in row] for row in drive(invoked(self.embedding, texts))]
        except (TypeError, ValueError) as error:
            raise InputError(f"The vectorizer gave no rows of numbers: {error}.") from error
        if len(rows) != len(texts):
            raise InputError(f"The vectorizer gave {counted(len(rows), 'vector')} for {counted(len(texts), 'text')}.")
        for text, row in zip(texts, rows, strict=True):
            self._length = self._length or len(row)
            if len(row) != self._length or not isfinite(sum(row)):
                raise InputError(f"The vectorizer gave {len(row)} numbers for {text!r:.40}; each text has {self._length}, all finite.")
        return rows


def _inputs(example: Any) -> Mapping[str, Any]:
    if not callable(getattr(example, "inputs", None)):
        raise InputError(f"A row of the training set is an example with its inputs named; this is {example!r:.80}, {a_kind(example)}.")
    return example.inputs()  # type: ignore[no-any-return]


def _text(inputs: Mapping[str, Any]) -> str:
    return " | ".join(f"{name}: {value}" for name, value in inputs.items())
