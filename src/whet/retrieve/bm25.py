"""BM25: search by words, without a model and without a server."""

from __future__ import annotations

import heapq
import json
import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from whet.core.text import stands_alone, word_units, words
from whet.core.whole import write_whole
from whet.core.wording import a_kind
from whet.errors import ConfigurationError, InputError, MissingExtraError, StateError
from whet.retrieve.passage import NONE_YET, Passage, Searching, as_corpus, as_passages, check_queries

__all__ = ["BM25", "search_words"]

_STOP_WORDS = frozenset(
    "a an and are as at be been but by did do does for from had has have he her his how i if in into is it its of on or our she so such "
    "that the their them then there these they this to was we were what when where which who whom whose why will with you your".split()
)
_MANY = 20_000
Backend = Literal["auto", "own", "bm25s"]


class BM25(Searching):
    """An index of passages (texts, or mappings with a `text`) searched by their words.

    Okapi BM25 (Robertson and Zaragoza 2009) in the form that Lucene computes; `k1` dampens repeated words, `b` long passages. Words are
    lower case, without English stop words and plural endings; languages without spaces (Chinese, Japanese, Thai, Lao, Burmese, Khmer)
    are searched by characters and pairs of them. Give `tokenize` (text to words) for another language. `add` takes more passages at any
    time; an index begun without any (`BM25()`) finds nothing until then. From 20,000 passages on the package `bm25s` does the arithmetic
    where it is installed (`backend="auto"`); scores are the same but for rounding. Only passages that share a word with the query are
    found. Searching is safe from many threads.

    >>> index = BM25(["Whales are mammals.", "Sharks are fish.", "A whale shark is a fish, no mammal."])
    >>> [passage.text for passage in index("which whale is a fish?", k=2)]
    ['A whale shark is a fish, no mammal.', 'Whales are mammals.']
    """

    def __init__(
        self,
        passages: Iterable[Any] = NONE_YET,
        *,
        k1: float = 1.2,
        b: float = 0.75,
        tokenize: Callable[[str], list[str]] | None = None,
        backend: Backend = "auto",
    ) -> None:
        if not 0 <= k1 < math.inf or not 0 <= b <= 1:
            raise ConfigurationError(f"`k1` is {k1} and `b` is {b}; `k1` must not be negative, `b` lies between 0 and 1.")
        if backend not in ("auto", "own", "bm25s"):
            raise ConfigurationError(f"`backend` is {backend!r}; it can be 'auto', 'own' or 'bm25s'.")
        self.k1, self.b, self.backend = k1, b, backend
        self.tokenize = tokenize or search_words
        self.passages: list[Passage] = []
        self._lengths = array("I")
        self._postings: dict[str, tuple[array[int], array[int]]] = {}
        self._ready: _Frozen | None = None
        self.add(as_corpus(passages))

    def __len__(self) -> int:
        return len(self.passages)

    def add(self, passages: Iterable[Any]) -> None:
        """Index more passages."""
        postings = self._postings
        for passage in as_passages(passages):
            number, tokens = len(self.passages), self._words(passage["text"])
            for token, count in Counter(tokens).items():
                entry = postings.get(token)
                if entry is None:
                    entry = postings[token] = (array("I"), array("I"))
                entry[0].append(number)
                entry[1].append(count)
            self.passages.append(passage)
            self._lengths.append(len(tokens))
        self._ready = None

    def search(self, queries: Sequence[str], k: int) -> list[list[Passage]]:
        """For each query at most `k` passages that share a word with it, the best first; equal scores in the order they were added."""
        check_queries(queries, k)
        if not self.passages:
            return [[] for _ in queries]
        frozen = self._ready
        if frozen is None:
            frozen = self._ready = _Frozen(self)
        return [[self.passages[number].scored(score) for number, score in frozen.best(self._words(query), k)] for query in queries]

    def _words(self, text: str) -> list[str]:
        found = self.tokenize(text)
        if isinstance(found, str | Mapping) or not isinstance(found, Iterable):
            raise InputError(f"`tokenize` gives a list of words; for {text!r:.40} it gave {found!r:.40}, {a_kind(found)}.")
        return list(found)

    def save(self, path: str | Path) -> None:
        """Write passages and settings as JSON; `load` builds the index again. A `tokenize` of one's own must be given again there.

        Raises `StateError`, and leaves what was there, for passages that JSON cannot hold.
        """
        own = self.tokenize is not search_words
        content = {"format": "whet.bm25/1", "k1": self.k1, "b": self.b, "own_tokenize": own, "passages": self.passages}
        try:
            text = json.dumps(content)
        except (TypeError, ValueError, RecursionError) as error:
            raise StateError(f"The passages cannot be written as JSON: {error}. Nothing was written.") from error
        write_whole(Path(path), text, shared=True)

    @classmethod
    def load(cls, path: str | Path, *, tokenize: Callable[[str], list[str]] | None = None, backend: Backend = "auto") -> BM25:
        """The index that `save` wrote. Raises `StateError` for another file, `ConfigurationError` where its `tokenize` is not given."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise StateError(f"`{path}` is damaged: {error}.") from error
        if not isinstance(content, dict) or content.get("format") != "whet.bm25/1" or not content.keys() >= {"k1", "b", "passages"}:
            raise StateError(f"`{path}` was not written by `BM25.save`.")
        if content.get("own_tokenize") and tokenize is None:
            raise ConfigurationError(f"`{path}` was saved with a `tokenize` of its own; give it again: `BM25.load(path, tokenize=...)`.")
        try:
            return cls(content["passages"] or NONE_YET, k1=content["k1"], b=content["b"], tokenize=tokenize, backend=backend)
        except (TypeError, InputError) as error:
            raise StateError(f"`{path}` is damaged: {error}") from error


def search_words(text: str) -> list[str]:
    """The words to search by: lower case, no English stop words, plural endings off.

    >>> search_words("What are the cities of the Marquesses?")
    ['city', 'marquess']
    """
    if text.isascii():
        return [_singular(word) for word in words(text) if word not in _STOP_WORDS]
    return [_singular(word) for word in _paired(word_units(text)) if word not in _STOP_WORDS]


def _paired(units: list[str]) -> Iterator[str]:
    """Words as they are, and after a character that is a word of its own the pair with its neighbour: most words of Chinese have two."""
    before = ""
    for unit in units:
        alone = stands_alone(unit)
        yield unit
        if alone and before:
            yield before + unit
        before = unit if alone else ""


def _singular(word: str) -> str:
    """Harman's S-stemmer (1991), the weakest that helps, plus the possessive."""
    word = re.sub(r"['\u2019]s?$", "", word)
    if len(word) > 4 and word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and word[-2] not in "us":
        return word[:-1]
    return word


