"""Hashed vectors: the same everywhere, of norm 1, and near for texts that share words."""

from __future__ import annotations

import math

import pytest

from whet.core.hashing import hash_embed
from whet.errors import ConfigurationError


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_vectors_have_norm_one_and_are_the_same_on_every_machine() -> None:
    (vector,) = hash_embed(["Hello, world"], dim=8)
    assert math.isclose(cosine(vector, vector), 1.0)
    assert [round(x, 3) for x in vector] == [round(x, 3) for x in hash_embed("hello WORLD", dim=8)[0]]
    assert [round(x, 2) for x in vector] == FIRST


FIRST = [0.0, 0.43, 0.0, -0.21, -0.43, 0.43, 0.0, -0.64]


def test_shared_words_and_parts_of_words_bring_texts_together() -> None:
    a, b, c = hash_embed(["my card was declined", "declined cards", "the weather in Rome"])
    assert cosine(a, b) > 0.3 > abs(cosine(a, c))


def test_a_text_without_words_is_the_zero_vector() -> None:
    assert hash_embed(["", "?!"], dim=3) == [[0.0] * 3] * 2


def test_a_vector_needs_a_dimension() -> None:
    with pytest.raises(ConfigurationError, match="`dim` is 0"):
        hash_embed(["x"], 0)


def test_one_dimension_is_enough_and_none_is_refused() -> None:
    assert [abs(value) for value in hash_embed("card", dim=1)[0]] == pytest.approx([1.0])
    with pytest.raises(ConfigurationError, match="`dim` is 0"):
        hash_embed("card", dim=0)
