"""A small dense encoder that learns on the CPU, the retriever over it, and the protocol of retrievers that can be trained."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol, runtime_checkable

from whet.core.text import words
from whet.errors import ConfigurationError, MissingExtraError, StateError, TrainingError
from whet.lm.home import find_model, publish, verify
from whet.retrieve.passage import Passage, Retriever, Searching, as_passage

__all__ = ["DenseEncoder", "DenseRetriever", "SearchPair", "TrainableRetriever", "weak_pairs"]

_HEADER: Final = "encoder.json"
_NUMBERS: Final = "encoder.f32"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPair:
    """A query, a passage that should be found for it, and passages that should not."""

    query: str
    positive: str
    negatives: tuple[str, ...] = ()


@runtime_checkable
class TrainableRetriever(Retriever, Protocol):
    """A retriever whose weights learn from pairs; training gives a new one."""

    def train(self, pairs: Sequence[SearchPair]) -> TrainableRetriever:
        """The retriever after learning from these pairs; this one stays as it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """How one gradient step moves the vectors."""

    rate: float
    temperature: float
    turning: float
    moving: Any


class DenseEncoder:
    """Texts as vectors of length 1: the sum of learnt vectors of their words and word parts, hashed into `buckets` (needs numpy).

    It starts as a random projection of TF-IDF, so that untrained it finds what shares rare words, and `trained` moves queries towards
    their passages by a softmax over the passages of a batch (contrastive learning; van den Oord et al. 2018, arXiv 1807.03748).
    It is an embedder for `whet.retrieve.Embeddings`, too. Weights are a value: training gives a new encoder.
    """

    def __init__(self, corpus: Iterable[str] = (), *, dim: int = 256, buckets: int = 1 << 13, seed: int = 0) -> None:
        np = _numpy()
        if dim < 1 or buckets < 2:
            raise ConfigurationError(f"`dim` is {dim} and `buckets` {buckets}; an encoder has at least 1 dimension and 2 buckets.")
        texts = list(corpus)
        self.dim, self.buckets, self.seed = dim, buckets, seed
        signs = np.random.default_rng(seed).choice(np.array([-1.0, 1.0], dtype=np.float32), size=(buckets, dim))
        self.table = signs * np.float32(dim**-0.5)
        counts = np.zeros(buckets)
        for text in texts:
            counts[list({bucket for bucket, _ in self._features(text)})] += 1
        self.table *= np.log1p((len(texts) + 1) / (counts + 1))[:, None].astype(np.float32)

    def __call__(self, texts: Sequence[str]) -> Any:
        """One vector per text, as rows of an array."""
        np = _numpy()
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for place, text in enumerate(texts):
            rows[place] = self._raw(self._features(text))
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    def _raw(self, features: Sequence[tuple[int, float]]) -> Any:
        np = _numpy()
        if not features:
            return np.zeros(self.dim, dtype=np.float32)
        places, weights = zip(*features, strict=True)
        return np.asarray(weights, dtype=np.float32) @ self.table[list(places)]

    def _features(self, text: str) -> list[tuple[int, float]]:
        found: dict[int, float] = {}
        for word in words(text):
            padded = f"<{word}>"
            parts = [padded[i : i + 4] for i in range(len(padded) - 3)] if len(word) > 3 else []
            for part, weight in [(padded, 1.0), *((p, 0.5 / math.sqrt(len(parts))) for p in parts)]:
                bucket = zlib.crc32(part.encode()) % self.buckets
                found[bucket] = found.get(bucket, 0.0) + weight
        return [(bucket, math.sqrt(weight)) for bucket, weight in found.items()]

    def trained(  # noqa: PLR0913 - the settings of one training, all by keyword
        self,
        pairs: Sequence[SearchPair],
        *,
        epochs: int = 20,
        learning_rate: float = 0.5,
        batch: int = 16,
        temperature: float = 0.1,
        least: int = 3,
        turning: float = 0.0,
        progress: Callable[[int, float], None] | None = None,
    ) -> DenseEncoder:
        """An encoder that has learnt from these pairs. The same pairs and settings give the same one.

        Only words and word parts of at least `least` of the texts are moved: a name that is seen once would be learnt by heart. With
        `turning=0` only their weight is learnt, which is right for tens or hundreds of pairs; with 1 the vectors themselves are.

        Raises `ConfigurationError` for no pairs or settings that cannot work, `TrainingError` when the loss is no number.
        """
        if not pairs or epochs < 1 or batch < 1 or learning_rate <= 0 or temperature <= 0:
            raise ConfigurationError(
                f"Cannot train on {len(pairs)} pairs with epochs={epochs!r}, batch={batch!r}, learning_rate={learning_rate!r}, "
                f"temperature={temperature!r}: all must be above 0."
            )
        new: DenseEncoder = object.__new__(DenseEncoder)
        new.dim, new.buckets, new.seed, new.table = self.dim, self.buckets, self.seed, self.table.copy()
        known: dict[str, list[tuple[int, float]]] = {}
        moving = _seen_often((self._features(text) for p in pairs for text in {p.query, p.positive}), self.buckets, least)
        chance = Random(self.seed)
        for epoch in range(epochs):
            order = chance.sample(list(pairs), len(pairs))
            step = _Step(rate=learning_rate * (1 - epoch / epochs), temperature=temperature, turning=turning, moving=moving)
            total = sum(new._learn(order[start : start + batch], known, step) for start in range(0, len(order), batch))
            if not math.isfinite(total):
                raise TrainingError(f"The loss became {total} in epoch {epoch}; the weights are thrown away. Lower the `learning_rate`.")
            if progress:
                progress(epoch, total / len(order))
        return new

    def _learn(self, pairs: Sequence[SearchPair], known: dict[str, list[tuple[int, float]]], step: _Step) -> float:
        """One gradient step on a batch; returns the sum of its losses."""
        np = _numpy()
        passages = list(dict.fromkeys([p.positive for p in pairs] + [n for p in pairs for n in p.negatives]))
        texts = [p.query for p in pairs] + passages
        features = [known.setdefault(text, self._features(text)) for text in texts]
        raw = np.stack([self._raw(f) for f in features])
        norms = np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-9)
        unit = raw / norms
        queries, found = unit[: len(pairs)], unit[len(pairs) :]
        loss, slope = _contrast(queries @ found.T / step.temperature, pairs, passages)
        slope /= step.temperature * len(pairs)
        pull = np.concatenate([slope @ found, slope.T @ queries])
        pull = (pull - unit * (pull * unit).sum(axis=1, keepdims=True)) / norms  # through the normalisation
        for row, feature in enumerate(features):
            if feature:
                self._move(feature, pull[row] * norms[row] ** 2, step)  # steps as long as the vectors they move
        return loss

    def _move(self, feature: Sequence[tuple[int, float]], pull: Any, step: _Step) -> None:
        """Move the vectors of one text's features: along themselves, and by `turning` of it sideways."""
        np = _numpy()
        places = [bucket for bucket, _ in feature]
        weights = np.asarray([weight for _, weight in feature], dtype=np.float32)
        own = self.table[places]
        change = step.rate * weights[:, None] * pull / max(1.0, float(np.square(weights).sum()))
        along = (change * own).sum(axis=1, keepdims=True) / np.maximum((own * own).sum(axis=1, keepdims=True), 1e-9) * own
        self.table[places] -= step.moving[places][:, None] * (along + step.turning * (change - along))

    def save(self, name: str = "encoder") -> str:
        """Puts the weights into the model home, all or nothing; returns the name that `load` takes, which ends in a content hash."""

        def fill(folder: Path) -> None:
            folder.mkdir()
            about = {"dim": self.dim, "buckets": self.buckets, "seed": self.seed}
            (folder / _HEADER).write_text(json.dumps(about), encoding="utf-8")
            (folder / _NUMBERS).write_bytes(self.table.astype("<f4").tobytes())

        return publish(name, "encoder", fill)

    @classmethod
    def load(cls, name: str) -> DenseEncoder:
        """The encoder that `save` wrote. Raises `LMNotConfiguredError` where there is none, `StateError` for a damaged one."""
        np, folder = _numpy(), find_model(name)
        if verify(folder)["kind"] != "encoder":
            raise StateError(f"The model `{name}` is no encoder.")
        about = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        new: DenseEncoder = object.__new__(cls)
        new.dim, new.buckets, new.seed = about["dim"], about["buckets"], about["seed"]
        new.table = np.frombuffer((folder / _NUMBERS).read_bytes(), dtype="<f4").reshape(new.buckets, new.dim).astype(np.float32)
        return new