class _Frozen:
    """What depends on the whole index and is computed once after the last `add`."""

    def __init__(self, index: BM25) -> None:
        n, total = len(index.passages), sum(index._lengths)
        self.n = n
        self.postings = index._postings
        average = total / n or 1.0
        self.norms = array("d", (index.k1 * (1 - index.b + index.b * length / average) for length in index._lengths))
        self.weights: dict[str, array[float]] = {}
        self.other = _bm25s(index) if index.backend == "bm25s" or (index.backend == "auto" and n >= _MANY) else None

    def best(self, tokens: list[str], k: int) -> list[tuple[int, float]]:
        wanted = Counter(token for token in tokens if token in self.postings)
        if self.other is not None:
            return self._from_bm25s([token for token in tokens if token in wanted], k) if wanted else []
        scores: dict[int, float] = {}
        for token, count in wanted.items():
            weights = self.weights.get(token)
            if weights is None:
                weights = self.weights[token] = self._weigh(token)
            for number, weight in zip(self.postings[token][0], weights, strict=True):
                scores[number] = scores.get(number, 0.0) + count * weight
        return heapq.nsmallest(k, scores.items(), key=lambda item: (-item[1], item[0]))

    def _weigh(self, token: str) -> array[float]:
        numbers, counts = self.postings[token]
        idf = math.log(1 + (self.n - len(numbers) + 0.5) / (len(numbers) + 0.5))
        norms = self.norms
        return array("d", (idf * count / (count + norms[number]) for number, count in zip(numbers, counts, strict=True)))

    def _from_bm25s(self, tokens: list[str], k: int) -> list[tuple[int, float]]:
        other: Any = self.other
        scores = other.get_scores(tokens)
        found = scores.nonzero()[0]
        # Of equal scores the first are wanted; the package would give any.
        order = (-scores[found]).argsort(kind="stable")[:k]
        return [(int(number), float(scores[number])) for number in found[order]]


def _bm25s(index: BM25) -> Any:
    """The same index in bm25s; `None` when it is not installed and nobody insists."""
    try:
        import bm25s  # noqa: PLC0415 - optional, and it brings numpy
    except ImportError:
        if index.backend == "bm25s":
            raise MissingExtraError("`BM25(backend='bm25s')`", "bm25s", "retrieval") from None
        return None
    other = bm25s.BM25(method="lucene", k1=index.k1, b=index.b)
    other.index([index._words(passage["text"]) or [""] for passage in index.passages], show_progress=False)
    return other
