"""What is given in the wrong form is said at once, and not found out by a strange ranking."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.core.hashing import hash_embed
from whet.datasets import DataLoader
from whet.errors import ConfigurationError, InputError, StateError
from whet.retrieve import BM25, Embeddings, Hybrid, LateInteraction, Reranked, fuse, fuse_passages

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
    with pytest.raises(ConfigurationError, match="1 retriever but 2 weights"):
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


class Gives:
    """Searches and reranks by giving always the same."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def search(self, queries: Any, k: int) -> Any:
        return self.found

    def rerank(self, query: str, passages: Any) -> Any:
        return self.found


def test_retrievers_that_give_texts_are_fused_and_reranked() -> None:
    assert [p.text for p in Hybrid(Gives([["a", "b"]]), Gives([[{"long_text": "b"}]]))("x", k=2)] == ["b", "a"]
    assert [p.text for p in Reranked(Gives([["a", "fox"]]), LateInteraction())("fox", k=1)] == ["fox"]


@pytest.mark.parametrize(
    ("search", "says"),
    [
        (lambda: Hybrid(BM25(["x"]), Gives([["a"]])).search(["x", "y"], 1), "a list for each of 2 queries"),
        (
            lambda: Hybrid(BM25(["x"]), Gives([{"text": "a"}]))("x"),
            "a list of queries, and gives a list of passages for each",
        ),
        (lambda: BM25(["x"])("x", k="3"), "`k` is '3'"),
        (lambda: Reranked(BM25(["x"]), LateInteraction(), pool=0), "`pool` is 0; it is how many passages are looked at"),
        (lambda: Hybrid(BM25(["x"]), pool=0), "`pool` is 0"),
        (lambda: BM25([]), "The corpus is empty"),
        (lambda: BM25(text for text in ()), "The corpus is empty"),
        (lambda: LateInteraction([]), "The corpus is empty"),
        (lambda: Reranked(BM25(["x"]), Gives(None))("x"), "`Gives.rerank` gives passages; it gave None"),
        (lambda: fuse(["abc"]), "a list of items"),
        (lambda: fuse([["a"]], constant=-1), "`constant` is -1"),
        (lambda: fuse([["a"]], weights=[float("nan")]), "a number from 0 up"),
        (lambda: Hybrid(BM25(), BM25(), weights=[-1, 1]), "a number from 0 up"),
        (lambda: LateInteraction(["ab"], token_vectors=lambda texts: [[[1.0] * len(text)] for text in texts])("abc"), "each has 2"),
        (lambda: LateInteraction(["ab"], token_vectors=lambda texts: [[[float("nan")]] for _ in texts]), "all finite"),
    ],
)
def test_what_cannot_be_searched_with_is_named(search: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        search()


@pytest.mark.parametrize(("of_the_step", "of_the_call"), [(0, None), (3, 0), (3, -1), (3, 1.5)])
def test_less_than_one_passage_is_refused_before_the_search(of_the_step: int, of_the_call: Any) -> None:
    with whet.context(rm=lambda query, k: pytest.fail("asked")), pytest.raises(InputError, match="ask for at least 1 passage"):
        whet.Retrieve(k=of_the_step)("q", k=of_the_call)


def test_an_index_of_no_passages_at_a_time_is_refused_before_the_corpus_is_embedded() -> None:
    with pytest.raises(InputError, match="`k` is 0"):
        Embeddings(TEXTS, lambda texts: pytest.fail("embedded"), k=0)


class Searches:
    """A retriever as the protocol wants it, which cannot be called."""

    def __init__(self, found: Any = None) -> None:
        self.found = found

    def search(self, queries: Any, k: int) -> Any:
        return self.found if self.found is not None else [[f"{query} {place}" for place in range(k)] for query in queries]


class SearchesLater(Searches):
    async def search(self, queries: Any, k: int) -> Any:
        return super().search(queries, k)


@pytest.mark.parametrize("retriever", [Searches(), SearchesLater()])
def test_whatever_searches_is_a_retriever_for_programs(retriever: Any) -> None:
    with whet.context(rm=retriever):
        assert whet.Retrieve(k=2)("fox").passages == ["fox 0", "fox 1"]
        assert asyncio.run(whet.Retrieve(k=1).acall("fox")).passages == ["fox 0"]


def test_what_is_no_retriever_is_named() -> None:
    of_one_query = Searches([{"text": "a"}])
    for wrong, says in ((3, r"has `search\(queries, k\)`; 3 \(int\) is neither"), (of_one_query, "a list of passages for each")):
        with whet.context(rm=wrong), pytest.raises(whet.WhetError, match=says):
            whet.Retrieve()("fox")


def test_an_index_that_is_begun_empty_grows_and_is_saved(tmp_path: Path) -> None:
    index = BM25()
    assert index("fox") == []
    index.save(tmp_path / "index.json")
    again = BM25.load(tmp_path / "index.json")
    again.add(TEXTS)
    assert again("fox")[0].text == "red fox"


def test_a_function_that_is_no_retriever_is_told_how_retrievers_are_called() -> None:
    def failing(query: str, k: int) -> list[str]:
        raise TypeError("a mistake inside")

    wrong: Any = lambda query: [query]  # noqa: E731 - as people write it
    with whet.context(rm=wrong), pytest.raises(ConfigurationError, match=r"called as `rm\(query, k=k\)`; <function .* cannot be"):
        whet.Retrieve()("fox")
    with whet.context(rm=failing), pytest.raises(TypeError, match="a mistake inside"):
        whet.Retrieve()("fox")


@pytest.mark.parametrize(
    ("search", "says"),
    [
        (lambda: fuse([[{"text": "a"}]]), "for passages there is `fuse_passages`"),
        (lambda: fuse_passages([["a"]], k=-1), "`k` is -1"),
        (lambda: Hybrid(BM25(["a"]), BM25(["b"]), weights=[0, 0]), "one at least is above"),
        (lambda: Hybrid(BM25(["a"]), weights=["1"]), "each is a number from 0 up"),
        (lambda: Embeddings(["a"], hash_embed, brute_force_threshold=None), "`brute_force_threshold` is None; it is a number of texts"),
        (lambda: whet.Retrieve()(["fox", "wolf"]), "A query is a text; this is .'fox', 'wolf'., a list. Ask for each"),
        (lambda: whet.Retrieve()(None), "A query is a text; this is None"),
    ],
)
def test_more_that_cannot_be_searched_with_is_named(search: Any, says: str) -> None:
    with whet.context(rm=BM25(TEXTS)), pytest.raises(ValueError, match=says):
        search()


def test_a_class_in_the_place_of_a_retriever_is_named() -> None:
    with whet.context(rm=BM25), pytest.raises(ConfigurationError, match=r"`rm` is the class `BM25`; give an object of it: `BM25\(...\)`"):
        whet.Retrieve()("fox")
