"""`Embeddings`: exact and approximate, one query and many, saved and loaded without embedding again (behaviours 15.4 to 15.6)."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
import types
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from whet.core.hashing import hash_embed
from whet.core.records import Prediction
from whet.errors import ConfigurationError, InputError, MissingExtraError, StateError
from whet.lm.embedder import Embedder
from whet.retrieve import Embeddings, EmbeddingsWithScores, Retriever

np: Any = pytest.importorskip("numpy")

CORPUS = ["declined card payments", "opening hours of branches", "exchange rates for travel", "lost or stolen card", "change of address"]


class Counting:
    """An embedder that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> Any:
        self.asked.append(list(texts))
        return np.array(hash_embed(list(texts), 64), dtype="float32")


def test_a_query_gives_a_prediction_with_the_best_first() -> None:
    result = Embeddings(CORPUS, hash_embed, k=2)("my card was stolen")
    assert isinstance(result, Prediction)
    assert result.passages[0] == "lost or stolen card"
    assert len(result.passages) == 2
    assert result.indices == [3, 0]
    assert "scores" not in result
    assert len(Embeddings(CORPUS, hash_embed, k=3).search("card", k=1).passages) == 1
    assert len(Embeddings(CORPUS, hash_embed, k=50).search("card").passages) == 5


def test_scores_are_cosines_or_dot_products() -> None:
    result = EmbeddingsWithScores(CORPUS, hash_embed)(CORPUS[1])
    assert result.scores[0] == pytest.approx(1.0, abs=1e-5)
    assert result.scores == sorted(result.scores, reverse=True)
    double = EmbeddingsWithScores(["a b"], lambda texts: [[3.0, 4.0]] * len(texts), normalize=False)("a b")
    assert double.scores == [25.0]
    assert EmbeddingsWithScores(["a b"], lambda texts: [[3.0, 4.0]] * len(texts))("a b").scores == pytest.approx([1.0])


def test_several_queries_follow_the_protocol_of_retrievers() -> None:
    index = Embeddings(CORPUS, Counting())
    assert isinstance(index, Retriever)
    found = index.search(["stolen card", "opening hours"], 2)
    assert [passages[0].text for passages in found] == ["lost or stolen card", "opening hours of branches"]
    assert found[0][0].score > found[0][1].score
    assert found[0][0]["index"] == 3
    assert index.search([], 2) == []


def test_equal_scores_keep_the_order_of_the_corpus() -> None:
    index = Embeddings(["x", "y", "z", "w"], lambda texts: [[1.0, 0.0]] * len(texts), k=3)
    assert index("q").indices[:1] == [0] or sorted(index("q").indices) == index("q").indices


def test_passages_may_be_mappings() -> None:
    index = Embeddings([{"text": "red fox", "pid": 4}, {"text": "owl", "pid": 5}], hash_embed, k=1)
    assert index("fox").passages == [{"text": "red fox", "pid": 4}]
    assert index.search(["fox"], 1)[0][0].pid == 4


def test_it_is_saved_and_loaded_without_embedding_the_corpus_again(tmp_path: Path) -> None:
    index = EmbeddingsWithScores(CORPUS, Counting(), k=2, normalize=False)
    index.save(tmp_path / "index")
    embedder = Counting()
    loaded = EmbeddingsWithScores.from_saved(tmp_path / "index", embedder)
    assert embedder.asked == []
    assert (loaded.k, loaded.normalize, loaded.brute_force_threshold) == (2, False, 20_000)
    assert loaded("stolen card") == index("stolen card")
    assert embedder.asked == [["stolen card"]]
    other = Embeddings(["x"], Counting())
    assert other.load(str(tmp_path / "index"), embedder) is other
    assert other("stolen card").passages == index("stolen card").passages
    assert sorted(p.name for p in (tmp_path / "index").iterdir()) == ["config.json", "corpus.json", "embeddings.npy"]


def test_what_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Embeddings.from_saved(tmp_path / "none", hash_embed)
    Embeddings(CORPUS, hash_embed).save(tmp_path)
    (tmp_path / "corpus.json").write_text('["one"]', encoding="utf-8")
    with pytest.raises(StateError, match="holds 1 text, but vectors of shape"):
        Embeddings.from_saved(tmp_path, hash_embed)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StateError, match="not written by"):
        Embeddings.from_saved(tmp_path, hash_embed)


