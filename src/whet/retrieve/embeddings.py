"""Search by meaning: `Embeddings` keeps the vectors of a corpus and finds those nearest to a query."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

from whet.core.flow import adrive, drive
from whet.core.records import Prediction
from whet.core.unbatchify import Unbatchify
from whet.core.wording import counted
from whet.errors import ConfigurationError, InputError, MissingExtraError
from whet.retrieve.passage import Passage, as_passage, as_passages, check_k, check_queries, invoked
from whet.retrieve.places import places_in
from whet.retrieve.saved import Saved, read_saved, write_saved

__all__ = ["Embeddings", "EmbeddingsWithScores"]


@dataclass(frozen=True)
class _Held:
    """One state of an index, replaced as a whole: whoever searches while it changes sees the old one or the new one."""

    corpus: list[Any]
    vectors: Any
    _graph: Any  # made from the vectors, so that it is no content of its own


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
        self._begin(embedder, k, brute_force_threshold, normalize)
        if not texts:
            raise InputError("The corpus is empty; give at least one text.")
        vectors = self._embed(texts)
        self.held = _Held(items, vectors, self._build(vectors, None))

    def _begin(self, embedder: Any, k: int, threshold: Any, normalize: bool) -> None:
        if not callable(embedder):
            raise ConfigurationError(f"`embedder` is {embedder!r}; give a callable that turns a list of texts into rows of numbers.")
        if not isinstance(threshold, int | float):
            raise ConfigurationError(f"`brute_force_threshold` is {threshold!r}; it is a number of texts, `math.inf` for never.")
        self._numpy = _numpy()
        self.embedder, self.k = embedder, k
        self.brute_force_threshold = threshold
        self.normalize = normalize
        self._ask = Unbatchify(self._answer, max_batch_size=64, max_wait_time=0.0)
        self._changing = threading.Lock()

    @property
    def corpus(self) -> list[Any]:
        """What is searched, in the order of its numbers."""
        return self.held.corpus

    @property
    def corpus_embeddings(self) -> Any:
        """The vectors of the corpus, a row for each text."""
        return self.held.vectors

    def add(self, corpus: Iterable[Any]) -> None:
        """More texts, of which only these are embedded; searches go on meanwhile. Add many at once: each time all vectors are copied.

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
            held = self.held
            _check_length(rows, held)
            grown = self._numpy.concatenate([held.vectors, rows])
            graph = held._graph
            if graph is None:
                graph = self._build(grown, None)
            else:
                graph.add(self._numpy.arange(len(held.corpus), len(grown)), rows)
            self.held = _Held([*held.corpus, *items], grown, graph)

    def remove(self, what: Any) -> None:
        """Take texts out; nothing is embedded, and searches go on meanwhile. Those after them move up, so that numbers stay places.

        `what` is the number of a text (`indices` of a search), the text itself, or a mapping with some of the fields of a passage
        (`{"pid": 4}`; a passage that was found will do), or a list of these; all that fit are taken out. Remove many at once: each time the
        vectors are copied, and an approximate index is built anew. Raises `InputError`, and changes nothing, for what is not there.

        >>> from whet.core.hashing import hash_embed
        >>> index = Embeddings(["opening hours", "declined card payments"], hash_embed, k=1)
        >>> index.remove("opening hours")
        >>> index.corpus
        ['declined card payments']
        """
        with self._changing:
            held = self.held
            gone = places_in(held.corpus, what)
            if len(gone) == len(held.corpus):
                raise InputError("Nothing would be left to search; make another index instead.")
            left = [place for place in range(len(held.corpus)) if place not in gone]
            vectors = self._numpy.ascontiguousarray(held.vectors[left])
            self.held = _Held([held.corpus[place] for place in left], vectors, self._build(vectors, None))

    def __call__(self, query: str | Sequence[str], k: int | None = None) -> Any:
        """The same as `search`."""
        return self.search(query, k)

    def search(self, query: str | Sequence[str], k: int | None = None) -> Any:
        """For one query a `Prediction` with `passages` and `indices`, for a list of them a list of `Passage` each."""
        k = self.k if k is None else k
        check_queries([query] if isinstance(query, str) else query, k)
        if not isinstance(query, str):
            answers = self._answer([(text, k) for text in query])
            return [[Passage({**as_passage(item), "score": score, "index": number}) for number, score, item in found] for found in answers]
        found = self._ask((query, k))
        fields: dict[str, Any] = {"passages": [item for _, _, item in found], "indices": [number for number, _, _ in found]}
        if self.with_scores:
            fields["scores"] = [score for _, score, _ in found]
        return Prediction(fields)

    forward = search

    async def acall(self, query: str | Sequence[str], k: int | None = None) -> Any:
        """The same as `search`, awaited: the event loop goes on meanwhile."""
        return await adrive(invoked(self.search, query, k))

    def _answer(self, asked: list[tuple[str, int]]) -> list[list[tuple[int, float, Any]]]:
        """The numbers and scores of the best texts for each query and k, and the texts: all of one state of the index."""
        if not asked:
            return []
        queries, held = self._embed([text for text, _ in asked]), self.held
        _check_length(queries, held)
        if held._graph is None:
            scores = queries @ held.vectors.T
            found = [self._best(row, None, k) for row, (_, k) in zip(scores, asked, strict=True)]
        else:
            found = [self._approximate(held, query, k) for query, (_, k) in zip(queries, asked, strict=True)]
        return [[(number, score, held.corpus[number]) for number, score in best] for best in found]

    def _best(self, scores: Any, numbers: Any, k: int) -> list[tuple[int, float]]:
        np = self._numpy
        k = min(k, len(scores))
        chosen = np.argpartition(-scores, k - 1)[:k] if k < len(scores) else np.arange(len(scores))
        names = chosen if numbers is None else numbers[chosen]
        order = np.lexsort((names, -scores[chosen]))
        return [(int(names[i]), float(scores[chosen[i]])) for i in order]

    def _approximate(self, held: _Held, query: Any, k: int) -> list[tuple[int, float]]:
        count = min(max(10 * k, 100), len(held.corpus))
        numbers = self._numpy.asarray(held._graph.search(query, count).keys, dtype=self._numpy.int64)
        numbers = numbers[numbers < len(held.corpus)]  # what is being added meanwhile is not of this state
        return self._best(held.vectors[numbers] @ query, numbers, k)

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
                f"An index of {counted(len(vectors), 'text')} (a larger `brute_force_threshold` searches them exactly)",
                "usearch",
                "retrieval",
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
            held = self.held
            kept = Saved(
                corpus=held.corpus,
                vectors=held.vectors,
                settings={"k": index(self.k), "normalize": bool(self.normalize), "brute_force_threshold": int(min(threshold, sys.maxsize))},
                embedder=_name_of(self.embedder),
            )
            write_saved(Path(path), kept, None if held._graph is None else held._graph.save)

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
        self._begin(embedder, kept.settings["k"], kept.settings["brute_force_threshold"], kept.settings["normalize"])
        self.held = _Held(kept.corpus, kept.vectors, self._build(kept.vectors, kept.graph))
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


def _check_length(rows: Any, held: _Held) -> None:
    if rows.shape[1] != held.vectors.shape[1]:
        raise InputError(
            f"The embedder gives vectors of length {rows.shape[1]}, but those of the corpus have length {held.vectors.shape[1]}. "
            "Use the embedder that the corpus was embedded with."
        )


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
