"""The embedded trainer: checks first, trains in seconds, never keeps a broken model, and does nothing twice."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any, Literal

import pytest

import whet
from whet.errors import ConfigurationError, LMUnsupportedFeatureError, TrainingError
from whet.lm.embedded.weights import Weights
from whet.lm.home import models_folder
from whet.train import EmbeddedTrainer, TrainConfig, as_data, trainer_of
from whet.train.policy import Policy, train_policy

COLOURS = {"red": "blood rose fire brick", "blue": "sea sky ink whale", "green": "grass leaf frog moss"}
SIGNATURE = whet.Signature("thing -> colour").with_updated_fields("colour", type_=Literal["red", "blue", "green"])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))


def chat_rows(repeat: int = 3) -> list[dict[str, Any]]:
    adapter = whet.ChatAdapter()
    return [
        adapter.format_finetune_data(SIGNATURE, [], {"thing": f"the {word} number {i}"}, {"colour": colour})
        for colour, words in COLOURS.items()
        for word in words.split()
        for i in range(repeat)
    ]


def prompt(thing: str) -> tuple[dict[str, Any], ...]:
    return tuple(whet.ChatAdapter().format(SIGNATURE, [], {"thing": thing}))


def said(colour: str) -> str:
    return whet.ChatAdapter().format_assistant_message_content(SIGNATURE, {"colour": colour})


def right(lm: Any) -> float:
    predict = whet.Predict(SIGNATURE)
    predict.lm = lm
    things = [(word, colour) for colour, words in COLOURS.items() for word in words.split()]
    return sum(predict(thing=f"one {word}").colour == colour for word, colour in things) / len(things)


def config(**more: Any) -> TrainConfig:
    return TrainConfig(lm=whet.LM("embedded"), name="colours", **more)


def test_trained_weights_are_an_ordinary_lm() -> None:
    job = trainer_of(whet.LM("embedded")).train(as_data(chat_rows()), config())
    lm = job.result(30)
    assert lm.model.startswith("embedded:colours-") and job.status() == "succeeded"
    assert right(whet.LM("embedded")) < 0.6 < 0.95 < right(whet.LM(lm.model))
    assert job.losses[-1][1] < job.losses[0][1] and job.preflight is not None and job.preflight.usd == 0.0


def test_lm_finetune_gives_the_same_model() -> None:
    job = whet.LM("embedded").finetune(chat_rows(), train_kwargs={"epochs": 5, "name": "colours"})
    assert right(job.result(30)) > 0.9


def test_the_same_training_is_done_once() -> None:
    first = EmbeddedTrainer().train(as_data(chat_rows()), config())
    again = EmbeddedTrainer().train(as_data(chat_rows()), config())
    assert first.result(30).model == again.result(30).model
    third = EmbeddedTrainer().train(as_data(chat_rows()), config())
    assert third.result(30).model == first.result().model and third.losses == []


def test_a_damaged_result_is_trained_again() -> None:
    lm = EmbeddedTrainer().train(as_data(chat_rows()), config()).result(30)
    folder = models_folder() / lm.model.partition(":")[2]
    (folder / "whet-model.json").write_text("{", encoding="utf-8")
    job = EmbeddedTrainer().train(as_data(chat_rows()), config())
    assert job.result(30).model == lm.model and job.losses
    assert right(whet.LM(lm.model)) > 0.9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"epochs": 0}}, "above 0"),
        ({"options": {"epoch": 3}}, "no option `epoch`"),
        ({"options": {"epochs": "many"}}, "it takes int"),
        ({"method": "ipo"}, "learns from preference rows"),
        ({"method": "magic"}, "there are: sft"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_trained(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        EmbeddedTrainer().train(as_data(chat_rows()), config(**changes))
    assert not models_folder().exists()


def test_a_model_that_nobody_can_train() -> None:
    with pytest.raises(LMUnsupportedFeatureError, match="No trainer"):
        trainer_of(whet.LM("anthropic/claude-x"))


def test_a_loss_that_is_no_number_throws_the_weights_away() -> None:
    rows = as_data(chat_rows())
    job = EmbeddedTrainer().train(rows, config(options={"learning_rate": 1e308, "epochs": 3}))
    with pytest.raises(TrainingError, match="[Ll]oss became"):
        job.result(30)
    assert job.status() == "failed" and not models_folder().exists()


def test_a_cancelled_training_makes_no_model() -> None:
    job = EmbeddedTrainer().train(as_data(chat_rows(40)), config(options={"epochs": 10_000}))
    time.sleep(0.05)
    assert job.cancel()
    with pytest.raises(TrainingError, match="cancelled"):
        job.result(30)
    assert job.status() == "cancelled" and not models_folder().exists() and not job.cancel()


def test_nothing_to_learn_is_said() -> None:
    row = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Well, " * 40}]}
    with pytest.raises(ConfigurationError, match="learns choices"):
        EmbeddedTrainer().train(as_data([row]), config()).result(30)


@pytest.mark.parametrize("method", ["ipo", "dpo"])
def test_preferences_move_the_model_towards_what_was_chosen(method: str) -> None:
    rows = [
        {"prompt": prompt(f"the {word} number {i}"), "chosen": said(colour), "rejected": said(other)}
        for colour, words in COLOURS.items()
        for word in words.split()
        for other in COLOURS
        if other != colour
        for i in range(2)
    ]
    lm = EmbeddedTrainer().train(as_data(rows), config(method=method, options={"epochs": 6})).result(30)
    assert right(lm) > 0.9


def test_rewards_move_the_model_step_by_step() -> None:
    """GRPO on its own samples: groups of answers drawn from the model, rewarded by a rule, from start to better."""
    chance, lm = random.Random(0), whet.LM("embedded")
    before = right(lm)
    things = [(word, colour) for colour, words in COLOURS.items() for word in words.split()]
    for turn in range(4):
        predict, groups = whet.Predict(SIGNATURE), []
        predict.lm = lm.copy(temperature=1.0)
        for word, colour in things:
            answers = [predict(thing=f"a {word}", config={"rollout_id": turn * 100 + k}).colour for k in range(6)]
            rewards = [a == colour for a in answers]
            groups.append({"prompt": prompt(f"a {word}"), "completions": [said(a) for a in answers], "rewards": rewards})
        chance.shuffle(groups)
        lm = EmbeddedTrainer().train(as_data(groups), TrainConfig(lm=lm, method="grpo", name="g", options={"epochs": 2})).result(30)
    assert right(lm) > before + 0.3


def test_grpo_holds_to_where_it_started_when_beta_is_large() -> None:
    group = as_data([{"prompt": prompt("a rose"), "completions": [said("red"), said("blue")], "rewards": [1, 0]}])

    def moved(beta: float) -> float:
        learnt = train_policy(group, Policy(method="grpo", epochs=40, learning_rate=0.2, beta=beta), Weights())
        return max(abs(v) for table in learnt.tables.values() for row in table.rows.values() for v in row)

    assert moved(5.0) < moved(0.01) / 2
