"""Training data from a program's own runs, and weights from the data: hints never reach the student, failures are typed, runs resume."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Literal

import pytest

import whet
from whet.core.flow import start_thread
from whet.datasets import load_bundled
from whet.errors import ConfigurationError, TrainingError
from whet.lm.facts import Price
from whet.optimize.bootstrap_finetune import BootstrapFinetune
from whet.optimize.collecting import collect
from whet.testing.scripted import ScriptedLM
from whet.train import Job, Preflight, TrainConfig, TrainData, as_data, trainer_of


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))


def bank(n: int, split: str = "train") -> list[Any]:
    rows = load_bundled("banking77", split)
    random.Random(0).shuffle(rows)
    return [whet.Example(text=r.text, label=r.label, hint=r.label).with_inputs("text", "hint") for r in rows[:n]]


def same(x: Any, y: Any, trace: Any = None) -> bool:
    return bool(x.label == y.label)


def classifier() -> Any:
    classes = sorted({row.label for row in load_bundled("banking77")})
    return whet.ChainOfThoughtWithHint(whet.Signature("text -> label").with_updated_fields("label", type_=Literal[tuple(classes)]))


def accuracy(program: Any, rows: list[Any]) -> float:
    return float(whet.Evaluate(devset=rows, metric=same, num_threads=2, display_progress=False)(program).score)


def test_the_program_of_the_documentation_learns_from_hints_with_the_ambient_model(tmp_path: Path) -> None:
    test = bank(100, "test")
    with whet.context(lm=whet.LM("embedded")):
        classify = classifier()
        optimizer = BootstrapFinetune(metric=(lambda x, y, trace=None: x.label == y.label), num_threads=24)
        optimized = optimizer.compile(classify, trainset=bank(300))
        assert accuracy(optimized, test) >= accuracy(classify, test) + 15
        assert optimized(text="What does a pending cash withdrawal mean?").label
    assert classify.predict.lm is None and optimized._compiled
    assert optimized.predict.lm.model.startswith("embedded:chainofthoughtwithhint-")
    assert [c.hash for c in optimized.run.candidates][-1] == optimized.run.best.hash
    optimized.save(tmp_path / "program.json")
    again = classifier()
    again.load(tmp_path / "program.json")
    assert again.predict.lm.model == optimized.predict.lm.model
    assert accuracy(again, test) == accuracy(optimized, test)


def test_a_saved_program_whose_model_is_gone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with whet.context(lm=whet.LM("embedded")):
        optimized = BootstrapFinetune(metric=same).compile(classifier(), trainset=bank(60))
    optimized.save(tmp_path / "program.json")
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(whet.LMNotConfiguredError, match="no trained model `chainofthoughtwithhint-"):
        classifier().load(tmp_path / "program.json")


def hinted_lm() -> ScriptedLM:
    """Knows the answer only when the hint is in the prompt."""

    def answer(request: Any) -> dict[str, str]:
        text = request.messages[-1].text
        return {"reasoning": "because", "answer": "secret-7" if "secret-7" in text else "no idea"}

    return ScriptedLM(answer)


def hinted_rows(n: int) -> list[Any]:
    return [whet.Example(question=f"q{i}", hint="secret-7", answer="secret-7").with_inputs("question", "hint") for i in range(n)]


def exact(x: Any, y: Any, trace: Any = None) -> bool:
    return bool(x.answer == y.answer)


def test_the_teacher_sees_what_is_only_for_training_and_the_student_never_does() -> None:
    student, lm = whet.ChainOfThoughtWithHint("question -> answer"), hinted_lm()
    student.predict.demos = [whet.Example(question="q0", hint="secret-7", reasoning="r", answer="yes")]
    with whet.context(lm=lm):
        got = collect(student, hinted_rows(6), exact)
        assert student(question="q1", hint="secret-7").answer == "no idea"
    assert all("secret-7" in request.messages[-1].text for request in lm.requests[:6])
    assert "secret-7" not in lm.requests[-1].messages[-1].text
    assert len(got.chats) == 6
    for row in got.chats:
        prompt, answer = row.messages[:-1], row.messages[-1]
        assert "secret-7" not in json.dumps(prompt) and "hint" not in json.dumps(prompt)
        assert "secret-7" in answer["content"]


def test_demos_are_kept_or_distilled_away_and_a_row_is_never_its_own_demo() -> None:
    student, lm = whet.Predict("question -> answer"), ScriptedLM(lambda request: {"answer": "a"})
    student.demos = [whet.Example(question=f"q{i}", answer="a") for i in range(2)]
    rows = [whet.Example(question=f"q{i}", answer="a").with_inputs("question") for i in range(3)]
    with whet.context(lm=lm):
        kept, dropped = collect(student, rows, exact), collect(student, rows, exact, keep_demos=False)
    assert [len(row.messages) for row in kept.chats] == [5, 5, 7]
    assert [len(row.messages) for row in dropped.chats] == [3, 3, 3]
    assert sorted(len(request.messages) for request in lm.requests[:3]) == [4, 4, 6]


def test_duplicates_and_leaks_are_dropped_and_counted(tmp_path: Path) -> None:
    lm = ScriptedLM(lambda request: {"answer": "a"})
    texts = ["How do I change my PIN?", "How do I change my PIN?", "Where is my card now?", "What are the fees abroad?"]
    rows = [whet.Example(question=t, answer="a", id=i).with_inputs("question") for i, t in enumerate(texts)]
    held = [whet.Example(question="where is my card, now", answer="b").with_inputs("question")]
    with whet.context(lm=lm):
        got = collect(whet.Predict("question -> answer"), rows, exact, held_out=held)
    assert got.summary["leaks_dropped"] == 1 and got.summary["duplicates_dropped"] == 1 and len(got.chats) == 2
    assert not any("Where is my card" in str(request.messages) for request in lm.requests)
    files = {path.name for path in got.save(tmp_path / "data")}
    assert files == {"chat.jsonl", "summary.json"}
    assert TrainData.load(tmp_path / "data" / "chat.jsonl").rows[0].plain() == got.chats[0].plain()


def sampling_lm() -> ScriptedLM:
    """Another answer each time it is asked the same."""
    seen: dict[str, int] = {}

    def answer(request: Any) -> dict[str, str]:
        text = request.messages[-1].text
        seen[text] = seen.get(text, -1) + 1
        return {"answer": ["good", "bad", "worse"][seen[text] % 3]}

    return ScriptedLM(answer)


def test_samples_give_pairs_and_groups_with_rewards_of_their_step() -> None:
    worth = {"good": 1.0, "bad": 0.5, "worse": 0.0}
    rows = [whet.Example(question=f"q{i}", answer="good").with_inputs("question") for i in range(2)]
    with whet.context(lm=sampling_lm()):
        rate = lambda row, step, prediction: worth[step.prediction.answer]  # noqa: E731 - as users write it
        got = collect(whet.Predict("question -> answer"), rows, exact, samples=3, step_reward=rate)
    assert [len(group.answers) for group in got.groups] == [3, 3] and sorted(got.groups[0].rewards) == [0.0, 0.5, 1.0]
    assert [(p.chosen_reward, p.rejected_reward) for p in got.pairs] == [(1.0, 0.0), (1.0, 0.5)] * 2
    assert all("good" in pair.chosen and "good" not in pair.rejected for pair in got.pairs)
    assert got.data("preference", "self").kind == "preference"
    with pytest.raises(ConfigurationError, match="the kinds are"):
        got.data("music")


def test_collecting_is_journaled(tmp_path: Path) -> None:
    rows = [whet.Example(question=f"q{i}", answer="good").with_inputs("question") for i in range(4)]
    first, second = sampling_lm(), sampling_lm()
    with whet.context(lm=first):
        one = collect(whet.Predict("question -> answer"), rows, exact, samples=2, run_dir=tmp_path)
    with whet.context(lm=second):
        two = collect(whet.Predict("question -> answer"), rows, exact, samples=2, run_dir=tmp_path)
    assert first.calls == 8 and second.calls == 0
    assert (one.chats, one.pairs, one.groups) == (two.chats, two.pairs, two.groups)


# -- the optimizer: models, jobs, failures -----------------------------------------------------------------------------


class Recorder:
    """A trainer that keeps what it was given; its model answers all questions with `learnt`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.given: list[tuple[TrainData, Any]] = []
        self.error = error

    def train(self, data: TrainData, config: Any) -> Job:
        self.given.append((data, config))
        job = Job(config.lm, data)

        def work() -> Any:
            if self.error is not None:
                raise self.error
            return ScriptedLM(lambda request: {"answer": "learnt"}, model=f"{config.lm.model}-tuned-{len(self.given)}")

        start_thread(job, work)
        return job


