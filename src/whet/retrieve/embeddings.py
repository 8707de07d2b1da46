"""Search by meaning: `Embeddings` keeps the vectors of a corpus and finds those nearest to a query."""

from __future__ import annotations

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
        self._index = self._build()

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

    def _build(self) -> Any:
        if len(self.corpus) < self.brute_force_threshold:
            return None
        try:
            from usearch.index import Index  # noqa: PLC0415 - optional
        except ImportError:
            raise MissingExtraError(
                f"An index of {len(self.corpus)} texts (a larger `brute_force_threshold` searches them exactly)", "usearch", "retrieval"
            ) from None
        index = Index(ndim=self.corpus_embeddings.shape[1], metric="ip", dtype="f32")
        index.add(self._numpy.arange(len(self.corpus)), self.corpus_embeddings)
        return index

    def save(self, path: str | Path) -> None:
        """Write corpus, vectors and settings into the folder `path`, as JSON and plain arrays; never the embedder."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"format": _FORMAT, "k": self.k, "normalize": self.normalize, "brute_force_threshold": self.brute_force_threshold}
        (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        (folder / "corpus.json").write_text(json.dumps(self.corpus), encoding="utf-8")
        self._numpy.save(folder / "embeddings.npy", self.corpus_embeddings, allow_pickle=False)

    def load(self, path: str | Path, embedder: Callable[[list[str]], Any]) -> Embeddings:
        """Take over what `save` wrote, without embedding the corpus again; `embedder` embeds the queries. Returns itself.

        Raises `FileNotFoundError` when the folder or a file of it is missing, `StateError` when its files do not fit together.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder `{folder}` with saved embeddings.")
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        corpus = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        if not isinstance(settings, dict) or settings.get("format") != _FORMAT:
            raise StateError(f"`{folder}` was not written by `Embeddings.save` of this version (its format is not {_FORMAT!r}).")
        vectors = _numpy().load(folder / "embeddings.npy", allow_pickle=False)
        if vectors.ndim != 2 or len(vectors) != len(corpus):
            raise StateError(f"`{folder}` holds {len(corpus)} texts, but vectors of shape {vectors.shape}; save it again.")
        self._begin(corpus, embedder, settings["k"], settings["brute_force_threshold"], settings["normalize"])
        self.corpus_embeddings = vectors
        self._index = self._build()
        return self

    @classmethod
    def from_saved(cls, path: str | Path, embedder: Callable[[list[str]], Any]) -> Embeddings:
        """The index that `save` wrote (see `load`)."""
        return cls.__new__(cls).load(path, embedder)


class EmbeddingsWithScores(Embeddings):
    """`Embeddings` whose predictions have `scores`, too: cosines, or dot products with `normalize=False`.

    >>> from whet.core.hashing import hash_embed
    >>> round(EmbeddingsWithScores(["one text"], hash_embed)("one text").scores[0], 3)
    1.0
    """

    with_scores = True


def _numpy() -> Any:
    try:
        import numpy  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtraError("`Embeddings`", "numpy", "retrieval") from None
    return numpy
