"""For every recipe: the student stays, a journal pays nothing twice, caps hold, bad input is found before it costs, async works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import whet
from optimize.instructed import PROSE, WRITTEN, answered, clues_in, exact, model, program, rows, told, wanted
from whet.errors import ConfigurationError
from whet.testing.scripted import ScriptedLM

RECIPES: dict[str, Callable[..., Any]] = {
    "MIPROv2": lambda **o: whet.MIPROv2(metric=o.pop("metric", exact), **o),
    "GEPA": lambda **o: whet.GEPA(metric=o.pop("metric", told), max_metric_calls=150, reflection_lm=whet.settings.lm, **o),
    "COPRO": lambda **o: whet.COPRO(metric=o.pop("metric", exact), breadth=4, depth=2, **o),
    "SIMBA": lambda **o: whet.SIMBA(metric=o.pop("metric", exact), bsize=16, max_steps=3, **o),
    "InferRules": lambda **o: whet.InferRules(metric=o.pop("metric", exact), num_candidates=3, **o),
    "AvatarOptimizer": lambda **o: whet.AvatarOptimizer(metric=o.pop("metric", exact), max_iters=3, **o),
    "TextualGradient": lambda **o: whet.TextualGradient(metric=o.pop("metric", exact), max_steps=3, **o),
}
every = pytest.mark.parametrize("name", RECIPES)


def compiled(name: str, lm: Any = None, student: Any = None, **options: Any) -> tuple[Any, Any, Any]:
    lm = lm or model()
    with whet.context(lm=lm):
        recipe = RECIPES[name](**options)
        result = recipe.compile(student or program(), trainset=rows(40))
    return result, recipe, lm


@every
def test_the_student_stays_and_the_result_is_of_its_type(name: str) -> None:
    student = program()
    before = student.dump_state()
    result, recipe, lm = compiled(name, student=student, hedge=False)
    assert student.dump_state() == before and type(result) is type(student) and result._compiled == recipe.freezes
    assert recipe.run.spend.calls == lm.calls and recipe.run.stop_reason == "finished"
    assert "metric" in recipe.get_params() and result.candidate_programs


@every
def test_a_journal_pays_nothing_twice(name: str, tmp_path: Any) -> None:
    first, _, paid = compiled(name, run_dir=tmp_path, hedge=False)
    again, recipe, lm = compiled(name, run_dir=tmp_path, hedge=False)
    assert lm.calls == 0 and paid.calls == recipe.run.spend.calls
    assert again.dump_state() == first.dump_state()


@every
def test_a_plan_says_what_it_will_cost_and_asks_nobody(name: str) -> None:
    lm = model()
    with whet.context(lm=lm):
        plan = RECIPES[name]().plan(program(), trainset=rows(40))
        assert lm.calls == 0 and RECIPES[name](max_calls=10**6).plan(program(), trainset=rows(40)).runs == plan.runs
    _, recipe, lm = compiled(name)
    assert plan.runs[0] <= recipe.run.rollouts <= plan.runs[1] <= 60 * recipe.run.rollouts
    assert plan.calls[0] <= lm.calls <= plan.calls[1]


@every
def test_caps_hold_and_the_best_so_far_comes_back(name: str) -> None:
    result, recipe, lm = compiled(name, max_calls=30, num_threads=4)
    assert recipe.run.stop_reason == "max_calls" and lm.calls <= 30 + 4
    assert clues_in(result.signature.instructions) >= 0


@every
def test_bad_input_is_found_before_it_costs(name: str) -> None:
    def broken(example: Any, prediction: Any, trace: Any = None) -> float:
        return float(example.no_such_field == prediction.answer)

    lm = model()
    with whet.context(lm=lm):
        for options, train in (({"metric": broken}, rows(40)), ({"metric": None}, rows(40)), ({}, []), ({}, [{"question": "x"}] * 40)):
            with pytest.raises(ConfigurationError):
                RECIPES[name](**options).compile(program(), trainset=train)
        with pytest.raises(ValueError, match="no predictors"):
            RECIPES[name]().compile(whet.Module(), trainset=rows(40))
        with pytest.raises(ValueError, match="metrik"):
            RECIPES[name](metrik=exact)
    assert lm.calls == 0


@every
def test_it_runs_from_async_code_with_an_async_metric(name: str) -> None:
    async def metric(example: Any, prediction: Any, trace: Any = None) -> float:
        await asyncio.sleep(0)
        return exact(example, prediction)

    async def main() -> Any:
        with whet.context(lm=model()):
            return await RECIPES[name](metric=metric).acompile(program(), trainset=rows(40))

    assert asyncio.run(main()).signature.instructions == compiled(name, metric=exact)[0].signature.instructions


@every
def test_duplicate_and_few_rows(name: str) -> None:
    with whet.context(lm=model()):
        options = {"bsize": 2} if name == "SIMBA" else {}
        for train in (rows(2) * 10, rows(3)):
            recipe = RECIPES[name]() if name != "SIMBA" else whet.SIMBA(metric=exact, max_steps=2, **options)
            recipe.compile(program(), trainset=train)
            assert recipe.run.stop_reason == "finished"


@every
def test_no_row_to_judge_by_is_shown_to_a_writer_or_as_a_demo(name: str) -> None:
    lm, held_out = model(), rows(20, start=5000)
    with whet.context(lm=lm):
        recipe = RECIPES[name]()
        plan = recipe.plan(program(), trainset=rows(24), valset=held_out)
        result = recipe.compile(program(), trainset=rows(24), valset=held_out)
    for request in lm.requests:
        *before, last = [message.text for message in request.messages]
        writing = bool(set(wanted(request)) & {*WRITTEN, *PROSE, "advice"})
        assert "number 50" not in "".join([*before, last] if writing else before)
    assert not any("number 50" in demo.question for demo in result.demos)
    assert recipe.run.candidates and plan.runs[0] <= recipe.run.rollouts <= plan.runs[1]


class Chosen(whet.Module):
    """A program of two parts: a predictor, and a value that decides whether its answer is given."""

    def __init__(self) -> None:
        super().__init__()
        self.ask = program()
        self.tries = whet.Param(1, choices=[1, 2, 3])

    def forward(self, question: str) -> Any:
        answer = self.ask(question=question).answer
        return whet.Prediction(answer=answer if self.tries.value == 2 else "0")


@every
def test_a_registered_value_is_chosen_shown_and_saved_and_what_is_said_of_the_program_is_no_part_of_it(name: str, tmp_path: Any) -> None:
    result, recipe, _ = compiled(name, student=Chosen())
    assert result.tries.value == 2 and recipe.run.diff().endswith("tries: 1 -> 2")
    assert [path for path, _ in result.named_predictors()] == ["ask"] and list(result.registered()) == ["tries"]
    result.save(tmp_path / "program.json")
    loaded = Chosen()
    loaded.load(tmp_path / "program.json")
    assert loaded.tries.value == 2 and loaded.dump_state() == result.dump_state()


def wordy(n: int) -> list[Any]:
    """Rows of more words than a copy may have in a row, no two of which share them."""
    text = "on day {} the shop of mister {} sold {} pears, so double the number {}"
    return [whet.Example(question=text.format(i, i + 100, i + 200, i), answer=str(2 * i)).with_inputs("question") for i in range(n)]


@every
@pytest.mark.parametrize("kind", ["endless", "copied"])
def test_a_proposal_that_is_endless_or_copies_a_training_row_is_refused_before_anything_is_run_with_it(name: str, kind: str) -> None:
    train = wordy(24)
    text = "word " * 20_000 if kind == "endless" else f"Double it. For example: {train[5].question}."

    def writing(request: Any) -> Any:
        fields = wanted(request)
        if not set(fields) & {*WRITTEN, *PROSE, "advice"}:
            assert text[:200] not in request.messages[0].text, "it was run"
            return answered(request)
        return {field: text if field in (*WRITTEN, "advice") else "Noted." for field in fields}

    with whet.context(lm=ScriptedLM(writing)):
        recipe = RECIPES[name]()
        result = recipe.compile(program(), trainset=train)
    said = "characters; 20000 are allowed" if kind == "endless" else "copies a training row: "
    assert any(said in decision.reason for decision in recipe.run.decisions)
    assert text[:200] not in result.signature.instructions


def late(example: Any, prediction: Any, trace: Any = None) -> float:
    """Right answers are measured, wrong ones are too much for it."""
    return 1.0 if prediction.answer == example.answer else 1 / 0


def test_a_metric_that_often_fails_ends_every_search_with_what_failed_how_often_and_what_was_done() -> None:
    with (
        whet.context(lm=model()),
        pytest.raises(whet.EvaluationError, match=r"gave up after 10 failed runs \(10 by metric_error") as caught,
    ):
        whet.BootstrapRS(metric=late, num_candidate_programs=2, num_threads=1).compile(program(), trainset=rows(24))
    assert "ZeroDivisionError" in str(caught.value) and "raise `max_errors`" in str(caught.value)
    assert isinstance(caught.value.__cause__, ZeroDivisionError) and caught.value.partial.candidates


def test_what_a_teacher_raises_too_often_is_raised_and_says_why() -> None:
    with whet.context(lm=model()), pytest.raises(ZeroDivisionError) as caught:
        whet.BootstrapFewShot(metric=late, max_bootstrapped_demos=20, num_threads=1).compile(program(), trainset=rows(24))
    assert "gave up after 10" in caught.value.__notes__[0] and "max_errors=10" in caught.value.__notes__[0]