class Two(whet.Module):
    """Two predictors."""

    def __init__(self) -> None:
        self.first = whet.Predict("question -> note")
        self.second = whet.Predict("question, note -> answer")

    def forward(self, question: str) -> Any:
        return self.second(question=question, note=self.first(question=question).note)


def two_lm(name: str = "base") -> ScriptedLM:
    return ScriptedLM(lambda request: {"answer": "a"} if "`answer`" in request.messages[0].text else {"note": "n"}, model=name)


ROWS = [whet.Example(question=f"q{i}", answer="a").with_inputs("question") for i in range(4)]


def test_one_training_per_model_or_per_predictor() -> None:
    student, together, apart = Two(), Recorder(), Recorder()
    student.set_lm(two_lm())
    BootstrapFinetune(exact, trainer=together).compile(student, trainset=ROWS)
    program = BootstrapFinetune(exact, multitask=False, trainer=apart).compile(student, trainset=ROWS)
    assert [len(data) for data, _ in together.given] == [8]
    assert sorted(len(data) for data, _ in apart.given) == [4, 4]
    assert program.first.lm is not program.second.lm
    assert student.first.lm.model == "base"
    with pytest.raises(ValueError, match="2 trainings would run"):
        BootstrapFinetune(exact, multitask=False, trainer=apart, num_threads=1).compile(student, trainset=ROWS)


