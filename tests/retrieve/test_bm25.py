"""BM25 against its formula, against bm25s, and on the bundled corpus."""

from __future__ import annotations

import asyncio
import math
import random
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from effort import within
from whet.datasets import load_bundled, load_corpus
from whet.errors import ConfigurationError, InputError, MissingExtraError, StateError
from whet.retrieve import BM25, Retriever
from whet.retrieve.bm25 import search_words

TEXTS = ["red fox red", "grey wolf", "red wolf and grey fox in the deep wood", "owl"]


def by_hand(query: str, texts: list[str], k1: float = 1.2, b: float = 0.75) -> list[float]:
    rows = [search_words(text) for text in texts]
    average = sum(map(len, rows)) / len(rows)
    scores = [0.0] * len(rows)
    for word in search_words(query):
        df = sum(word in row for row in rows)
        for i, row in enumerate(rows):
            tf = row.count(word)
            scores[i] += math.log(1 + (len(rows) - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * len(row) / average))
    return scores


def test_scores_are_those_of_the_formula() -> None:
    expected = by_hand("red fox fox", TEXTS)
    found = BM25(TEXTS)("red fox fox", k=4)
    assert {p.text: p.score for p in found} == pytest.approx({TEXTS[i]: expected[i] for i in (0, 2)})
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert isinstance(BM25(TEXTS), Retriever)


def test_only_passages_that_share_a_word_are_found() -> None:
    index = BM25(TEXTS)
    assert index("zebra") == index("the and of") == index("") == []
    assert BM25()("red") == []
    assert [len(found) for found in index.search(["red", "zebra", "owl"], 5)] == [2, 0, 1]
    assert [p.text for p in BM25(["same", "same x", "same"])("same", k=2)] == ["same", "same"]


def test_passages_can_be_added_later() -> None:
    index = BM25(TEXTS[:2])
    assert len(index("red")) == 1
    index.add(TEXTS[2:])
    assert len(index) == 4
    assert {p.text: p.score for p in index("red fox", k=9)} == {p.text: p.score for p in BM25(TEXTS)("red fox", k=9)}


def test_passages_keep_what_they_carry() -> None:
    (found,) = BM25([{"text": "red fox", "pid": 7}])("fox")
    assert (found["pid"], found.pid, found["text"], found.long_text) == (7, 7, "red fox", "red fox")
    assert found.score > 0


def test_words_are_folded_a_little() -> None:
    assert search_words("The cities' Castles, buses & glasses; James's boss was in Paris") == [
        "city", "castle", "buse", "glass", "jame", "boss", "pari",
    ]  # fmt: skip
    assert BM25(["\u6771\u4eac \u5927\u962a"], tokenize=str.split)("\u6771\u4eac")[0].score > 0


def test_bm25s_gives_the_same_answers() -> None:
    pytest.importorskip("bm25s")
    rng = random.Random(0)
    vocabulary = [f"w{int(rng.paretovariate(0.6))}" for _ in range(3000)]
    texts = [" ".join(rng.choices(vocabulary, k=rng.randrange(3, 40))) for _ in range(500)]
    queries = [" ".join(rng.choices(vocabulary, k=4)) for _ in range(30)]
    own, other = BM25(texts, backend="own"), BM25(texts, backend="bm25s")
    for mine, theirs in zip(own.search(queries, 10), other.search(queries, 10), strict=True):
        assert [p.score for p in mine] == pytest.approx([p.score for p in theirs], rel=1e-4)
    assert other("nothing of this") == []


def test_bm25s_must_be_there_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(MissingExtraError, match=r"whet\[retrieval\]"):
        BM25(TEXTS, backend="bm25s")("red")
    monkeypatch.setattr("whet.retrieve.bm25._MANY", 1)
    assert BM25(TEXTS)("owl")[0].text == "owl"


def test_an_index_is_saved_and_loaded(tmp_path: Path) -> None:
    BM25([*TEXTS, {"text": "fox", "pid": 1}], k1=0.9, b=0.4).save(tmp_path / "index.json")
    loaded = BM25.load(tmp_path / "index.json")
    assert (loaded.k1, loaded.b, len(loaded)) == (0.9, 0.4, 5)
    assert loaded("fox")[0]["pid"] == 1
    (tmp_path / "other.json").write_text("[]", encoding="utf-8")
    with pytest.raises(StateError, match=r"not written by `BM25\.save`"):
        BM25.load(tmp_path / "other.json")


