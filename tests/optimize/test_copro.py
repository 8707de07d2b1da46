"""COPRO: arguments, attempts with scores, clean proposals, attributes, both orders."""

from __future__ import annotations

from typing import Any

import pytest

import whet
from optimize.instructed import exact, model, program, rows, truth, wanted, world


def compiled(lm: Any = None, **options: Any) -> tuple[Any, Any, Any]:
    lm = lm or model()
    with whet.context(lm=lm):
        recipe = whet.COPRO(metric=exact, **options)
        result = recipe.compile(program(), trainset=rows(40), eval_kwargs={"num_threads": 8, "display_progress": False, "display_table": 0})
    return result, recipe, lm


@pytest.mark.parametrize("strict", [False, True])
def test_it_improves_and_carries_what_people_look_for(strict: bool) -> None:
    student = program()
    result, recipe, lm = compiled(breadth=5, depth=3, track_stats=True, strict=strict, hedge=False)
    assert truth(result) > truth(student) + 0.15 and student.signature.instructions == "Double the number."
    assert result.total_calls == recipe.run.spend.calls == lm.calls
    scores = [entry["score"] for entry in result.candidate_programs]
    assert len({e["instruction"] for e in result.candidate_programs}) == len(scores)
    if strict:
        assert scores == sorted(scores, reverse=True)
    for table in (result.results_best, result.results_latest):
        assert set(table["self"]) == {"depth", "max", "average", "min", "std"} and table["self"]["depth"][0] == 0


def test_breadth_must_be_above_one() -> None:
    with pytest.raises(ValueError, match="breadth"):
        whet.COPRO(metric=exact, breadth=1)
    lm = model()
    with whet.context(lm=lm), pytest.raises(ValueError, match="metric"):
        whet.COPRO(prompt_model=lm).compile(program(), trainset=rows(3))
    assert lm.calls == 0


def test_attempts_with_their_scores_reach_the_writer_worst_first() -> None:
    _, _, lm = compiled(breadth=4, depth=2, strict=True)
    shown = [r.messages[-1].text for r in lm.requests if "attempted_instructions" in r.messages[-1].text]
    scores = [float(line.split(": ")[1]) for line in shown[0].splitlines() if line.startswith("Score ")]
    assert len(scores) >= 2 and scores == sorted(scores)


def test_quotes_are_taken_off_and_duplicates_are_not_run() -> None:
    def quoting(request: Any) -> Any:
        if "proposed_instruction" in wanted(request):
            return {"proposed_instruction": '"Double the number. double it."', "proposed_prefix_for_output_field": '"Answer:"'}
        return world(request)

    result, recipe, _ = compiled(lm=whet.testing.ScriptedLM(quoting), breadth=4, depth=2)
    assert result.signature.instructions == "Double the number. double it."
    assert len(recipe.run.candidates) == 2


def test_racing_costs_a_fraction() -> None:
    def with_rows(strict: bool) -> int:
        with whet.context(lm=model()):
            recipe = whet.COPRO(metric=exact, strict=strict)
            recipe.compile(program(), trainset=rows(100))
        return recipe.run.rollouts

    assert with_rows(False) <= 0.35 * with_rows(True)


def test_two_runs_with_one_seed_are_equal() -> None:
    assert compiled(num_threads=1)[0].signature.instructions == compiled(num_threads=9)[0].signature.instructions
