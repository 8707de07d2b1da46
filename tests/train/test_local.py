"""The local trainer on a tiny checkpoint made here: it learns, resumes after a kill, and says what is wrong.

What is marked `train` needs the extra of that name and is run by `make test-train`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import whet
from train.tiny import WORDS, tiny_checkpoint
from whet.errors import ConfigurationError, MissingExtraError, StateError, TrainingError
from whet.lm.home import find_model, home_folder, models_folder, seal
from whet.train import TrainConfig, as_data, local, trainer_of
from whet.train.groups import groups_of
from whet.train.worker import PLAIN_TEMPLATE, last_whole


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))


def chat(word: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": word}, {"role": "assistant", "content": answer}]}


def test_without_the_extra_it_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_full_disk_is_said_whatever_the_log_could_still_hold(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("safetensors: I/O error: No space left on device (os error 28)\n  File x", encoding="utf-8")
    assert "The disk is full" in str(local._ended(1, tmp_path)) and "goes on" in str(local._ended(1, tmp_path))
    assert "signal 9" in str(local._ended(-9, tmp_path))


@pytest.mark.parametrize(("kind", "lora", "times"), [("float32", True, 3), ("float32", False, 12), ("bfloat16", False, 24)])
def test_the_room_that_a_training_needs_is_looked_for_first(tmp_path: Path, kind: str, lora: bool, times: int) -> None:
    (tmp_path / "config.json").write_text(f'{{"dtype": "{kind}"}}', encoding="utf-8")
    weights = tmp_path / "model.safetensors"
    weights.touch()
    free = shutil.disk_usage(tmp_path).free
    os.truncate(weights, free // (2 * times))  # a file with nothing in it takes no room
    local._check_space(tmp_path, lora)
    os.truncate(weights, 2 * free // times)
    with pytest.raises(TrainingError, match="GiB are free"):
        local._check_space(tmp_path, lora)


class Spelling:
    """A tokenizer of letters, as far as groups need one."""

    eos_token = "$"

    def apply_chat_template(self, messages: Any, **_: Any) -> list[int]:
        return [ord(c) for c in messages[0]["content"]]

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [ord(c) for c in text]}


def test_only_answers_that_earned_differently_and_fit_are_learnt_from() -> None:
    def group(prompt: str, *earned: float) -> dict[str, Any]:
        answers = [[{"role": "assistant", "content": f"a{n}"}] for n in range(len(earned))]
        return {"prompt": [{"role": "user", "content": prompt}], "completions": answers, "rewards": list(earned)}

    groups = groups_of([group("q", 1, 0), group("q", 1, 1), group("q", 1, 0.5, 0), group("q" * 9, 1, 0)], Spelling(), longest=6)
    assert [[round(case["advantage"], 3) for case in cases] for cases in groups] == [[1.0, -1.0], [1.225, -1.225]]
    assert groups[0][0] == {"ids": [ord(c) for c in "qa0$"], "start": 1, "advantage": 1.0}
    ((_, cut),) = groups_of([{**group("q", 1, -1), "cut": [1]}], Spelling(), longest=6)
    assert cut == {"ids": [ord(c) for c in "qa1"], "start": 1, "advantage": -1.0}  # where the limit ended it, its own end is not unlearnt


def test_only_a_checkpoint_that_was_sealed_and_is_whole_is_gone_on_from(tmp_path: Path) -> None:
    def made(step: int, sealed: bool = True) -> Path:
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "optimizer.pt").write_bytes(b"x" * step)
        if sealed:
            seal(folder, "checkpoint", "checkpoint")
        return folder

    assert last_whole(tmp_path) is None
    first, second, torn = made(5), made(10), made(20, sealed=False)
    assert last_whole(tmp_path) == second and not torn.exists()
    (second / "optimizer.pt").write_bytes(b"x" * 9)
    assert last_whole(tmp_path) == first and not second.exists()


# -- with torch --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"), [*WORDS, "red", "blue"])


def data(n: int = 8) -> Any:
    return as_data([chat(word, answer) for _ in range(n) for word, answer in WORDS.items()])


def right(lm: Any) -> float:
    return sum(lm(word, max_tokens=2)[0].strip() == answer for word, answer in WORDS.items()) / len(WORDS)


def start(checkpoint: Path, rows: Any, **more: Any) -> Any:
    lm = more.pop("lm", None) or whet.LM(f"local:{checkpoint}", cache=False)
    given = {"epochs": 12, "learning_rate": 0.01, "lora": False, **more.pop("options", {})}
    return trainer_of(lm).train(rows, TrainConfig(lm=lm, options=given, name="tiny", **more))


@pytest.fixture(scope="module")
def undecided(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers each word with either colour, as likely the one as the other."""
    rows = as_data([chat(word, colour) for _ in range(4) for word in WORDS for colour in ("red", "blue")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHET_HOME", str(tmp_path_factory.mktemp("home")))
        return find_model(start(checkpoint, rows).result(500).model.partition(":")[2])


@pytest.mark.train
@pytest.mark.timeout(600)
def test_it_learns_is_served_and_is_found_again(checkpoint: Path) -> None:
    job = start(checkpoint, data())
    lm = job.result(500)
    assert lm.model.startswith("local:tiny-") and right(lm) == 1.0
    assert job.losses[-1][1] < job.losses[0][1] / 2
    assert start(checkpoint, data()).result(60).model == lm.model
    path = models_folder() / lm.model.partition(":")[2] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(StateError, match="damaged"):
        whet.LM(lm.model, cache=False)("rose")


@pytest.mark.train
@pytest.mark.timeout(300)
def test_each_prompt_has_luck_of_its_own(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "model", [*WORDS, "red", "blue"])
    (folder / "chat_template.jinja").write_text(PLAIN_TEMPLATE, encoding="utf-8")
    lm = whet.LM(f"local:{folder}", cache=False, temperature=3.0, max_tokens=3)
    drawn = {word: [lm(word, rollout_id=number)[0] for number in range(1, 9)] for word in WORDS}
    assert drawn["rose"] == [lm("rose", rollout_id=number)[0] for number in range(1, 9)]
    assert all(len(set(answers)) > 1 for answers in drawn.values())
    assert all(len({drawn[word][number] for word in WORDS}) > 1 for number in range(8))


def lesson(method: str) -> Any:
    if method == "sft":
        return data()
    if method == "grpo":
        rewards = {word: [float(answer == given) for given in ("red", "blue")] * 2 for word, answer in WORDS.items()}
        return as_data([{"prompt": word, "completions": ["red", "blue"] * 2, "rewards": rewards[word]} for word in WORDS for _ in range(4)])
    other = {"red": "blue", "blue": "red"}
    return as_data([{"prompt": word, "chosen": answer, "rejected": other[answer]} for word, answer in WORDS.items() for _ in range(8)])


@pytest.mark.train
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("method", "epochs"), [("dpo", 12), ("ipo", 12), ("grpo", 10)])
def test_preferences_and_rewards(undecided: Path, method: str, epochs: int) -> None:
    lm = start(undecided, lesson(method), method=method, options={"epochs": epochs, "learning_rate": 0.003}).result(500)
    assert right(lm) == 1.0 > right(whet.LM(f"local:{undecided}", cache=False))


@pytest.mark.train
@pytest.mark.timeout(600)
@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_lora_is_merged_into_a_whole_model(undecided: Path, method: str) -> None:
    options = {"lora": True, "lora_rank": 8, "learning_rate": 0.01, "epochs": {"sft": 12, "grpo": 10}[method]}
    lm = start(undecided, lesson(method), method=method, options=options).result(500)
    folder = models_folder() / lm.model.partition(":")[2]
    assert (folder / "model.safetensors").is_file() and not (folder / "adapter_config.json").exists()
    assert right(lm) == 1.0 > right(whet.LM(f"local:{undecided}", cache=False))


def wait_for(*patterns: str, job: Any) -> None:
    while not all(list(home_folder("jobs").glob(f"*/checkpoints/checkpoint-{pattern}/whet-model.json")) for pattern in patterns):
        assert not job.done(), job.exception()
        time.sleep(0.005)


@pytest.mark.train
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="kills a process")
@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_a_killed_training_says_so_and_ends_as_if_it_had_not_been_killed(
    undecided: Path, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"epochs": 16 if method == "sft" else 8, "save_steps": 5, "learning_rate": 0.003}
    job = start(undecided, lesson(method), method=method, options=options)
    wait_for("10", "15", job=job)
    os.kill(int(job.name.split()[1]), signal.SIGKILL)
    with pytest.raises(TrainingError, match="killed by signal 9"):
        job.result(60)
    assert not models_folder().exists()
    (folder,) = home_folder("jobs").glob("*/checkpoints")
    newest = max(folder.glob("checkpoint-*/optimizer.pt"), key=lambda p: int(p.parent.name.rpartition("-")[2]))
    newest.write_bytes(newest.read_bytes()[:-100])
    again = start(undecided, lesson(method), method=method, options=options)
    model = again.result(500).model
    log = (folder.parent / "log.txt").read_text(encoding="utf-8")
    assert "goes on from checkpoint-" in log and f"goes on from {newest.parent.name}" not in log
    assert again.losses[0][0] > 5
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "elsewhere"))
    whole = start(undecided, lesson(method), method=method, options=options)
    assert whole.result(500).model == model, "a name ends in the hash of the weights"
    assert dict(whole.losses)[again.losses[0][0]] == again.losses[0][1]


