"""The text most like another one, among many: an index of the words and word pairs that two lists of texts share."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from whet.core.text import word_units

__all__ = ["nearest_texts"]

# Where a text has a near-duplicate already, a nearer one is looked for among so many.
_ENOUGH = 200
_EPSILON = 1e-9


def nearest_texts(known: Sequence[str], asked: Sequence[str], threshold: float) -> Iterator[tuple[int, int, float]]:
    """(number in `known`, number in `asked`, similarity) of each asked text that is at least so like a known one, the most alike one.

    Exact, but for texts that hundreds of known ones come near: there an equal one is named, or else the nearest of some hundred.

    >>> list(nearest_texts(["a red car", "a blue car"], ["blue car", "a dog"], 0.5))
    [(1, 0, 0.6)]
    """
    left, right = _featured(known, asked, threshold)
    by_size = sorted(range(len(left)), key=lambda number: left[number].size)
    index = _Index([left[number] for number in by_size], threshold)
    for number, row in enumerate(right):
        best, similarity = index.nearest(row)
        if best >= 0:
            yield by_size[best], number, similarity


@dataclass(frozen=True, slots=True)
class _Row:
    """How many features a text has, and those that the other list has too, the rarest first.

    So many of them an alike text has at least: `needed`, or, where it is no shorter, `needed_of_longer`.
    """

    size: int
    needed: int
    needed_of_longer: int
    shared: list[int]

    def decisive(self, needed: int) -> list[int]:
        """Two of these are in every text that has the features it needs (one, where one is all it needs): prefix filtering, as Bayardo et
        al. (2007) and, for more than one, Wang et al. (2012) describe it."""
        return self.shared[: len(self.shared) - needed + min(2, needed)] if len(self.shared) >= needed else []


class _Index:
    """Rows in the order of their sizes, found by their decisive features: few for those that are compared with a longer row, since two of
    one size must have more in common than a long row and a short one (Xiao et al. 2008)."""

    def __init__(self, rows: list[_Row], threshold: float) -> None:
        self.rows, self.threshold = rows, threshold
        self.sizes = [row.size for row in rows]
        self.shorter: dict[int, list[int]] = defaultdict(list)
        self.longer: dict[int, list[int]] = defaultdict(list)
        self.equal: dict[int, int] = {}
        for number, row in enumerate(rows):
            self.equal.setdefault(hash(tuple(row.shared)), number)
            for feature in row.decisive(row.needed_of_longer):
                self.shorter[feature].append(number)
            for feature in row.decisive(row.needed):
                self.longer[feature].append(number)

    def nearest(self, row: _Row) -> tuple[int, float]:
        """The number of the row most like this one, and how like it is; -1 where none comes near."""
        equal = self.equal.get(hash(tuple(row.shared)), -1)
        if row.shared and equal >= 0 and len(row.shared) == row.size == self.rows[equal].size and self.rows[equal].shared == row.shared:
            return equal, 1.0
        found = -1, self.threshold - _EPSILON
        sizes = self.sizes
        low, middle = bisect_left(sizes, row.size * self.threshold - _EPSILON), bisect_right(sizes, row.size)
        high = bisect_right(sizes, row.size / self.threshold + _EPSILON)
        found = self._among(row, row.decisive(row.needed), self.shorter, (low, middle), found)
        return self._among(row, row.decisive(row.needed_of_longer), self.longer, (middle, high), found)

    def _among(
        self, row: _Row, decisive: list[int], index: dict[int, list[int]], bounds: tuple[int, int], found: tuple[int, float]
    ) -> tuple[int, float]:
        best, similarity = found
        mine, once, tried = set(row.shared), set[int](), set[int]()
        for position, feature in enumerate(decisive):
            # A text that was not tried yet shares at most one of the features before this one.
            most = (len(row.shared) - position + 1) / row.size
            met = index.get(feature, [])
            first, last = bisect_left(met, bounds[0]), bisect_left(met, bounds[1])
            if most <= similarity or (best >= 0 and len(once) + last - first > _ENOUGH):
                break
            met = met[first:last]
            for candidate in filter(once.__contains__, met) if row.needed > 1 else met:
                if candidate in tried:
                    continue
                tried.add(candidate)
                other = self.rows[candidate]
                common = len(mine.intersection(other.shared))
                alike = common / (row.size + other.size - common)
                if alike > similarity:
                    best, similarity = candidate, alike
                if best >= 0 and (most <= similarity or len(tried) > _ENOUGH):
                    return best, similarity
            once.update(met)
        return best, similarity


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
        size = len(features)
        needed, of_longer = (max(1, math.ceil(share * size - _EPSILON)) for share in (threshold, 2 * threshold / (1 + threshold)))
        rows.append(_Row(size, needed, of_longer, shared))
    return rows


def _features(text: str, numbers: dict[str, int]) -> list[int]:
    """The words of a text (of one that has none, its signs) and its pairs of neighbours, as numbers."""
    tokens = [numbers.setdefault(word, len(numbers) + 1) for word in word_units(text) or text.split()]
    return list(dict.fromkeys([*tokens, *_pairs(tokens)]))


def _pairs(tokens: list[int]) -> Iterable[int]:
    return ((first << 32) + second for first, second in zip(tokens, tokens[1:], strict=False))
