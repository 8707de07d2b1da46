"""`Embeddings`: exact and approximate, one query and many, saved and loaded without embedding again (behaviours 15.4 to 15.6)."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from whet.core.hashing import hash_embed
from whet.core.records import Prediction
from whet.errors import ConfigurationError, InputError, MissingExtraError, StateError
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
    with pytest.raises(StateError, match="holds 1 texts, but vectors of shape"):
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


class Index:
    """As much of usearch as is used, exact."""

    built = 0

    def __init__(self, ndim: int, metric: str, dtype: str) -> None:
        assert (metric, dtype) == ("ip", "f32")
        self.ndim = ndim

    def add(self, keys: Any, vectors: Any) -> None:
        self.keys, self.vectors = keys, vectors
        Index.built += 1

    def save(self, path: str) -> None:
        with open(path, "wb") as file:
            np.save(file, self.vectors)

    def load(self, path: str) -> None:
        self.vectors = np.load(path)
        self.keys = np.arange(len(self.vectors))

    def search(self, query: Any, count: int) -> Any:
        return types.SimpleNamespace(keys=self.keys[np.argsort(-(self.vectors @ query))[:count]])


def test_a_large_corpus_uses_an_approximate_index(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = [f"entry number {i} about topic {i * 7 % 31}" for i in range(300)]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "usearch.index", None)
        with pytest.raises(MissingExtraError, match=r"300 texts .a larger `brute_force_threshold`.*usearch"):
            Embeddings(corpus, hash_embed, brute_force_threshold=300)
    package = types.ModuleType("usearch.index")
    package.Index = Index  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "usearch", types.ModuleType("usearch"))
    monkeypatch.setitem(sys.modules, "usearch.index", package)
    approximate = EmbeddingsWithScores(corpus, hash_embed, brute_force_threshold=300)
    exact = EmbeddingsWithScores(corpus, hash_embed, brute_force_threshold=301)
    for query in ("entry number 7", "topic 30"):
        assert approximate(query).scores == pytest.approx(exact(query).scores)


def test_the_graph_of_a_trusted_folder_is_read_and_that_of_another_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("usearch.index")
    package.Index = Index  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "usearch", types.ModuleType("usearch"))
    monkeypatch.setitem(sys.modules, "usearch.index", package)
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
