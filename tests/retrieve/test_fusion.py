"""Fusing and reranking."""

from __future__ import annotations

import random

import pytest

from whet.core.hashing import hash_embed
from whet.errors import ConfigurationError
from whet.retrieve import BM25, Hybrid, LateInteraction, Passage, Reranked, Retriever, fuse, fuse_passages
from whet.retrieve.late import hashed_word_vectors

TEXTS = ["my card was declined in a shop", "opening hours of the bank", "card payments are declined abroad", "weather"]


def test_fusion_adds_reciprocal_places() -> None:
    fused = dict(fuse([["a", "b"], ["b", "c", "b"]], constant=10))
    assert fused == pytest.approx({"a": 1 / 11, "b": 1 / 12 + 1 / 11, "c": 1 / 12})
    assert fuse([["a"], ["b"]], weights=[1, 2])[0][0] == "b"
    assert fuse([]) == []
    with pytest.raises(ConfigurationError, match="2 rankings but 1 weight"):
        fuse([["a"], ["b"]], weights=[1])


def test_passages_with_the_same_text_are_one() -> None:
    a, b = Passage(text="x", score=9.0, pid=1), Passage(text="x", score=0.1)
    (only,) = fuse_passages([[a], [b]], 5)
    assert only.pid == 1
    assert only.score == pytest.approx(2 / 61)


def test_a_hybrid_finds_what_either_finds() -> None:
    hybrid = Hybrid(BM25(TEXTS), LateInteraction(TEXTS))
    assert isinstance(hybrid, Retriever)
    assert hybrid("declined cards", k=2)[0].text in (TEXTS[0], TEXTS[2])
    assert len(hybrid.search(["declined", "hour"], 1)) == 2
    with pytest.raises(ConfigurationError, match="at least one retriever"):
        Hybrid()


def test_late_interaction_matches_word_by_word() -> None:
    index = LateInteraction(TEXTS)
    found = index("cards declining", k=4)
    assert {found[0].text, found[1].text} == {TEXTS[0], TEXTS[2]}
    assert found[0].score >= found[1].score > found[2].score
    exact = LateInteraction(["red fox"])("red fox")[0]
    assert exact.score == pytest.approx(2.0)
    assert LateInteraction()("x") == []
    assert LateInteraction(["", "red"])("red")[-1].score == 0.0


def test_late_interaction_takes_any_token_encoder() -> None:
    vectors = {"one": [[1.0, 0.0]], "both": [[1.0, 0.0], [0.0, 1.0]], "query": [[1.0, 0.0], [0.0, 1.0]]}
    index = LateInteraction(["one", "both"], token_vectors=lambda texts: [vectors[text] for text in texts])
    assert [(p.text, p.score) for p in index("query")] == [("both", 2.0), ("one", 1.0)]
    with pytest.raises(ValueError, match="vectors for 0 texts, but there are 1"):
        LateInteraction(["one"], token_vectors=lambda texts: [])


def test_reranking_keeps_the_passages_and_orders_them_anew() -> None:
    passages = [Passage(text=text, score=1.0, pid=i) for i, text in enumerate(TEXTS)]
    ranked = LateInteraction().rerank("bank opening hours", passages)
    assert ranked[0].pid == 1
    assert sorted(p.pid for p in ranked) == [0, 1, 2, 3]
    assert LateInteraction().rerank("x", []) == []
    best = Reranked(BM25(TEXTS), LateInteraction(), pool=4)("declined card", k=1)
    assert len(best) == 1
    assert "declined" in best[0].text


def test_the_default_vectors_are_hashed_words() -> None:
    assert hashed_word_vectors(["red fox"], dim=32) == [hash_embed(["red", "fox"], 32)]


def test_late_interaction_over_thousands_of_words_finds_what_it_finds_over_few() -> None:
    rng = random.Random(0)
    vocabulary = [f"word{number}x" for number in range(3_000)]
    texts = [" ".join(rng.choices(vocabulary, k=12)) for _ in range(500)]
    query = " ".join(texts[7].split()[:6])
    found = LateInteraction(texts)(query, k=3)
    alone = LateInteraction([passage.text for passage in found])(query, k=3)
    assert found[0].text == texts[7]
    assert [(p.text, round(p.score, 9)) for p in found] == [(p.text, round(p.score, 9)) for p in alone]
