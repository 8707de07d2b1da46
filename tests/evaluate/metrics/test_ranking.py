"""Rankings, against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from whet.errors import ConfigurationError, InputError
from whet.evaluate.metrics.ranking import ndcg, precision_at, rank_precision, recall_at, reciprocal_rank


def test_rank_precision_can_always_reach_one() -> None:
    assert rank_precision(["a"], ["a", "b", "c"], k=3) == 1.0
    assert rank_precision(set("abcd"), ["a", "x", "b"], k=3) == pytest.approx(2 / 3)
    assert rank_precision([], ["a"], k=3) == 0.0


def test_ndcg_discounts_by_place() -> None:
    assert ndcg(["b"], ["a", "b"], k=2) == pytest.approx(1 / math.log2(3))
    assert ndcg({"a": 2.0, "b": 1.0}, ["b", "x", "a"], k=3) == pytest.approx((1 + 2 / 2) / (2 + 1 / math.log2(3)))
    assert ndcg([], ["a"]) == 0.0
    for gain in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigurationError, match="gains are 0 or more"):
            ndcg({"a": gain}, ["a"])


def test_a_repeated_item_gains_once() -> None:
    assert ndcg(["a", "b"], ["a", "a", "b"], k=3) < 1.0
    assert precision_at(["a"], ["a", "a"], k=2) == 0.5
    assert rank_precision(["a", "b"], ["a", "a"], k=2) == 0.5


def test_recall_and_the_first_hit() -> None:
    assert recall_at(["a", "b"], ["c", "a"], k=1) == 0.0
    assert recall_at(["a", "b"], ["c", "a"], k=2) == 0.5
    assert reciprocal_rank(["a"], ["x", "y", "a"]) == pytest.approx(1 / 3)
    assert reciprocal_rank(["a"], []) == 0.0


@pytest.mark.parametrize("function", [rank_precision, recall_at, precision_at, ndcg])
def test_k_must_be_positive(function: object) -> None:
    with pytest.raises(ConfigurationError, match="`k` is 0"):
        function(["a"], ["a"], 0)  # type: ignore[operator]


@pytest.mark.parametrize("measure", [rank_precision, recall_at, precision_at, ndcg])
def test_one_text_is_neither_a_ranking_nor_what_is_relevant(measure: Any) -> None:
    """Each of its letters would be an item, and the measure a number that says nothing."""
    with pytest.raises(InputError, match="this is 'doc1', a str"):
        measure("doc1", ["doc1"], k=1)
    with pytest.raises(InputError, match="What is relevant comes before it"):
        measure({"doc1"}, "doc1", k=1)
    with pytest.raises(InputError, match="this is {'doc1'}, a set. What is relevant comes before it"):
        measure(["doc1"], {"doc1"}, k=1)
    with pytest.raises(InputError, match="this is 'doc1', a str"):
        reciprocal_rank("doc1", ["doc1"])
