"""The local trainer on a tiny checkpoint made here: it learns, resumes after a kill, and says what is wrong. Needs the extra `train`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.errors import ConfigurationError, MissingExtraError, StateError, TrainingError
from whet.lm.home import home_folder, models_folder
from whet.train import TrainConfig, as_data, trainer_of
from whet.train.local import PACKAGES

WORDS = {"rose": "red", "fire": "red", "sea": "blue", "sky": "blue"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))


def chat(word: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": word}, {"role": "assistant", "content": answer}]}


def test_without_the_extra_it_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from whet.train import local

    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    lm = whet.LM(f"local:{tmp_path}")
    monkeypatch.setattr(local, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"whet\[train\]"):
        trainer_of(lm).train(as_data([chat("rose", "red")]), TrainConfig(lm=lm))


def test_what_is_no_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(whet.LMNotConfiguredError, match="no trained model"):
        whet.LM("local:nowhere")
    lm = whet.LM(f"local:{tmp_path}")
    with pytest.raises(ConfigurationError, match=r"no `config\.json`"):
        trainer_of(lm).train(as_data([chat("rose", "red")]), TrainConfig(lm=lm))
    with pytest.raises(ConfigurationError, match="no option `epoch`"):
        trainer_of(lm).train(as_data([chat("rose", "red")]), TrainConfig(lm=lm, options={"epoch": 1}))


# -- with torch --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of a few thousand weights with a tokenizer of whole words, written in transformers' format."""
    for package in PACKAGES:
        pytest.importorskip(package, reason=f"`{package}` of the extra `train` is not installed")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    names = ["<pad>", "<eos>", "<unk>", "<|system|>", "<|user|>", "<|assistant|>", "\n", *WORDS, *sorted(set(WORDS.values()))]
    plain = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Split("\n", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
    config = LlamaConfig(vocab_size=len(names), max_position_embeddings=64, pad_token_id=0, eos_token_id=1, bos_token_id=None, **shape)
    folder = tmp_path_factory.mktemp("tiny")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def data(n: int = 8) -> Any:
    return as_data([chat(word, answer) for _ in range(n) for word, answer in WORDS.items()])


def right(lm: Any) -> float:
    return sum(lm(word, max_tokens=2)[0].strip() == answer for word, answer in WORDS.items()) / len(WORDS)


def start(checkpoint: Path, rows: Any, **more: Any) -> Any:
    lm = more.pop("lm", None) or whet.LM(f"local:{checkpoint}", cache=False)
    given = {"epochs": 12, "learning_rate": 0.01, "lora": False, **more.pop("options", {})}
    return trainer_of(lm).train(rows, TrainConfig(lm=lm, options=given, name="tiny", **more))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_it_learns_is_served_and_is_found_again(checkpoint: Path) -> None:
    job = start(checkpoint, data())
    lm = job.result(300)
    assert lm.model.startswith("local:tiny-") and right(lm) == 1.0
    assert job.losses[-1][1] < job.losses[0][1] / 2
    assert start(checkpoint, data()).result(60).model == lm.model
    path = models_folder() / lm.model.partition(":")[2] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(StateError, match="damaged"):
        whet.LM(lm.model, cache=False)("rose")


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "method",
    [pytest.param("dpo", marks=pytest.mark.xfail(reason="its loss falls, but the tiny model does not yet answer better")), "ipo", "grpo"],
)
def test_preferences_and_rewards(checkpoint: Path, method: str) -> None:
    base = start(checkpoint, as_data([chat(w, a) for _ in range(4) for w in WORDS for a in ("red", "blue")])).result(300)
    if method == "grpo":
        rows = [{"prompt": w, "completions": ["red", "blue"] * 2, "rewards": [a == "red", a == "blue"] * 2} for w, a in WORDS.items()] * 4
        options = {"epochs": 4, "learning_rate": 0.003}
    else:
        other = {"red": "blue", "blue": "red"}
        rows = [{"prompt": w, "chosen": a, "rejected": other[a]} for w, a in WORDS.items()] * 8
        options = {"epochs": 6, "learning_rate": 0.003}
    lm = start(checkpoint, as_data(rows), lm=base, method=method, options=options).result(300)
    assert right(lm) == 1.0 > right(base)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_lora_is_merged_into_a_whole_model(checkpoint: Path) -> None:
    lm = start(checkpoint, data(), options={"lora": True, "lora_rank": 8, "learning_rate": 0.05}).result(300)
    folder = models_folder() / lm.model.partition(":")[2]
    assert (folder / "model.safetensors").is_file() and not (folder / "adapter_config.json").exists()
    assert right(lm) >= 0.5


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(sys.platform == "win32", reason="kills a process")
def test_a_killed_training_says_so_and_goes_on_from_its_checkpoint(checkpoint: Path) -> None:
    options = {"epochs": 60, "save_steps": 5}
    job = start(checkpoint, data(), options=options)
    folders = home_folder("jobs")
    while not list(folders.glob("*/checkpoints/checkpoint-*/trainer_state.json")) and not job.done():
        time.sleep(0.02)
    os.kill(int(job.name.split()[1]), signal.SIGKILL)
    with pytest.raises(TrainingError, match="killed by signal 9"):
        job.result(60)
    assert not models_folder().exists() or not list(models_folder().glob("tiny-*"))
    again = start(checkpoint, data(), options=options)
    assert right(again.result(300)) == 1.0
    assert again.losses[0][0] > 1


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_loss_that_is_no_number_and_a_cancelled_training(checkpoint: Path) -> None:
    with pytest.raises(TrainingError, match="loss became|no number"):
        start(checkpoint, data(), options={"learning_rate": 1e30, "epochs": 5}).result(300)
    job = start(checkpoint, data(), options={"epochs": 100_000})
    while not job.losses:
        time.sleep(0.05)
    assert job.cancel()
    with pytest.raises(TrainingError, match="cancelled"):
        job.result(60)
    assert not models_folder().exists()