class DenseRetriever(Searching):
    """A corpus searched by an encoder; `train(pairs)` gives a retriever over the same corpus with a better one."""

    def __init__(self, corpus: Sequence[Any], encoder: DenseEncoder | None = None) -> None:
        self.corpus = list(corpus)
        self.texts = [as_passage(item)["text"] for item in self.corpus]
        self.encoder = encoder or DenseEncoder(self.texts)
        self._vectors = self.encoder(self.texts)

    def search(self, queries: Sequence[str], k: int) -> list[list[Passage]]:
        """For each query at most `k` passages, the best first."""
        np = _numpy()
        scores = self.encoder(list(queries)) @ self._vectors.T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return [[self._passage(int(i), float(row[i])) for i in order] for row, order in zip(scores, best, strict=True)]

    def _passage(self, index: int, score: float) -> Passage:
        return Passage({**as_passage(self.corpus[index]), "score": score, "index": index})

    def train(self, pairs: Sequence[SearchPair], **options: Any) -> DenseRetriever:
        """The retriever after learning from these pairs; `options` are those of `DenseEncoder.trained`."""
        return DenseRetriever(self.corpus, self.encoder.trained(pairs, **options))


def weak_pairs(
    retriever: Retriever, rows: Sequence[tuple[str, Callable[[str], bool]]], *, depth: int = 20, positives: int = 2, negatives: int = 4
) -> list[SearchPair]:
    """Pairs that the retriever labels for itself (relevance-guided supervision; Khattab et al. 2021, arXiv 2007.00814).

    For each `(query, holds)`, of the `depth` passages that are found now, the first ones for which `holds` is true (say, because the
    answer stands in them) are positives and the first others are negatives. A query for which nothing right is found gives no pair.
    """
    found = retriever.search([query for query, _ in rows], depth)
    pairs = []
    for (query, holds), passages in zip(rows, found, strict=True):
        texts = [str(p["text"]) for p in passages]
        right = [text for text in texts if holds(text)]
        wrong = tuple([text for text in texts if not holds(text)][-negatives:])
        pairs += [SearchPair(query=query, positive=text, negatives=wrong) for text in right[:positives]]
    return pairs


