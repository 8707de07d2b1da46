"""The dense encoder learns what matters from pairs, its weights are a value, and damaged ones are not loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from whet.errors import ConfigurationError, LMNotConfiguredError, StateError, TrainingError
from whet.lm.home import models_folder
from whet.retrieve.passage import Retriever
from whet.train.encoder import DenseEncoder, DenseRetriever, SearchPair, TrainableRetriever, weak_pairs

pytest.importorskip("numpy")
NOUNS = "anchor basket candle dragon engine feather garden hammer island jacket kettle lantern mirror needle orchid pepper".split()
# Untrained, the loud words decide; what decides is the noun.
CORPUS = [f"{noun} report number {i}, please read it with great care today" for i, noun in enumerate(NOUNS)] + [
    "please tell me whatever you know concerning it today, " * 2 + f"volume {i}" for i in range(8)
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))


def query(noun: str) -> str:
    return f"please tell me whatever you know concerning the {noun}"


def pairs(nouns: list[str], retriever: Any) -> list[SearchPair]:
    return weak_pairs(retriever, [(query(n), lambda text, n=n: text.startswith(n)) for n in nouns], depth=len(CORPUS))


def recall(retriever: Any, nouns: list[str]) -> float:
    found = retriever.search([query(n) for n in nouns], 1)
    return sum(p[0]["text"].startswith(n) for p, n in zip(found, nouns, strict=True)) / len(nouns)


def test_training_on_some_words_helps_with_others() -> None:
    before = DenseRetriever(CORPUS, DenseEncoder(seed=1))
    losses: list[float] = []
    learn = {"epochs": 40, "learning_rate": 4.0}
    after = before.train(pairs(NOUNS[:8], before), progress=lambda epoch, loss: losses.append(loss), **learn)
    assert losses[-1] < losses[0]
    assert recall(before, NOUNS[8:]) < 0.5 < recall(after, NOUNS[8:])
    assert isinstance(after, TrainableRetriever) and isinstance(after, Retriever)
    assert after(query("anchor"), k=2)[0]["score"] >= after(query("anchor"), k=2)[1]["score"]


def test_training_is_the_same_every_time_and_changes_nothing_old() -> None:
    start = DenseEncoder(CORPUS)
    table = start.table.copy()
    found = pairs(NOUNS[:6], DenseRetriever(CORPUS, start))
    one, two = start.trained(found, epochs=3), start.trained(found, epochs=3)
    assert (one.table == two.table).all() and (start.table == table).all() and (one.table != table).any()


def test_weights_are_saved_whole_and_refused_when_damaged() -> None:
    encoder = DenseEncoder(CORPUS, dim=16)
    name = encoder.save("atlas")
    assert (DenseEncoder.load(name)(CORPUS) == encoder(CORPUS)).all()
    path = models_folder() / name / "encoder.f32"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StateError, match="damaged"):
        DenseEncoder.load(name)
    with pytest.raises(LMNotConfiguredError, match="no trained model"):
        DenseEncoder.load("atlas-0000000000000000")


def test_bad_settings_and_bad_losses() -> None:
    encoder = DenseEncoder(CORPUS, dim=8)
    pair = SearchPair(query="a b", positive="a", negatives=("b",))
    with pytest.raises(ConfigurationError, match="0 pairs"):
        encoder.trained([])
    with pytest.raises(ConfigurationError, match="epochs=0"):
        encoder.trained([pair], epochs=0)
    with pytest.raises(ConfigurationError, match="dim"):
        DenseEncoder(dim=0)
    import numpy as np

    with np.errstate(all="ignore"), pytest.raises(TrainingError, match="loss became"):
        encoder.trained([pair] * 3, learning_rate=1e30, epochs=5, turning=1.0)
    assert not np.isnan(DenseEncoder(CORPUS)([""])).any()