@pytest.mark.train
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_a_training_ends_with_the_program_that_started_it_and_goes_on_with_the_next(undecided: Path) -> None:
    options = {"epochs": 30, "save_steps": 5, "learning_rate": 0.003}
    program = (
        "import whet, sys; from whet.train import *\n"
        "lm = whet.LM(sys.argv[1], cache=False)\n"
        "job = trainer_of(lm).train(TrainData.load(sys.argv[2]), TrainConfig(lm=lm, name='tiny', options=eval(sys.argv[3])))\n"
        "job.result()"
    )
    path = data().save(home_folder() / "rows.jsonl")
    given = {"lora": False, **options}
    process = subprocess.Popen([sys.executable, "-c", program, f"local:{undecided}", str(path), repr(given)])
    while not list(home_folder("jobs").glob("*/checkpoints/checkpoint-5/whet-model.json")):
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    lm = start(undecided, data(), options=options).result(500)
    assert right(lm) == 1.0
    (log,) = home_folder("jobs").glob("*/log.txt")
    said = log.read_text(encoding="utf-8")
    assert "the program that asked for this training has ended" in said and "goes on from checkpoint-" in said


@pytest.mark.train
@pytest.mark.timeout(600)
def test_a_loss_that_is_no_number_and_a_cancelled_training(undecided: Path) -> None:
    with pytest.raises(TrainingError, match="loss became|no number"):
        start(undecided, data(), options={"learning_rate": 1e30, "epochs": 5}).result(500)
    job = start(undecided, data(), options={"epochs": 100_000})
    while not job.losses:
        time.sleep(0.05)
    assert job.cancel()
    with pytest.raises(TrainingError, match="cancelled"):
        job.result(60)
    assert not models_folder().exists()