def _contrast(scores: Any, pairs: Sequence[SearchPair], passages: Sequence[str]) -> tuple[float, Any]:
    """The summed loss of picking each query's passage among all of a batch, and its slope in the scores."""
    np = _numpy()
    place = {text: i for i, text in enumerate(passages)}
    right: dict[str, set[str]] = {}
    for pair in pairs:
        right.setdefault(pair.query, set()).add(pair.positive)
    rows, gold = np.arange(len(pairs)), np.array([place[p.positive] for p in pairs])
    for row, pair in enumerate(pairs):  # another right passage of the same query is no negative
        scores[row, [place[text] for text in right[pair.query] if text != pair.positive]] = -np.inf
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    chances /= chances.sum(axis=1, keepdims=True)
    loss = float(-np.log(np.maximum(chances[rows, gold], 1e-12)).sum())
    chances[rows, gold] -= 1.0
    return loss, chances


def _seen_often(texts: Iterable[Sequence[tuple[int, float]]], buckets: int, least: int) -> Any:
    """1 for features of at least `least` texts, 0 for others: a name that is seen once would be learnt by heart."""
    counts = _numpy().zeros(buckets, dtype="float32")
    for features in texts:
        counts[[bucket for bucket, _ in features]] += 1
    return (counts >= least).astype("float32")


def _numpy() -> Any:
    try:
        import numpy  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtraError("The dense encoder", "numpy", "retrieval") from None
    return numpy
