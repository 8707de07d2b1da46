"""Search by meaning: `Embeddings` keeps the vectors of a corpus and finds those nearest to a query."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any

from whet.core.flow import adrive, drive
from whet.core.records import Prediction
from whet.core.unbatchify import Unbatchify
from whet.core.wording import counted
from whet.errors import ConfigurationError, InputError, MissingExtraError
from whet.retrieve.passage import Passage, as_passage, as_passages, check_k, check_queries, invoked
from whet.retrieve.saved import Saved, read_saved, write_saved

__all__ = ["Embeddings", "EmbeddingsWithScores"]


class Embeddings:
    """A corpus searched by vectors of an `embedder`: any callable that turns a list of texts into rows of numbers.

    `search(query)` gives a `Prediction` with `passages` (the `k` best texts, the best first) and `indices`; `search([q1, q2], k)` gives a
    list of `Passage` per query, the protocol of all retrievers. With `normalize` vectors are brought to length 1, so that scores are
    cosines. A corpus of `brute_force_threshold` texts or more is searched through an approximate index (package `usearch`) whose candidates
    are then scored exactly; a smaller one exactly. `callbacks` and `cache` stand here for programs written for DSPy, which calls none and
    has none either: `cache=True` is an error.

    Safe from many threads: queries that arrive while one is being answered are answered together. Needs numpy (`MissingExtraError`).

    >>> from whet.core.hashing import hash_embed
    >>> index = Embeddings(["declined card payments", "opening hours"], hash_embed, k=1)
    >>> index("payment declined").passages
    ['declined card payments']
    """

    with_scores = False

    def __init__(  # noqa: PLR0913 - as DSPy has them, in this order
        self,
        corpus: Iterable[Any],
        embedder: Callable[[list[str]], Any],
        k: int = 5,
        callbacks: Any = None,
        cache: bool = False,
        brute_force_threshold: int = 20_000,
        normalize: bool = True,
    ) -> None:
        check_k(k)  # before the corpus is paid for
        if cache:
            raise ConfigurationError("`Embeddings` keeps no answers. What saves calls is an embedder with a cache: `whet.Embedder(model)`.")
        items, texts = _read(corpus)
        self._begin(items, embedder, k, brute_force_threshold, normalize)
        if not texts:
            raise InputError("The corpus is empty; give at least one text.")
        self.corpus_embeddings = self._embed(texts)
        self._index = self._build(self.corpus_embeddings, None)

    def _begin(self, corpus: list[Any], embedder: Any, k: int, threshold: int, normalize: bool) -> None:
        if not callable(embedder):
            raise ConfigurationError(f"`embedder` is {embedder!r}; give a callable that turns a list of texts into rows of numbers.")
        self._numpy = _numpy()
        self.corpus, self.embedder, self.k = corpus, embedder, k
        self.brute_force_threshold, self.normalize = threshold, normalize
        self._ask = Unbatchify(self._answer, max_batch_size=64, max_wait_time=0.0)
        self._changing = threading.Lock()

    def add(self, corpus: Iterable[Any]) -> None:
        """More texts, of which only these are embedded; searches go on meanwhile. Add many at once: each time all vectors are copied.

        There is no way to take one out: make a new index of what is left, which costs nothing where the embedder keeps its vectors.

        >>> from whet.core.hashing import hash_embed
        >>> index = Embeddings(["opening hours"], hash_embed, k=1)
        >>> index.add(["declined card payments"])
        >>> index("payment declined").indices
        [1]
        """
        items, texts = _read(corpus)
        if not texts:
            return
        rows = self._embed(texts)
        with self._changing:
            self._check_length(rows)
            start, grown = len(self.corpus), self._numpy.concatenate([self.corpus_embeddings, rows])
            searched = self._build(grown, None) if self._index is None else self._index
            # In this order: whoever searches meanwhile finds a text for each vector, and a vector for each number in the index.
            self.corpus.extend(items)
            self.corpus_embeddings = grown
            if self._index is not None:
                searched.add(self._numpy.arange(start, len(grown)), rows)
            self._index = searched

    def __call__(self, query: str | Sequence[str], k: int | None = None) -> Any:
        """The same as `search`."""
        return self.search(query, k)

    def search(self, query: str | Sequence[str], k: int | None = None) -> Any:
        """For one query a `Prediction` with `passages` and `indices`, for a list of them a list of `Passage` each."""
        k = self.k if k is None else k
        check_queries([query] if isinstance(query, str) else query, k)
        if not isinstance(query, str):
            return [[self._passage(number, score) for number, score in found] for found in self._answer([(text, k) for text in query])]
        found = self._ask((query, k))
        numbers = [number for number, _ in found]
        fields: dict[str, Any] = {"passages": [self.corpus[number] for number in numbers], "indices": numbers}
        if self.with_scores:
            fields["scores"] = [score for _, score in found]
        return Prediction(fields)

    forward = search

    async def acall(self, query: str | Sequence[str], k: int | None = None) -> Any:
        """The same as `search`, awaited: the event loop goes on meanwhile."""
        return await adrive(invoked(self.search, query, k))

    def _passage(self, number: int, score: float) -> Passage:
        return Passage({**as_passage(self.corpus[number]), "score": score, "index": number})

    def _answer(self, asked: list[tuple[str, int]]) -> list[list[tuple[int, float]]]:
        """The numbers and scores of the best texts for each query and k."""
        if not asked:
            return []
        queries = self._embed([text for text, _ in asked])
        self._check_length(queries)
        if self._index is None:
            scores = queries @ self.corpus_embeddings.T
            return [self._best(row, None, k) for row, (_, k) in zip(scores, asked, strict=True)]
        return [self._approximate(query, k) for query, (_, k) in zip(queries, asked, strict=True)]

    def _check_length(self, rows: Any) -> None:
        if rows.shape[1] != self.corpus_embeddings.shape[1]:
            raise InputError(
                f"The embedder gives vectors of length {rows.shape[1]}, but those of the corpus have length "
                f"{self.corpus_embeddings.shape[1]}. Use the embedder that the corpus was embedded with."
            )

    def _best(self, scores: Any, numbers: Any, k: int) -> list[tuple[int, float]]:
        np = self._numpy
        k = min(k, len(scores))
        chosen = np.argpartition(-scores, k - 1)[:k] if k < len(scores) else np.arange(len(scores))
        names = chosen if numbers is None else numbers[chosen]
        order = np.lexsort((names, -scores[chosen]))
        return [(int(names[i]), float(scores[chosen[i]])) for i in order]

    def _approximate(self, query: Any, k: int) -> list[tuple[int, float]]:
        count = min(max(10 * k, 100), len(self.corpus))
        numbers = self._numpy.asarray(self._index.search(query, count).keys, dtype=self._numpy.int64)
        return self._best(self.corpus_embeddings[numbers] @ query, numbers, k)

    def _embed(self, texts: list[str]) -> Any:
        np = self._numpy
        given = drive(invoked(self.embedder, texts))
        try:
            with np.errstate(over="ignore"):  # what is too large is named below
                rows = np.ascontiguousarray(given, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"The embedder gave no rows of equally many numbers: {error}.") from error
        if rows.ndim != 2 or len(rows) != len(texts) or not rows.size or np.iscomplexobj(given):
            raise InputError(
                f"The embedder gave an array of shape {rows.shape} for {counted(len(texts), 'text')}; it gives one row of numbers per text."
            )
        if not np.isfinite(rows).all():
            wrong = int(np.argmin(np.isfinite(rows).all(axis=1)))
            raise InputError(f"The embedder gave a number that is not finite for the text {texts[wrong]!r:.80}.")
        if not self.normalize:
            return rows
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))[:, None]
        return (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)

    def _build(self, vectors: Any, graph: Path | None) -> Any:
        """The approximate index, read from the file `graph` if there is one; `None` for a corpus that is searched exactly."""
        if len(vectors) < self.brute_force_threshold:
            return None
        try:
            from usearch.index import Index  # noqa: PLC0415 - optional
        except ImportError:
            raise MissingExtraError(
                f"An index of {len(vectors)} texts (a larger `brute_force_threshold` searches them exactly)", "usearch", "retrieval"
            ) from None
        made = Index(ndim=vectors.shape[1], metric="ip", dtype="f32")
        if graph is not None:
            made.load(str(graph))
            return made
        made.add(self._numpy.arange(len(vectors)), vectors)
        return made

    def save(self, path: str | Path) -> None:
        """Write corpus, vectors and settings into the folder `path`, as JSON and plain arrays, and the approximate index if there is one;
        never the embedder. What was saved there before stays until all of it is written. Raises `StateError` for a corpus that is no JSON.
        """
        threshold = self.brute_force_threshold
        with self._changing:
            kept = Saved(
                corpus=self.corpus,
                vectors=self.corpus_embeddings,
                settings={"k": index(self.k), "normalize": bool(self.normalize), "brute_force_threshold": int(min(threshold, sys.maxsize))},
                embedder=_name_of(self.embedder),
            )
            write_saved(Path(path), kept, None if self._index is None else self._index.save)

    def load(self, path: str | Path, embedder: Callable[[list[str]], Any], *, trusted: bool = False) -> Embeddings:
        """Take over what `save` wrote, without embedding the corpus again; `embedder` embeds the queries. Returns itself.

        The approximate index of a large corpus is built anew from the vectors, unless the folder is `trusted`: a file of usearch is read
        by native code that a made-up file could mislead. Your own is read in no time, and checked for damage first. Warns of a
        `whet.Embedder` that has another model's name than the one that the corpus was embedded with.

        Raises `FileNotFoundError` when the folder or a file of it is missing, `StateError` when its files do not fit together.
        """
        _numpy()
        kept = read_saved(Path(path), trusted)
        named = _name_of(embedder)
        if kept.embedder and named and named != kept.embedder:
            warnings.warn(f"`{path}` was embedded with {kept.embedder!r}; {named!r} may not understand its vectors.", stacklevel=2)
        self._begin(kept.corpus, embedder, kept.settings["k"], kept.settings["brute_force_threshold"], kept.settings["normalize"])
        self.corpus_embeddings = kept.vectors
        self._index = self._build(kept.vectors, kept.graph)
        return self

    @classmethod
    def from_saved(cls, path: str | Path, embedder: Callable[[list[str]], Any], *, trusted: bool = False) -> Embeddings:
        """The index that `save` wrote (see `load`)."""
        return cls.__new__(cls).load(path, embedder, trusted=trusted)


class EmbeddingsWithScores(Embeddings):
    """`Embeddings` whose predictions have `scores`, too: cosines, or dot products with `normalize=False`.
    The arguments are those of `Embeddings`.

    >>> from whet.core.hashing import hash_embed
    >>> round(EmbeddingsWithScores(["one text"], hash_embed)("one text").scores[0], 3)
    1.0
    """

    with_scores = True


def _read(corpus: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """The items of a corpus, and their texts."""
    items = list(corpus) if isinstance(corpus, Iterable) and not isinstance(corpus, str | bytes | Mapping) else corpus
    texts = [passage["text"] for passage in as_passages(items)]
    return [str(item) if isinstance(item, str) else item for item in items], texts


def _name_of(embedder: Any) -> str | None:
    """The model that a `whet.Embedder` asks, if it has a name."""
    name = getattr(embedder, "model", None)
    return name if isinstance(name, str) else None


def _numpy() -> Any:
    try:
        import numpy  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtraError("`Embeddings`", "numpy", "retrieval") from None
    return numpy
