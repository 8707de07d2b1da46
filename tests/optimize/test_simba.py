"""SIMBA: arguments, advice and demos, how demos are kept few, attributes, both orders."""

from __future__ import annotations

from typing import Any

import pytest

import whet
from optimize.instructed import CLUES, model, program, rows, told, truth, wanted, world


def compiled(lm: Any = None, n: int = 48, **options: Any) -> tuple[Any, Any, Any]:
    lm = lm or model()
    with whet.context(lm=lm):
        recipe = whet.SIMBA(metric=lambda example, prediction: told(example, prediction), **{"bsize": 16, "max_steps": 4, **options})
        result = recipe.compile(program(), trainset=rows(n), seed=3)
    return result, recipe, lm


def advising(request: Any) -> Any:
    if wanted(request) == ["advice"]:
        return {"advice": clue(request)}
    return world(request)


def clue(request: Any) -> str:
    text = request.messages[-1].text.split("## worse_runs")[0]
    missing = [c for c in CLUES if c not in text]
    return missing[int(request.rollout_id) % len(missing)] if missing else "none"


@pytest.mark.parametrize("strict", [False, True])
def test_it_improves_and_carries_what_people_look_for(strict: bool) -> None:
    result, recipe, _ = compiled(lm=whet.testing.ScriptedLM(advising), strict=strict)
    assert truth(result) > truth(program()) + 0.1
    assert result.trial_logs and "batch_scores" in result.trial_logs[0]
    assert result.candidate_programs[0]["score"] is not None
    assert all(len(p.demos) <= 4 for c in recipe.run.candidates for p in c.params.values())


def test_advice_only() -> None:
    result, recipe, _ = compiled(lm=whet.testing.ScriptedLM(advising), max_demos=0)
    assert all(not p.demos for c in recipe.run.candidates for p in c.params.values())
    assert result.signature.instructions.startswith("Double the number.\n\n")


def test_demos_are_runs_that_went_well() -> None:
    _, recipe, _ = compiled()
    demos = [d for c in recipe.run.candidates for p in c.params.values() for d in p.demos]
    assert demos and all(d.augmented and d.answer == str(2 * int(d.question.split()[-1])) for d in demos)


def test_there_must_be_rows_for_a_step() -> None:
    lm = model()
    with whet.context(lm=lm), pytest.raises(AssertionError, match="bsize=32"):
        whet.SIMBA(metric=told).compile(program(), trainset=rows(31))
    assert lm.calls == 0


def test_two_runs_with_one_seed_are_equal() -> None:
    first = compiled(lm=whet.testing.ScriptedLM(advising), num_threads=1)[0]
    second = compiled(lm=whet.testing.ScriptedLM(advising), num_threads=12)[0]
    assert first.dump_state() == second.dump_state()


def test_fewer_runs_than_the_published_order() -> None:
    costs = [compiled(lm=whet.testing.ScriptedLM(advising), bsize=32, max_steps=3, strict=s)[1].run.rollouts for s in (False, True)]
    assert costs[0] <= 0.4 * costs[1]


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("strict", [False, True])
def test_a_teachers_runs_are_learnt_from(strict: bool, bound: bool) -> None:
    weak = whet.testing.ScriptedLM(lambda request: {"answer": "0"})
    knows = whet.testing.ScriptedLM(lambda request: {"answer": str(2 * int(request.messages[-1].text.split("number ")[1].split()[0]))})
    student = program()
    if bound:
        student.set_lm(weak)
    with whet.context(lm=weak):
        recipe = whet.SIMBA(metric=told, bsize=8, num_candidates=4, max_steps=2, teacher_settings={"lm": knows}, strict=strict)
        recipe.prompt_model = whet.testing.ScriptedLM(lambda request: {"advice": "Be exact."})
        recipe.compile(student, trainset=rows(16))
    demos = [d for c in recipe.run.candidates for p in c.params.values() for d in p.demos]
    assert knows.calls and demos and all(d.answer == str(2 * int(d.question.split()[-1])) for d in demos)
    assert all(p.lm is (weak if bound else None) for c in recipe.run.candidates for p in c.params.values())
