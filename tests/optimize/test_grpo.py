"""Learning from rewards and from preferences: the trained program earns more, its prompts hold no demos, and a run resumes for free."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pytest

import whet
from whet.core.exchange import Choice
from whet.core.flow import start_thread
from whet.errors import ConfigurationError
from whet.optimize.grpo import GRPO
from whet.optimize.leret import LeReT
from whet.testing.scripted import ScriptedLM
from whet.train import Job

WORDS = {"red": "blood rose fire brick".split(), "blue": "sea sky ink whale".split(), "green": "grass leaf frog moss".split()}
ROWS = [
    whet.Example(thing=f"{word} number {i}", colour=colour).with_inputs("thing")
    for i in range(2)
    for colour, words in WORDS.items()
    for word in words
]
SIGNATURE = whet.Signature("thing -> colour").with_updated_fields("colour", type_=Literal["red", "blue", "green"])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.colour == prediction.colour)


def score(program: Any) -> float:
    return sum(right(row, program(thing=row.thing)) for row in ROWS) / len(ROWS)


def test_rewards_alone_make_the_program_better(tmp_path: Path) -> None:
    def compiled() -> Any:
        recipe = GRPO(right, num_train_steps=5, rows_per_step=24, group_size=12, num_threads=2, run_dir=tmp_path / "run")
        return recipe.compile(whet.Predict(SIGNATURE), trainset=ROWS)

    with whet.context(lm=whet.LM("embedded")):
        before, program = score(whet.Predict(SIGNATURE)), compiled()
        assert score(program) > before + 0.3
        again = compiled()
    assert again.lm.model == program.lm.model and again.run.spend.calls == program.run.spend.calls
    curve = [value for _, value, _ in program.run.curve]
    assert curve == sorted(curve) and len(program.run.trials) >= 3


def test_answers_out_of_form_are_part_of_exploring() -> None:
    seen: list[int] = []

    def answer(request: Any) -> Any:
        seen.append(1)
        return {"colour": ["red", "blue", "no colour at all"][len(seen) % 3]}

    trainer = Preferring()
    with whet.context(lm=ScriptedLM(answer)):
        GRPO(right, num_train_steps=1, group_size=6, trainer=trainer, max_errors=2).compile(whet.Predict(SIGNATURE), trainset=ROWS[:8])
    ((data, _),) = trainer.given
    assert data.rows and all(len(group.answers) == 6 for group in data.rows)
    for group in data.rows:
        for answer, reward in zip(group.answers, group.rewards, strict=True):
            assert (reward == -1.0) == ("no colour at all" in answer)


def test_where_only_form_differs_form_is_learnt_and_a_resumed_run_learns_the_same(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()

    def answer(request: Any) -> Any:  # each prompt gets both in turn, whichever of the runs side by side asks first
        prompt = request.messages[-1].text
        seen[prompt] += 1
        return {"colour": "red" if seen[prompt] % 2 else "[no] colour"}

    trainer = Preferring()
    rows = [row for row in ROWS if row.colour != "red"][:4]
    for _ in range(2):
        with whet.context(lm=ScriptedLM(answer, model="scripted")):
            recipe = GRPO(right, num_train_steps=1, group_size=4, trainer=trainer, format_failure_score=-0.5, run_dir=tmp_path / "run")
            recipe.compile(whet.Predict(SIGNATURE), trainset=rows)
    first, *others = [data.lines() for data, _ in trainer.given]
    assert '"rewards": [0.0, 0.0, -0.5, -0.5]' in first and all(other == first for other in others)


def test_the_step_whose_answer_cannot_be_read_is_blamed_for_its_form_and_no_other() -> None:
    asked: list[int] = []

    def answer(request: Any) -> Any:
        asked.append(1)
        if "again" not in request.messages[-1].text:
            return {"colour": ["red", "blue"][len(asked) % 2]}
        return {"colour": "red"} if len(asked) % 4 else Choice(text="I think that", finish_reason="length")

    trainer = Preferring()
    with whet.context(lm=ScriptedLM(answer)):
        recipe = GRPO(right, num_train_steps=1, group_size=4, trainer=trainer, num_threads=1, max_errors=99)
        recipe.compile(Hops(), trainset=[row for row in ROWS if row.colour == "red"][:2])
    groups = [group for data, _ in trainer.given for group in data.rows]
    assert {min(group.rewards) for group in groups if group.predictor == "first"} == {0.0}
    second = [group for group in groups if group.predictor == "second"]
    assert second and all((reward == -1.0) == (place in group.cut) for group in second for place, reward in enumerate(group.rewards))
    assert all("I think that" in group.answers[place] for group in second for place in group.cut)


class Preferring:
    """A trainer that only looks."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def train(self, data: Any, config: Any) -> Job:
        self.given.append((data, config))
        job = Job(config.lm, data)
        start_thread(job, lambda: config.lm.copy(model="embedded"))
        return job