class Twins(whet.Module):
    """Two predictors that are asked the same."""

    def __init__(self) -> None:
        self.first, self.second = whet.Predict("question -> answer"), whet.Predict("question -> answer")

    def forward(self, question: str) -> Any:
        self.first(question=question)
        return self.second(question=question)


def test_predictors_that_are_asked_the_same_are_each_trained() -> None:
    recorder = Recorder()
    with whet.context(lm=two_lm()):
        program = BootstrapFinetune(exact, multitask=False, trainer=recorder).compile(Twins(), trainset=[*ROWS, ROWS[0]])
    assert [len(data) for data, _ in recorder.given] == [4, 4]
    assert "tuned" in program.first.lm.model and "tuned" in program.second.lm.model


def test_options_may_be_given_per_model() -> None:
    student, recorder = Two(), Recorder()
    student.first.lm, student.second.lm = two_lm("one"), two_lm("two")
    options = {student.first.lm: {"epochs": 1}, student.second.lm: {"epochs": 2}}
    BootstrapFinetune(exact, train_kwargs=options, trainer=recorder).compile(student, trainset=ROWS)
    assert {config.lm.model: config.options["epochs"] for _, config in recorder.given} == {"one": 1, "two": 2}


def test_without_any_model_it_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="does not have an LM assigned"):
        BootstrapFinetune(exact, trainer=Recorder()).compile(Two(), trainset=ROWS)


def test_a_model_that_cannot_be_trained_is_found_before_the_first_call() -> None:
    lm = two_lm()
    with whet.context(lm=lm), pytest.raises(whet.LMUnsupportedFeatureError):
        BootstrapFinetune(exact).compile(Two(), trainset=ROWS)
    assert lm.calls == 0


