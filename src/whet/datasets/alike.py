"""The text most like another one, among many: an index of the words and word pairs that two lists of texts share."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from whet.core.text import words

__all__ = ["nearest_texts"]

# Where a text has a near-duplicate already, a nearer one is looked for among so many.
_ENOUGH = 5000
_EPSILON = 1e-9


def nearest_texts(known: Sequence[str], asked: Sequence[str], threshold: float) -> Iterator[tuple[int, int, float]]:
    """(number in `known`, number in `asked`, similarity) of each asked text that is at least so like a known one, the most alike one.

    Exact, but for texts that thousands of known ones come near: there the nearest of some thousand is named.

    >>> list(nearest_texts(["a red car", "a blue car"], ["blue car", "a dog"], 0.5))
    [(1, 0, 0.6)]
    """
    left, right = _featured(known, asked, threshold)
    index: dict[int, list[int]] = defaultdict(list)
    for number, row in enumerate(left):
        for feature in row.decisive:
            index[feature].append(number)
    for number, row in enumerate(right):
        similarity, best = _nearest(row, left, index, threshold)
        if best >= 0:
            yield best, number, similarity


@dataclass(frozen=True, slots=True)
class _Row:
    """How many features a text has, how many of them an alike one has, and those that the other list has too, the rarest first."""

    size: int
    needed: int
    shared: list[int]

    @property
    def decisive(self) -> list[int]:
        """Two of these are in every text that is like this one (one, where one is all it needs): prefix filtering, as Bayardo et al.
        (2007) and, for more than one, Wang et al. (2012) describe it."""
        return self.shared[: len(self.shared) - self.needed + min(2, self.needed)] if len(self.shared) >= self.needed else []


def _nearest(row: _Row, known: list[_Row], index: dict[int, list[int]], threshold: float) -> tuple[float, int]:
    best, similarity = -1, threshold - _EPSILON
    mine, once, tried = set(row.shared), set[int](), set[int]()
    for position, feature in enumerate(row.decisive):
        # A text that was not tried yet shares at most one of the features before this one.
        most = (len(row.shared) - position + 1) / row.size
        met = index.get(feature, ())
        if most <= similarity or (best >= 0 and len(once) + len(met) > _ENOUGH):
            break
        due = once.intersection(met) if row.needed > 1 else set(met)
        once.update(met)
        for candidate in sorted(due - tried):
            other = known[candidate]
            common = len(mine.intersection(other.shared))
            found = common / (row.size + other.size - common)
            if found > similarity:
                best, similarity = candidate, found
                if most <= similarity:
                    break
        tried |= due
    return similarity, best


def _featured(known: Sequence[str], asked: Sequence[str], threshold: float) -> tuple[list[_Row], list[_Row]]:
    numbers: dict[str, int] = {}
    left, right = ([_features(text, numbers) for text in texts] for texts in (known, asked))
    here, there = Counter(_all(left)), Counter(_all(right))
    rarity = {feature: here[feature] + there[feature] for feature in here.keys() & there.keys()}
    return _rows(left, rarity, threshold), _rows(right, rarity, threshold)


def _all(rows: list[list[int]]) -> Iterator[int]:
    return (feature for row in rows for feature in row)


def _rows(texts: list[list[int]], rarity: dict[int, int], threshold: float) -> list[_Row]:
    rows = []
    for features in texts:
        shared = sorted((f for f in features if f in rarity), key=lambda f: (rarity[f], f))
        rows.append(_Row(len(features), max(1, math.ceil(threshold * len(features) - _EPSILON)), shared))
    return rows


def _features(text: str, numbers: dict[str, int]) -> list[int]:
    """The words of a text and its pairs of neighbours, as numbers."""
    tokens = [numbers.setdefault(word, len(numbers) + 1) for word in words(text)]
    return list(dict.fromkeys([*tokens, *_pairs(tokens)]))


def _pairs(tokens: list[int]) -> Iterable[int]:
    return ((first << 32) + second for first, second in zip(tokens, tokens[1:], strict=False))