def test_an_embedder_that_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shape .2,. for 5 texts"):
        Embeddings(CORPUS, lambda texts: [1.0, 2.0])
    with pytest.raises(ConfigurationError, match="`embedder` is 'model'"):
        Embeddings(CORPUS, "model")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="corpus is empty"):
        Embeddings([], hash_embed)
    Embeddings(CORPUS, Counting()).save(tmp_path)
    with pytest.raises(InputError, match="length 256, but those of the corpus have length 64"):
        Embeddings.from_saved(tmp_path, hash_embed)("x")


def test_concurrent_queries_are_answered_together_and_rightly() -> None:
    slow, gate = Counting(), threading.Event()

    def embedder(texts: Sequence[str]) -> Any:
        if len(texts) < 5:
            gate.wait(0.2)
        return slow(texts)

    index = Embeddings(CORPUS, embedder, k=1)
    slow.asked.clear()
    results: dict[str, str] = {}
    threads = [threading.Thread(target=lambda q=q: results.__setitem__(q, index(q).passages[0])) for q in CORPUS * 4]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert results == {text: text for text in CORPUS}
    assert sum(map(len, slow.asked)) == 20
    assert len(slow.asked) < 20


def array_file(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


class Index:
    """As much of usearch as is used, exact."""

    built = 0

    def __init__(self, ndim: int, metric: str, dtype: str) -> None:
        assert (metric, dtype) == ("ip", "f32")
        self.keys, self.vectors = np.zeros(0, dtype=int), np.zeros((0, ndim), dtype="float32")

    def add(self, keys: Any, vectors: Any) -> None:
        self.keys, self.vectors = np.concatenate([self.keys, keys]), np.concatenate([self.vectors, vectors])
        Index.built += 1

    def save(self, path: str) -> None:
        with open(path, "wb") as file:
            np.save(file, self.vectors)

    def load(self, path: str) -> None:
        self.vectors = np.load(path)
        self.keys = np.arange(len(self.vectors))

    def search(self, query: Any, count: int) -> Any:
        return types.SimpleNamespace(keys=self.keys[np.argsort(-(self.vectors @ query))[:count]])


def use_exact_usearch(monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("usearch.index")
    package.Index = Index  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "usearch", types.ModuleType("usearch"))
    monkeypatch.setitem(sys.modules, "usearch.index", package)


def test_a_large_corpus_uses_an_approximate_index(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = [f"entry number {i} about topic {i * 7 % 31}" for i in range(300)]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "usearch.index", None)
        with pytest.raises(MissingExtraError, match=r"300 texts .a larger `brute_force_threshold`.*usearch"):
            Embeddings(corpus, hash_embed, brute_force_threshold=300)
    use_exact_usearch(monkeypatch)
    approximate = EmbeddingsWithScores(corpus, hash_embed, brute_force_threshold=300)
    exact = EmbeddingsWithScores(corpus, hash_embed, brute_force_threshold=301)
    for query in ("entry number 7", "topic 30"):
        assert approximate(query).scores == pytest.approx(exact(query).scores)


def test_the_graph_of_a_trusted_folder_is_read_and_that_of_another_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_exact_usearch(monkeypatch)
    monkeypatch.setattr(Index, "built", 0)
    index = Embeddings(CORPUS, hash_embed, k=2, brute_force_threshold=2)
    index.save(tmp_path)
    for trusted, built in ((True, 1), (False, 2)):
        loaded = Embeddings.from_saved(tmp_path, hash_embed, trusted=trusted)
        assert loaded("stolen card").indices == index("stolen card").indices
        assert Index.built == built
    with (tmp_path / "graph.usearch").open("r+b") as file:
        file.seek(200)
        file.write(b"\xff" * 8)
    with pytest.raises(StateError, match="not the file that was saved"):
        Embeddings.from_saved(tmp_path, hash_embed, trusted=True)
    assert Embeddings.from_saved(tmp_path, hash_embed)("stolen card").indices == index("stolen card").indices
    Embeddings(CORPUS, hash_embed).save(tmp_path)
    assert not (tmp_path / "graph.usearch").exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("config.json", b"{", "config.json` is damaged"),
        ("config.json", b'{"format": "whet.embeddings/1"}', "not written by"),
        ("corpus.json", b"\xff", "corpus.json` is damaged"),
        ("corpus.json", b"{}", "holds no list of texts"),
        ("corpus.json", b'["a", "b", "c", "d", 5]', "corpus.json` is damaged: A passage is a text"),
        ("config.json", b'{"format": "whet.embeddings/1", "k": "3", "normalize": true, "brute_force_threshold": 9}', "`k` is '3'"),
        ("embeddings.npy", array_file(np.full((5, 8), np.nan)), "numbers that are not finite"),
        ("embeddings.npy", array_file(np.zeros((5, 0))), "vectors of shape"),
        ("embeddings.npy", b"", "embeddings.npy` is damaged"),
        ("embeddings.npy", b"garbage", "embeddings.npy` is damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    Embeddings(CORPUS, hash_embed).save(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StateError, match=says):
        Embeddings.from_saved(tmp_path, hash_embed)


def test_without_numpy_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(MissingExtraError, match=r"needs the package `numpy`.*whet\[retrieval\]"):
        Embeddings(CORPUS, hash_embed)


def test_texts_added_later_are_found_and_only_they_are_embedded(tmp_path: Path) -> None:
    embedder = Counting()
    index, whole = EmbeddingsWithScores(CORPUS[:2], embedder, k=5), EmbeddingsWithScores(CORPUS, embedder, k=5)
    embedder.asked.clear()
    index.add(text for text in CORPUS[2:])
    index.add([])
    assert embedder.asked == [CORPUS[2:]]
    for query in CORPUS:
        assert index(query).indices == whole(query).indices and index(query).scores == whole(query).scores
    index.save(tmp_path)
    loaded = EmbeddingsWithScores.from_saved(tmp_path, embedder)
    loaded.add([{"text": "a wholly new one", "id": 7}])
    assert loaded("wholly new", k=1).passages == [{"text": "a wholly new one", "id": 7}]
    with pytest.raises(InputError, match="those of the corpus have length 64"):
        Embeddings.from_saved(tmp_path, lambda texts: [[1.0]] * len(texts)).add(["x"])


def test_an_index_that_grows_beyond_the_threshold_is_an_approximate_one(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Embeddings(CORPUS[:2], hash_embed, k=1, brute_force_threshold=4)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "usearch.index", None)
        with pytest.raises(MissingExtraError):
            index.add(CORPUS[2:])
    assert len(index.corpus) == len(index.corpus_embeddings) == 2
    use_exact_usearch(monkeypatch)
    index.add(CORPUS[2:4])
    index.add(CORPUS[4:])
    assert [index(text).passages for text in CORPUS] == [[text] for text in CORPUS]


def test_searches_go_on_while_texts_are_added() -> None:
    index = Embeddings(CORPUS, hash_embed, k=5)
    failures: list[BaseException] = []

    def search() -> None:
        try:
            for _ in range(100):
                found = index("card")
                assert [index.corpus[number] for number in found.indices] == found.passages
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    threads += [threading.Thread(target=lambda n=n: index.add([f"card {n}", f"door {n}"])) for n in range(20)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and len(index.corpus) == len(index.corpus_embeddings) == 45
    assert index("door 13", k=1).passages == ["door 13"]


def test_a_failed_save_leaves_what_was_there(tmp_path: Path) -> None:
    Embeddings(CORPUS, hash_embed, brute_force_threshold=float("inf")).save(tmp_path)  # type: ignore[arg-type]
    with pytest.raises(StateError, match="cannot be written as JSON"):
        Embeddings([{"text": "x", "kept": object()}], hash_embed).save(tmp_path)
    assert Embeddings.from_saved(tmp_path, hash_embed).corpus == CORPUS
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "corpus.json", "embeddings.npy"]


def test_another_model_than_the_one_that_embedded_the_corpus_is_warned_of(tmp_path: Path) -> None:
    Embeddings(CORPUS, Embedder("hashing", caching=False)).save(tmp_path)
    Embeddings.from_saved(tmp_path, Embedder("hashing", caching=False))
    with pytest.warns(UserWarning, match="embedded with 'hashing'; 'openai/x' may not understand"):
        Embeddings.from_saved(tmp_path, Embedder("openai/x"))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("kind", ["float16", "float64", ">f4"])
def test_vectors_of_any_size_and_kind_are_compared(scale: float, kind: str) -> None:
    scale = 1.0 if kind == "float16" else scale
    index = EmbeddingsWithScores(["a", "b"], lambda texts: np.array([[t == "a", t == "b"] for t in texts]).astype(kind)[:, ::-1] * scale)
    assert index("b").passages == ["b", "a"] and index("b").scores == pytest.approx([1.0, 0.0])


def test_an_async_embedder_and_awaited_searches() -> None:
    async def embedder(texts: list[str]) -> Any:
        return hash_embed(texts)

    async def both() -> Any:
        index = Embeddings(CORPUS, embedder, k=1)  # type: ignore[arg-type]
        return await asyncio.gather(*(index.acall(text) for text in CORPUS))

    assert [found.passages for found in asyncio.run(both())] == [[text] for text in CORPUS]


@pytest.mark.parametrize("rows", [[[1.0], [1.0, 2.0]], [["x"], ["y"]], np.ones((2, 2), dtype=complex), np.ones((2, 0)), None])
def test_what_is_no_row_of_numbers_per_text_is_named(rows: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InputError, match="The embedder gave"):
            Embeddings(["a", "b"], lambda texts: rows)
    with pytest.raises(InputError, match="A corpus is a list"):
        Embeddings({"a": 1}, hash_embed)


@pytest.mark.parametrize("threshold", [100, 3])
def test_what_is_removed_is_found_no_more_and_nothing_is_embedded_for_it(
    threshold: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_exact_usearch(monkeypatch)
    embedder = Counting()
    index = EmbeddingsWithScores(CORPUS, embedder, k=5, brute_force_threshold=threshold)
    embedder.asked.clear()
    index.remove(1)
    assert embedder.asked == [] and index.corpus == [CORPUS[0], *CORPUS[2:]]
    whole = EmbeddingsWithScores(index.corpus, hash_64, k=5, brute_force_threshold=threshold)
    for query in CORPUS:
        assert index(query).passages == whole(query).passages and index(query).indices == whole(query).indices
    index.remove(["change of address", index(CORPUS[3]).indices[0]])
    index.save(tmp_path)
    for one in (
        index,
        EmbeddingsWithScores.from_saved(tmp_path, embedder),
        EmbeddingsWithScores.from_saved(tmp_path, embedder, trusted=True),
    ):
        assert one.corpus == [CORPUS[0], CORPUS[2]] and sorted(one("lost card").indices) == [0, 1]
        one.add([CORPUS[3]])
        assert one(CORPUS[3], k=1).indices == [2]


def hash_64(texts: Sequence[str]) -> Any:
    return np.array(hash_embed(list(texts), 64), dtype="float32")


def test_texts_are_removed_by_fields_and_by_the_passages_that_a_search_found() -> None:
    corpus = [{"text": "a fox", "pid": 1}, {"text": "a fox", "pid": 2}, {"text": "a hare", "pid": 3}, "a hare", "an owl"]
    index = Embeddings(corpus, hash_embed, k=1)
    index.remove({"pid": 2})
    assert index.corpus == [corpus[0], *corpus[2:]]
    index.remove(index.search(["a fox"], k=1)[0])
    assert index.corpus == corpus[2:]
    index.remove("a hare")
    assert index.corpus == ["an owl"]


@pytest.mark.parametrize(
    ("what", "says"),
    [(9, "no number 9 among 5 texts"), (-1, "no number -1"), ("a fox", "no 'a fox' among"), ({"pid": 1}, r"no \{'pid': 1\}"),
     ([0, 7], "no number 7"),
     (1.5, "this is 1.5, a float"), (True, "this is True, a bool"),
     ({}, "this is {}, a dict"), (range(5), "Nothing would be left")],
)  # fmt: skip
def test_what_cannot_be_removed_is_named_and_nothing_is_changed(what: Any, says: str) -> None:
    index = Embeddings(CORPUS, hash_embed)
    with pytest.raises(InputError, match=says):
        index.remove(what)
    assert index.corpus == CORPUS
    index.remove([])
    assert index.corpus == CORPUS


def test_searches_go_on_while_texts_are_removed() -> None:
    texts = [f"card {n}" for n in range(200)]
    index = EmbeddingsWithScores(texts, hash_embed, k=5)
    failures: list[BaseException] = []

    def search() -> None:
        try:
            for n in range(100):
                found = index(f"card {199 - n % 5}")
                assert found.passages[0] == f"card {199 - n % 5}" and found.scores[0] > 0.99
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(150):
        index.remove(f"card {n}")
    for thread in threads:
        thread.join()
    assert failures == [] and index.corpus == texts[150:]
