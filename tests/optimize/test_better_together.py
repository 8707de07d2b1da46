"""Prompts and weights in turn: the best stage is returned, a failing one keeps the best so far, and what was paid is not paid twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import whet
from optimize.doubling import exact, model, rows
from whet.core.flow import start_thread
from whet.errors import ConfigurationError
from whet.optimize.better_together import BetterTogether
from whet.optimize.bootstrap_finetune import BootstrapFinetune
from whet.optimize.few_shot import LabeledFewShot
from whet.optimize.optimizer import Optimizer
from whet.testing.scripted import ScriptedLM
from whet.train import Job


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))


class Lookup:
    """A trainer whose model knows the questions it was trained on by heart, and with demos half of the others."""

    def __init__(self, fails: bool = False) -> None:
        self.trained, self.fails = 0, fails

    def train(self, data: Any, config: Any) -> Job:
        self.trained += 1
        if self.fails:
            raise ConfigurationError("this trainer always says no")
        job = Job(config.lm, data)
        known = {row.messages[-2]["content"]: row.messages[-1]["content"] for row in data.rows}

        def answer(request: Any) -> Any:
            text = request.messages[-1].text
            number = int(text.split("number ")[1].split()[0])
            right = text in known or (len(request.messages) > 2 and number % 2) or number % 5 == 0
            return {"answer": str(2 * number if right else 0)}

        start_thread(job, lambda: ScriptedLM(answer, model=f"tuned-{len(known)}"))
        return job


def together(trainer: Any, **more: Any) -> BetterTogether:
    return BetterTogether(exact, p=LabeledFewShot(k=4), w=BootstrapFinetune(exact, trainer=trainer), **more)


def student() -> Any:
    return whet.Predict("question -> answer")


def scores(program: Any) -> dict[str, float]:
    return {entry["strategy"]: entry["score"] for entry in program.candidate_programs}


def test_each_stage_builds_on_the_one_before_and_the_best_is_returned() -> None:
    with whet.context(lm=model()):
        program = together(Lookup()).compile(student(), trainset=rows(30), valset=rows(20, start=100), strategy="p -> w -> p")
    got = scores(program)
    assert list(got) == sorted(got, key=lambda s: -got[s]) and set(got) == {"", "p", "p -> w", "p -> w -> p"}
    assert got["p -> w -> p"] > got[""] and program.candidate_programs[0]["score"] == max(got.values())
    assert not program.flag_compilation_error_occurred
    assert program.lm.model.startswith("tuned-"), "few-shot optimizers may not lose the trained model"
    assert len(program.run.candidates) == 4 and program.run.stop_reason == "finished"


def test_weights_and_then_prompts_beat_either_alone() -> None:
    with whet.context(lm=model()):
        both = together(Lookup()).compile(student(), trainset=rows(30), valset=rows(20, start=100), strategy="w -> p")
    got = scores(both)
    assert got["w -> p"] > got["w"]


def test_a_failing_stage_keeps_the_best_so_far_and_says_so() -> None:
    with whet.context(lm=model()):
        program = together(Lookup(fails=True)).compile(student(), trainset=rows(30), valset=rows(20, start=100))
    assert set(scores(program)) == {"", "p"} and program.flag_compilation_error_occurred
    assert program.demos
    assert any("always says no" in str(decision) for decision in program.run.decisions)


def test_without_a_valset_the_latest_is_returned() -> None:
    with whet.context(lm=model()):
        program = together(Lookup()).compile(student(), trainset=rows(20), valset_ratio=0, strategy="p -> w")
    assert program.lm.model.startswith("tuned-") and [e["score"] for e in program.candidate_programs] == [None] * 3


def test_ties_go_to_the_earlier_stage() -> None:
    class Nothing(Optimizer):
        needs_metric = False

        def steps(self, search: Any) -> Any:
            yield from ()
            return search.add(search.baseline.with_instructions({"self": "Say it."}, "other words"))

    with whet.context(lm=model()):
        program = BetterTogether(exact, n=Nothing()).compile(student(), trainset=rows(10), valset=rows(10), strategy="n")
    assert [e["strategy"] for e in program.candidate_programs] == ["", "n"]
    assert program.signature.instructions != "Say it."


def test_an_optimizer_with_its_own_compile_takes_part() -> None:
    class Old(Optimizer):
        needs_metric = False

        def compile(self, student: Any, *, trainset: Any) -> Any:
            new = student.deepcopy()
            new.demos, new.lm, new._compiled = list(trainset[:3]), None, True
            return new

    with whet.context(lm=model()):
        program = BetterTogether(exact, o=Old()).compile(student(), trainset=rows(10), valset=rows(10, start=50), strategy="o")
        assert len(program.demos) == 3
        with pytest.raises(ConfigurationError, match="does not take `k`"):
            BetterTogether(exact, o=Old()).compile(student(), trainset=rows(10), strategy="o", optimizer_compile_args={"o": {"k": 1}})


def test_the_steps_are_prompts_weights_prompts_unless_said() -> None:
    lm = model()
    with whet.context(lm=lm):
        with pytest.raises(ConfigurationError, match="`w`|'w'"):
            BetterTogether(exact, p=LabeledFewShot()).compile(student(), trainset=rows(10))
        assert lm.calls == 0
        program = together(Lookup()).compile(student(), trainset=rows(20), valset=rows(10, start=50))
    assert [e["strategy"] for e in sorted(program.candidate_programs, key=lambda e: len(e["strategy"]))] == [
        "",
        "p",
        "p -> w",
        "p -> w -> p",
    ]


def test_a_finished_run_is_free_the_second_time(tmp_path: Path) -> None:
    first, second, trainer = model(), model(), Lookup()
    given: dict[str, Any] = {"trainset": rows(20), "valset": rows(10, start=50), "strategy": "p -> p"}
    with whet.context(lm=first):
        one = together(trainer, run_dir=tmp_path / "run").compile(student(), **given)
    with whet.context(lm=second):
        two = together(trainer, run_dir=tmp_path / "run").compile(student(), **given)
    assert second.calls == 0 < first.calls and scores(one) == scores(two)
    assert (tmp_path / "run" / "stage-1-p" / "journal.jsonl").is_file()


def test_the_cap_holds_for_all_stages_together() -> None:
    lm = model()
    with whet.context(lm=lm):
        program = BetterTogether(exact, p=whet.BootstrapRS(exact, num_threads=1), max_calls=60, num_threads=1).compile(
            student(), trainset=rows(30), valset=rows(20, start=100), strategy="p -> p"
        )
    assert program.run.stop_reason == "max_calls" and lm.calls <= 62


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": ""}, "strategy"),
        ({"strategy": "p -> x"}, "names `x`"),
        ({"strategy": "p ->"}, "strategy"),
        ({"valset_ratio": 1.0}, "below 1"),
        ({"optimizer_compile_args": {"x": {}}}, "names `x`"),
        ({"optimizer_compile_args": {"p": {"student": 1}}}, "`student`"),
        ({"optimizer_compile_args": {"p": {"colour": 1}}}, "does not take `colour`"),
        ({"trainset": []}, "empty"),
    ],
)
def test_what_cannot_work_is_said_before_the_first_call(options: dict[str, Any], message: str) -> None:
    lm = model()
    with whet.context(lm=lm), pytest.raises(ValueError, match=message):
        together(Lookup()).compile(student(), **{"trainset": rows(10), **options})
    assert lm.calls == 0


def test_only_optimizers_take_part() -> None:
    with pytest.raises(TypeError, match="`p` is 'BootstrapRS'"):
        BetterTogether(exact, p="BootstrapRS")
    with pytest.raises(TypeError, match="one program of many"):
        BetterTogether(exact, e=whet.Ensemble())
