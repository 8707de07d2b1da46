"""Search by meaning: `Embeddings` keeps the vectors of a corpus and finds those nearest to a query."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from whet.core.records import Prediction
from whet.core.unbatchify import Unbatchify
from whet.errors import ConfigurationError, InputError, MissingExtraError, StateError
from whet.retrieve.passage import Passage, as_passage, as_passages, check_queries

__all__ = ["Embeddings", "EmbeddingsWithScores"]

_FORMAT = "whet.embeddings/1"
_GRAPH = "graph.usearch"
_THRESHOLD = "brute_force_threshold"


class Embeddings:
    """A corpus searched by vectors of an `embedder`: any callable that turns a list of texts into rows of numbers.

    `search(query)` gives a `Prediction` with `passages` (the `k` best texts, the best first) and `indices`; `search([q1, q2], k)` gives a
    list of `Passage` per query, the protocol of all retrievers. With `normalize` vectors are brought to length 1, so that scores are
    cosines. A corpus of `brute_force_threshold` texts or more is searched through an approximate index (package `usearch`) whose candidates
    are then scored exactly; a smaller one exactly.

    Safe from many threads: queries that arrive while one is being answered are answered together. Needs numpy (`MissingExtraError`).

    >>> from whet.core.hashing import hash_embed
    >>> index = Embeddings(["declined card payments", "opening hours"], hash_embed, k=1)
    >>> index("payment declined").passages
    ['declined card payments']
    """

    with_scores = False

    def __init__(
        self,
        corpus: Sequence[Any],
        embedder: Callable[[list[str]], Any],
        k: int = 5,
        brute_force_threshold: int = 20_000,
        normalize: bool = True,
    ) -> None:
        texts = [passage["text"] for passage in as_passages(corpus)]
        self._begin(list(corpus), embedder, k, brute_force_threshold, normalize)
        if not texts:
            raise InputError("The corpus is empty; give at least one text.")
        self.corpus_embeddings = self._embed(texts)
        self._index = self._build(None)

    def _begin(self, corpus: list[Any], embedder: Any, k: int, threshold: int, normalize: bool) -> None:
        if not callable(embedder):
            raise ConfigurationError(f"`embedder` is {embedder!r}; give a callable that turns a list of texts into rows of numbers.")
        self._numpy = _numpy()
        self.corpus, self.embedder, self.k = corpus, embedder, k
        self.brute_force_threshold, self.normalize = threshold, normalize
        self._ask = Unbatchify(self._answer, max_batch_size=64, max_wait_time=0.0)

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

    def _passage(self, number: int, score: float) -> Passage:
        return Passage({**as_passage(self.corpus[number]), "score": score, "index": number})

    def _answer(self, asked: list[tuple[str, int]]) -> list[list[tuple[int, float]]]:
        """The numbers and scores of the best texts for each query and k."""
        if not asked:
            return []
        queries = self._embed([text for text, _ in asked])
        if queries.shape[1] != self.corpus_embeddings.shape[1]:
            raise InputError(
                f"The embedder gives vectors of length {queries.shape[1]}, but those of the corpus have length "
                f"{self.corpus_embeddings.shape[1]}. Use the embedder that the corpus was embedded with."
            )
        if self._index is None:
            scores = queries @ self.corpus_embeddings.T
            return [self._best(row, None, k) for row, (_, k) in zip(scores, asked, strict=True)]
        return [self._approximate(query, k) for query, (_, k) in zip(queries, asked, strict=True)]

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
        rows = np.asarray(self.embedder(texts), dtype=np.float32)
        if rows.ndim != 2 or len(rows) != len(texts):
            raise InputError(
                f"The embedder gave an array of shape {rows.shape} for {len(texts)} texts; one row of numbers per text is needed."
            )
        if not np.isfinite(rows).all():
            wrong = int(np.argmin(np.isfinite(rows).all(axis=1)))
            raise InputError(f"The embedder gave a number that is not finite for the text {texts[wrong]!r:.80}.")
        if not self.normalize:
            return rows
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.where(lengths > 0, lengths, 1.0)

    def _build(self, graph: Path | None) -> Any:
        """The approximate index, read from the file `graph` if there is one; `None` for a corpus that is searched exactly."""
        if len(self.corpus) < self.brute_force_threshold:
            return None
        try:
            from usearch.index import Index  # noqa: PLC0415 - optional
        except ImportError:
            raise MissingExtraError(
                f"An index of {len(self.corpus)} texts (a larger `brute_force_threshold` searches them exactly)", "usearch", "retrieval"
            ) from None
        index = Index(ndim=self.corpus_embeddings.shape[1], metric="ip", dtype="f32")
        if graph is not None:
            index.load(str(graph))
            return index
        index.add(self._numpy.arange(len(self.corpus)), self.corpus_embeddings)
        return index

    def save(self, path: str | Path) -> None:
        """Write corpus, vectors and settings into the folder `path`, as JSON and plain arrays, and the approximate index if there is one;
        never the embedder."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"format": _FORMAT, "k": self.k, "normalize": self.normalize, "brute_force_threshold": self.brute_force_threshold}
        (folder / _GRAPH).unlink(missing_ok=True)
        if self._index is not None:
            self._index.save(str(folder / _GRAPH))
            settings["graph"] = _digest(folder / _GRAPH)
        (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        (folder / "corpus.json").write_text(json.dumps(self.corpus), encoding="utf-8")
        self._numpy.save(folder / "embeddings.npy", self.corpus_embeddings, allow_pickle=False)

    def load(self, path: str | Path, embedder: Callable[[list[str]], Any], *, trusted: bool = False) -> Embeddings:
        """Take over what `save` wrote, without embedding the corpus again; `embedder` embeds the queries. Returns itself.

        The approximate index of a large corpus is built anew from the vectors, unless the folder is `trusted`: a file of usearch is read
        by native code that a made-up file could mislead. Your own is read in no time, and checked for damage first.

        Raises `FileNotFoundError` when the folder or a file of it is missing, `StateError` when its files do not fit together.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder `{folder}` with saved embeddings.")
        settings, corpus, vectors = _read_json(folder / "config.json"), _read_json(folder / "corpus.json"), _read_vectors(folder)
        if not isinstance(settings, dict) or settings.get("format") != _FORMAT or not settings.keys() >= {"k", "normalize", _THRESHOLD}:
            raise StateError(f"`{folder}` was not written by `Embeddings.save` of this version (its format is not {_FORMAT!r}).")
        if not isinstance(corpus, list) or vectors.ndim != 2 or len(vectors) != len(corpus):
            held = f"{len(corpus)} texts" if isinstance(corpus, list) else "no list of texts"
            raise StateError(f"`{folder}` holds {held}, but vectors of shape {vectors.shape}; save it again.")
        self._begin(corpus, embedder, settings["k"], settings[_THRESHOLD], settings["normalize"])
        self.corpus_embeddings = vectors
        graph = folder / _GRAPH if trusted and "graph" in settings else None
        if graph is not None and _digest(graph) != settings["graph"]:
            raise StateError(f"`{graph}` is not the file that was saved; save it again, or load without `trusted`.")
        self._index = self._build(graph)
        return self

    @classmethod
    def from_saved(cls, path: str | Path, embedder: Callable[[list[str]], Any], *, trusted: bool = False) -> Embeddings:
        """The index that `save` wrote (see `load`)."""
        return cls.__new__(cls).load(path, embedder, trusted=trusted)


class EmbeddingsWithScores(Embeddings):
    """`Embeddings` whose predictions have `scores`, too: cosines, or dot products with `normalize=False`.

    >>> from whet.core.hashing import hash_embed
    >>> round(EmbeddingsWithScores(["one text"], hash_embed)("one text").scores[0], 3)
    1.0
    """

    with_scores = True


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise StateError(f"`{file}` is damaged: {error}.") from error


def _read_vectors(folder: Path) -> Any:
    try:
        vectors = _numpy().load(folder / "embeddings.npy", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise StateError(f"`{folder / 'embeddings.npy'}` is damaged: {error}.") from error
    if vectors.dtype.kind != "f":
        raise StateError(f"`{folder / 'embeddings.npy'}` holds no numbers with a point, but {vectors.dtype}.")
    return vectors


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _numpy() -> Any:
    try:
        import numpy  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtraError("`Embeddings`", "numpy", "retrieval") from None
    return numpy
