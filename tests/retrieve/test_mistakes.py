"""What is given in the wrong form is said at once, and not found out by a strange ranking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import whet
from whet.core.hashing import hash_embed
from whet.datasets import DataLoader
from whet.errors import ConfigurationError, InputError, StateError
from whet.retrieve import BM25, Embeddings, Hybrid, LateInteraction, Reranked

TEXTS = ["red fox", "grey wolf"]
MAKERS: list[Any] = [BM25, lambda texts: Embeddings(texts, hash_embed), LateInteraction]


@pytest.mark.parametrize("make", MAKERS)
def test_one_text_is_no_corpus(make: Any) -> None:
    for wrong in ("red fox", None, {"text": "red fox"}):
        with pytest.raises(InputError, match="A corpus is a list of texts"):
            make(wrong)


@pytest.mark.parametrize("make", [BM25, LateInteraction, lambda texts: Hybrid(BM25(texts))])
def test_search_takes_a_list_of_queries(make: Any) -> None:
    index = make(TEXTS)
    for wrong in ("fox", None, 3):
        with pytest.raises(InputError, match="takes a list of queries.*call the retriever itself"):
            index.search(wrong, 1)
    assert index("fox", k=1)[0].text == "red fox"


def test_what_cannot_search_or_rerank() -> None:
    with pytest.raises(ConfigurationError, match=r"has a method `search\(queries, k\)`.*list"):
        Hybrid([BM25(TEXTS), BM25(TEXTS)])  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="1 retrievers but 2 weights"):
        Hybrid(BM25(TEXTS), weights=[1, 2])
    with pytest.raises(ConfigurationError, match="rerank"):
        Reranked(BM25(TEXTS), lambda query, passages: passages)  # type: ignore[arg-type]


def test_vectors_are_finite() -> None:
    with pytest.raises(InputError, match="not finite for the text 'grey wolf'"):
        Embeddings(TEXTS, lambda texts: [[1.0 if "fox" in text else float("nan")] for text in texts])


def test_a_list_is_no_data_frame() -> None:
    with pytest.raises(InputError, match="reads a data frame; this is a list"):
        DataLoader().from_pandas([{"question": "q"}])


@pytest.mark.parametrize(
    ("found", "says"), [(None, "gave None"), ("one text", "gave 'one text', a str"), ([1], "this is 1"), ([{"title": "x"}], "has a `text`")]
)
def test_a_retriever_that_gives_something_else_than_passages(found: Any, says: str) -> None:
    with whet.context(rm=lambda query, k: found), pytest.raises(InputError, match=says):
        whet.Retrieve(k=1)("q")


def test_a_damaged_index_of_words_is_named(tmp_path: Path) -> None:
    for content in ("{", '{"format": "whet.bm25/1"}'):
        (tmp_path / "bm25.json").write_text(content, encoding="utf-8")
        with pytest.raises(StateError, match="bm25.json"):
            BM25.load(tmp_path / "bm25.json")