@pytest.mark.parametrize("error", [TrainingError("out of luck"), OSError("no route")])
def test_a_failed_training_is_a_runtime_error(error: Exception) -> None:
    with whet.context(lm=two_lm()), pytest.raises(RuntimeError, match="out of luck|no route"):
        BootstrapFinetune(exact, trainer=Recorder(error)).compile(Two(), trainset=ROWS)


def test_nothing_accepted_is_said() -> None:
    with whet.context(lm=two_lm()), pytest.raises(ConfigurationError, match="accepted none of 4 runs"):
        BootstrapFinetune(lambda x, y, trace=None: False, trainer=Recorder()).compile(Two(), trainset=ROWS)


def test_teachers_teach_and_a_valset_gives_trials() -> None:
    teacher, student, recorder = Two(), Two(), Recorder()
    teacher.set_lm(two_lm("teacher"))
    lm = ScriptedLM(lambda request: {"answer": "b"} if "`answer`" in request.messages[0].text else {"note": "n"}, model="student")
    student.set_lm(lm)
    optimizer = BootstrapFinetune(exact, trainer=recorder, exclude_demos=True)
    program = optimizer.compile(student, trainset=ROWS, teacher=[teacher], valset=ROWS[:2])
    assert len(recorder.given[0][0]) == 8 and recorder.given[0][1].lm is lm
    assert [trial.score for trial in program.run.trials] == [0.0, 0.0] and lm.calls == 4


def test_trainer_of_a_provider_of_the_users_own() -> None:
    class Mine(whet.Provider):
        finetunable = True

        @staticmethod
        def finetune(job: Any, model: str, train_data: Any, train_data_format: Any, train_kwargs: Any = None) -> str:
            assert train_data[0]["messages"] and train_data_format == "chat"
            return f"{model}-mine"

    lm = whet.LM("openai/base", provider=Mine())
    data = as_data([{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}])
    assert trainer_of(lm).train(data, TrainConfig(lm=lm)).result(10).model == "openai/base-mine"


class Priced:
    """A trainer that takes a dollar for each training and holds to the cap that it is given."""

    def __init__(self, wrong: str = "") -> None:
        self.caps: list[float | None] = []
        self.wrong = wrong

    def ready(self, config: TrainConfig) -> None:
        if self.wrong:
            raise ConfigurationError(self.wrong)

    def train(self, data: Any, config: TrainConfig) -> Job:
        self.caps.append(config.max_usd)
        if config.max_usd is not None and config.max_usd < 1:
            raise ConfigurationError("too dear")
        job = Job(config.lm, data)
        job.preflight = Preflight(rows=len(data), tokens=data.tokens, usd=1.0)
        start_thread(job, lambda: whet.LM("embedded"))
        return job


def test_whatever_a_trainer_would_refuse_is_said_before_the_first_call() -> None:
    lm = two_lm()
    for recipe in (BootstrapFinetune, whet.GRPO, whet.LeReT):
        with whet.context(lm=lm), pytest.raises(ConfigurationError, match="no credentials"):
            recipe(exact, trainer=Priced("no credentials")).compile(Two(), trainset=ROWS)
    assert lm.calls == 0


def test_what_trainings_cost_is_part_of_what_a_run_spends_and_is_counted_once(tmp_path: Path) -> None:
    trainer, lm = Priced(), two_lm()
    lm.price = Price(input=0.0, output=0.0)
    with whet.context(lm=lm):
        for _ in range(2):
            recipe = BootstrapFinetune(exact, trainer=trainer, max_usd=2.5, run_dir=tmp_path / "run")
            assert recipe.compile(Two(), trainset=ROWS).run.spend.usd == pytest.approx(1.0)
        assert trainer.caps == [pytest.approx(2.5), pytest.approx(1.5)]
        with pytest.raises(ConfigurationError, match="too dear"):
            BootstrapFinetune(exact, trainer=trainer, max_usd=0.5).compile(Two(), trainset=ROWS)