def test_mistakes_are_named() -> None:
    index = BM25(TEXTS)
    with pytest.raises(InputError, match="`k` is 0"):
        index("red", k=0)
    with pytest.raises(InputError, match="A query is a text; this is 3, an int"):
        index.search([3], 1)  # type: ignore[list-item]
    with pytest.raises(InputError, match="A passage is a text or a mapping"):
        BM25([3])
    with pytest.raises(ConfigurationError, match="`b` is 2"):
        BM25(b=2)
    with pytest.raises(ConfigurationError, match="`backend` is 'fast'"):
        BM25(backend="fast")  # type: ignore[arg-type]


def test_the_bundled_atlas_needs_two_hops_and_two_are_enough() -> None:
    index = BM25(load_corpus("atlas"))
    rows = load_bundled("atlas") + load_bundled("atlas", "test")

    def titles(query: str) -> set[str]:
        return {passage.text.split(" | ")[0] for passage in index(query, k=3)}

    first = [row.gold_titles[0] in titles(row.question) for row in rows]
    second = [row.gold_titles[1] in titles(row.gold_titles[1]) for row in rows]
    at_once = [set(row.gold_titles) <= titles(row.question) for row in rows]
    assert min(sum(first), sum(second)) / len(rows) > 0.95
    assert sum(at_once) / len(rows) < 0.3


def test_searching_from_many_threads_is_safe() -> None:
    index, wrong = BM25(load_corpus("atlas")), []
    expected = [p.text for p in BM25(load_corpus("atlas"))("castle in Garrowmouth", k=5)]

    def work() -> None:
        for _ in range(20):
            if [p.text for p in index("castle in Garrowmouth", k=5)] != expected:
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_it_is_fast_enough_for_twenty_thousand_passages() -> None:
    rng = random.Random(1)
    vocabulary = [f"w{int(rng.paretovariate(0.5))}" for _ in range(20_000)]
    index = BM25([" ".join(rng.choices(vocabulary, k=40)) for _ in range(20_000)], backend="own")
    queries = [" ".join(rng.choices(vocabulary, k=6)) for _ in range(50)]
    index.search(queries, 5)
    assert within(700, lambda: index.search(queries, 5))


def test_chinese_and_japanese_are_found_by_their_characters() -> None:
    fruit, weather = "\u6211\u559c\u6b22\u5403\u82f9\u679c", "\u4eca\u5929\u5929\u6c14\u5f88\u597d"
    index = BM25([weather, fruit])
    assert [p.text for p in index("\u82f9\u679c")] == [p.text for p in index("\u5403")] == [fruit]
    assert [p.text for p in BM25(["\u092e\u0940\u0930\u093e", "\u092e\u0941\u0930\u093e"])("\u092e\u0940\u0930\u093e")] == [
        "\u092e\u0940\u0930\u093e"
    ]


@pytest.mark.parametrize("backend", ["own", "bm25s"])
def test_of_equal_passages_the_first_are_found_by_either_backend(backend: Any) -> None:
    pytest.importorskip("bm25s")
    index = BM25([f"castle {n}" for n in range(9)], backend=backend)
    assert [passage.text for passage in index("castle", k=3)] == ["castle 0", "castle 1", "castle 2"]


def test_a_failed_save_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    BM25(["a fox"]).save(path)
    with pytest.raises(StateError, match="cannot be written as JSON"):
        BM25([{"text": "wolf", "kept": object()}]).save(path)
    assert BM25.load(path)("fox")[0].text == "a fox"
    assert [file.name for file in tmp_path.iterdir()] == ["index.json"]


def test_an_index_with_words_of_its_own_is_not_read_with_others(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    BM25(["a-b c"], tokenize=str.split).save(path)
    with pytest.raises(ConfigurationError, match="give it again"):
        BM25.load(path)
    assert BM25.load(path, tokenize=str.split)("a-b")[0].text == "a-b c"
    with pytest.raises(InputError, match="`tokenize` gives a list of words"):
        BM25(["ab"], tokenize=lambda text: text)  # type: ignore[arg-type,return-value]
    with pytest.raises(ConfigurationError, match="`k1` is nan"):
        BM25(k1=float("nan"))


@pytest.mark.parametrize("content", ['"k1": "x", "b": 0.5, "passages": ["a"]', '"k1": 1, "b": 0.5, "passages": [5]'])
def test_a_spoilt_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "index.json"
    path.write_text('{"format": "whet.bm25/1", ' + content + "}")
    with pytest.raises(StateError, match="index.json` is damaged"):
        BM25.load(path)


def test_awaited_it_is_the_same() -> None:
    assert asyncio.run(BM25(["a fox", "a wolf"]).acall("wolf", k=1))[0].text == "a wolf"
