"""Training, saving and loading the weights."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from lm.embedded.rendered import asking, chat
from whet.errors import ConfigurationError, StateError
from whet.lm.embedded import EmbeddedModel, Weights, training
from whet.lm.embedded.prompt import sections

WORDS = {"alpha": "parcel post letter stamp", "beta": "loan credit interest rate", "gamma": "password login screen app"}


def message(chance: random.Random, label: str) -> str:
    return f"about my {' and '.join(chance.sample(WORDS[label].split(), 2))} number {chance.randint(1, 50)}"


def row(text: str, label: str, kind: str) -> dict[str, Any]:
    turns = chat([("label", kind, "")], {"text": text})
    chatted = [{"role": turn.role, "content": turn.text} for turn in turns]
    return {"messages": [*chatted, {"role": "assistant", "content": f"[[ ## label ## ]]\n{label}\n\n[[ ## completed ## ]]\n"}]}


def rows(count: int, kind: str, seed: int = 0) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    labels = [chance.choice(sorted(WORDS)) for _ in range(count)]
    return [row(message(chance, label), label, kind) for label in labels]


CLOSED = f"Literal{sorted(WORDS)}"


def accuracy(model: EmbeddedModel, kind: str = CLOSED) -> float:
    chance = random.Random(99)
    right = 0
    for number in range(60):
        label = sorted(WORDS)[number % 3]
        found = sections(model.respond(asking(chat([("label", kind, "")], {"text": message(chance, label)}))).text)
        right += found["label"] == label
    return right / 60


@pytest.mark.parametrize("kind", [CLOSED, "str"])
def test_training_teaches_closed_and_open_labels(kind):
    weights = training.train(rows(90, kind), epochs=6)
    assert accuracy(EmbeddedModel(), kind) < 0.6
    assert accuracy(EmbeddedModel(weights), kind) > 0.95


def test_other_fields_and_other_options_are_not_touched():
    tuned = EmbeddedModel(training.train(rows(60, CLOSED)))
    request = asking(chat([("label", "Literal['alpha', 'delta']", "")], {"text": "my parcel"}), logprobs=True)
    assert tuned.respond(request) == EmbeddedModel().respond(request)


def test_the_loss_falls_and_the_same_rows_give_the_same_weights():
    losses: list[float] = []
    first = training.train(rows(60, CLOSED), seed=3, progress=lambda epoch, loss: losses.append(loss))
    assert losses[-1] < losses[0] / 2
    assert first == training.train(rows(60, CLOSED), seed=3)
    assert first != training.train(rows(60, CLOSED), seed=4)


def test_plain_python_and_numpy_learn_the_same(monkeypatch):
    pytest.importorskip("numpy")
    fast = training.train(rows(40, CLOSED))
    monkeypatch.setattr(training, "_has_numpy", lambda: False)
    slow = training.train(rows(40, CLOSED))
    for key, table in fast.tables.items():
        assert table.options == slow.tables[key].options
        for bucket, numbers in table.rows.items():
            assert list(numbers) == pytest.approx(list(slow.tables[key].rows[bucket]), abs=1e-4)


def test_training_goes_on_from_earlier_weights():
    start = training.train(rows(30, CLOSED), epochs=2)
    kept = {key: {bucket: list(numbers) for bucket, numbers in table.rows.items()} for key, table in start.tables.items()}
    more = training.train(rows(30, CLOSED, seed=1), epochs=2, start=start)
    assert accuracy(EmbeddedModel(more)) >= accuracy(EmbeddedModel(start)) - 0.05
    assert kept == {key: {bucket: list(numbers) for bucket, numbers in table.rows.items()} for key, table in start.tables.items()}
    assert len(next(iter(more.tables.values())).rows) > len(next(iter(start.tables.values())).rows)


def test_rows_that_teach_nothing_are_refused():
    with pytest.raises(ConfigurationError, match="None of 1 row"):
        training.train([row("hello", "a long and free answer", "str")])
    with pytest.raises(ConfigurationError, match="must end with the assistant's answer"):
        training.train([{"messages": [{"role": "user", "content": "hi"}]}])
    with pytest.raises(ConfigurationError, match="epochs=0"):
        training.train(rows(4, CLOSED), epochs=0)


def test_saved_weights_answer_the_same(tmp_path: Path):
    weights = training.train(rows(60, CLOSED))
    weights.save(tmp_path / "w")
    loaded = Weights.load(tmp_path / "w")
    request = asking(chat([("label", CLOSED, "")], {"text": "my parcel"}), logprobs=True, top_logprobs=3)
    assert EmbeddedModel(loaded).respond(request) == EmbeddedModel(weights).respond(request)
    weights.save(tmp_path / "w")
    assert [entry.name for entry in tmp_path.iterdir()] == ["w"], "nothing half-written is left behind"
    assert (tmp_path / "w" / "weights.f32").stat().st_size == 4 * json.loads((tmp_path / "w" / "weights.json").read_text())["count"]


@pytest.mark.parametrize("damage", ["flip", "cut", "header", "labels", "gone"])
def test_damage_is_noticed(tmp_path: Path, damage: str):
    training.train(rows(30, CLOSED), epochs=1).save(tmp_path / "w")
    numbers, header = tmp_path / "w" / "weights.f32", tmp_path / "w" / "weights.json"
    data = numbers.read_bytes()
    if damage == "flip":
        numbers.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif damage == "cut":
        numbers.write_bytes(data[:-4])
    elif damage == "header":
        header.write_text(header.read_text()[:-9])
    elif damage == "labels":
        header.write_text(header.read_text().replace('"alpha"', '"omega"'))
    else:
        numbers.unlink()
    with pytest.raises(StateError, match="weights|damaged"):
        Weights.load(tmp_path / "w")


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(StateError, match="left alone"):
        Weights().save(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_the_header_is_checked_against_another_format(tmp_path: Path):
    folder = tmp_path / "w"
    Weights().save(folder)
    folder.joinpath("weights.json").write_text('{"format": "other"}')
    with pytest.raises(StateError, match="not in the format"):
        Weights.load(folder)
