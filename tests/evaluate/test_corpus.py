"""Corpus F1 against values worked out by hand, and its interval."""

from __future__ import annotations

import random

import pytest

from whet.errors import ConfigurationError, InputError
from whet.evaluate.corpus import Counts, corpus_f1, count_hits


def test_f1_of_a_yes_no_task_counts_only_the_positive_label() -> None:
    gold = ["y"] * 5 + ["n"] * 95
    always_no = corpus_f1(gold, ["n"] * 100, positive="y")
    some = corpus_f1(gold, ["y", "y", "n", "n", "n"] + ["y"] + ["n"] * 94, positive="y")
    assert float(always_no) == 0.0
    assert (some.precision.value, some.recall.value) == (pytest.approx(2 / 3), 0.4)
    assert float(some) == pytest.approx(0.5)
    assert some.by_label == {"y": Counts(2, 1, 3)}


def test_micro_and_macro_differ_when_labels_are_unequal() -> None:
    gold = ["a"] * 8 + ["b"] * 2
    found = ["a"] * 10
    assert float(corpus_f1(gold, found)) == pytest.approx(0.8)
    assert float(corpus_f1(gold, found, average="macro")) == pytest.approx((16 / 18 + 0) / 2)


def test_rows_with_several_labels() -> None:
    score = corpus_f1([{"a", "b"}, {"c"}, set()], [["a"], ["c", "d"], []])
    assert (score.precision.value, score.recall.value) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert count_hits(None, {"a"}) == {"a": Counts(0, 1, 0)}
    assert count_hits("b", "b", positive="a") == {}


def test_nothing_to_find_and_nothing_found_is_right() -> None:
    assert Counts().f1 == 1.0
    assert (Counts().precision, Counts().recall) == (0.0, 0.0)


def test_the_interval_covers_the_truth() -> None:
    rng = random.Random(7)
    hits = 0
    for _ in range(60):
        gold = [rng.random() < 0.3 for _ in range(150)]
        found = [(rng.random() < 0.8) if g else (rng.random() < 0.1) for g in gold]
        hits += 2 * 0.24 / (2 * 0.24 + 0.06 + 0.07) in corpus_f1(gold, found, positive=True).f1
    assert hits >= 52


def test_twenty_right_rows_are_no_certainty() -> None:
    perfect = corpus_f1(["y", "n"] * 20, ["y", "n"] * 20, positive="y")
    assert perfect.f1.value == perfect.f1.high == 1.0
    assert perfect.recall.low < 0.85 and perfect.precision.low < 0.85 and perfect.f1.low < 0.92
    labels = ["a", "b", "c", "d"] * 10
    assert corpus_f1(labels, labels).f1.low < 0.95 and corpus_f1(labels, labels, average="macro").f1.low < 0.95
    nothing = corpus_f1(["n"] * 5, ["n"] * 5, positive="y")
    assert (nothing.f1.low, nothing.f1.high) == (0.0, 1.0)


def test_near_perfect_scores_are_covered_too() -> None:
    rng, hits = random.Random(8), {"f1": 0, "precision": 0, "recall": 0}
    for _ in range(60):
        gold = [rng.random() < 0.5 for _ in range(40)]
        score = corpus_f1(gold, [g if rng.random() < 0.98 else not g for g in gold], positive=True)
        for name, truth in {"f1": 0.98, "precision": 0.98, "recall": 0.98}.items():
            hits[name] += truth in getattr(score, name)
    assert min(hits.values()) >= 54


def test_the_same_seed_gives_the_same_interval() -> None:
    gold, found = ["a", "b", "b"] * 10, ["a", "b", "a"] * 10
    assert corpus_f1(gold, found).f1 == corpus_f1(gold, found).f1


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigurationError, match="micro"):
        corpus_f1(["a"], ["a"], average="weighted")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="1 gold rows and 2 found"):
        corpus_f1(["a"], ["a", "b"])


def test_a_corpus_without_a_label_is_certain_of_nothing() -> None:
    score = corpus_f1([[], []], [[], []])
    assert (score.f1.value, score.f1.low, score.f1.high) == (1.0, 0.0, 1.0)