def test_different_demos_explore_and_the_pairs_hold_none() -> None:
    trainer = Preferring()
    with whet.context(lm=whet.LM("embedded")):
        LeReT(right, iterations=1, demo_sets=3, trainer=trainer, num_threads=2).compile(whet.Predict(SIGNATURE), trainset=ROWS)
    ((data, config),) = trainer.given
    assert data.kind == "preference" and config.method == "ipo"
    for pair in data.rows:
        assert [message["role"] for message in pair.prompt] == ["system", "user"]
        assert pair.chosen_reward > pair.rejected_reward and pair.chosen != pair.rejected


def test_preferences_make_the_program_better_without_demos() -> None:
    student = whet.Predict(SIGNATURE)
    with whet.context(lm=whet.LM("embedded")):
        before = score(student)
        program = LeReT(right, iterations=2, demo_sets=3, num_threads=2).compile(student, trainset=ROWS)
        assert score(program) > before + 0.2
    assert program.demos == [] and program.lm.model.startswith("embedded:")


class Hops(whet.Module):
    """Two choices, each rated by itself."""

    def __init__(self) -> None:
        self.first = whet.Predict(SIGNATURE)
        self.second = whet.Predict(SIGNATURE)

    def forward(self, thing: str) -> Any:
        self.first(thing=thing)
        return self.second(thing=f"again {thing}")


def test_each_step_is_rated_by_itself() -> None:
    trainer = Preferring()

    def only_first(example: Any, step: Any, prediction: Any) -> float:
        return float(step.name == "first" and step.prediction.colour == example.colour)

    with whet.context(lm=whet.LM("embedded")):
        LeReT(right, step_reward=only_first, iterations=1, trainer=trainer, num_threads=2).compile(Hops(), trainset=ROWS[:8])
    assert {pair.predictor for data, _ in trainer.given for pair in data.rows} == {"first"}


def test_where_all_earn_the_same_nothing_is_trained() -> None:
    trainer = Preferring()
    with whet.context(lm=whet.LM("embedded")):
        program = GRPO(lambda x, y, trace=None: 1.0, num_train_steps=2, trainer=trainer).compile(whet.Predict(SIGNATURE), trainset=ROWS[:4])
    assert trainer.given == [] and sum(d.kind == "skip" for d in program.run.decisions) == 2


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (lambda: GRPO(right, group_size=1), "group_size"),
        (lambda: GRPO(right, temperature=0), "temperature"),
        (lambda: GRPO(right, format_failure_score=0.0), "format_failure_score"),
        (lambda: LeReT(right, method="sft"), "'ipo' or 'dpo'"),
        (lambda: LeReT(right, demo_sets=0), "demo_sets"),
        (lambda: GRPO(None), "needs a metric"),
    ],
)
def test_what_cannot_work_is_said_first(recipe: Any, message: str) -> None:
    with whet.context(lm=whet.LM("embedded")), pytest.raises(ConfigurationError, match=message):
        recipe().compile(whet.Predict(SIGNATURE), trainset=ROWS)
