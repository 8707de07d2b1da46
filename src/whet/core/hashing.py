"""Vectors without a model: character n-grams hashed into a fixed number of dimensions, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zlib import crc32

from whet.core.text import words
from whet.errors import ConfigurationError

__all__ = ["hash_embed"]


def hash_embed(texts: str | Sequence[str], dim: int = 256, *, ngrams: tuple[int, int] = (3, 4)) -> list[list[float]]:
    """One vector of length `dim` and norm 1 per text, from its words and their character n-grams (`ngrams`: shortest and longest).

    Texts that share words or parts of words get similar vectors; meaning beyond spelling is not seen. A text without words gives zeros.
    The sign of a feature comes from its hash too, so that collisions cancel (Weinberger et al. 2009, Feature Hashing). A single string
    counts as a list of one. Raises `ConfigurationError` when `dim` is below 1.

    >>> a, b, c = hash_embed(["card payment failed", "my card payment is failing", "rainy weekend"], dim=64)
    >>> cosine = lambda x, y: sum(p * q for p, q in zip(x, y))
    >>> cosine(a, b) > 0.4 > cosine(a, c)
    True
    """
    if dim < 1:
        raise ConfigurationError(f"`dim` is {dim}; a vector needs at least 1 dimension. 256 is a good start.")
    known: dict[str, list[tuple[int, float]]] = {}
    return [_embed(text, dim, ngrams, known) for text in ([texts] if isinstance(texts, str) else texts)]


def _embed(text: str, dim: int, ngrams: tuple[int, int], known: dict[str, list[tuple[int, float]]]) -> list[float]:
    vector = [0.0] * dim
    for word in words(text):
        slots = known.get(word)
        if slots is None:
            slots = known[word] = [_slot(feature, dim) for feature in _features(word, ngrams)]
        weight = len(slots) ** -0.5
        for place, sign in slots:
            vector[place] += sign * weight
    norm = sum(x * x for x in vector) ** 0.5
    return [x / norm for x in vector] if norm else vector


def _features(word: str, ngrams: tuple[int, int]) -> Iterable[str]:
    padded = f"<{word}>"
    yield padded
    for size in range(ngrams[0], ngrams[1] + 1):
        if size < len(padded):
            yield from (padded[start : start + size] for start in range(len(padded) - size + 1))


def _slot(feature: str, dim: int) -> tuple[int, float]:
    value = crc32(feature.encode())
    return (value >> 1) % dim, 1.0 if value & 1 else -1.0
