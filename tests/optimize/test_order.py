"""Whatever call is in first, every recipe goes the same way: the same requests, decisions, candidates and program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import whet
from optimize import shuffled
from optimize.instructed import answered, exact, program, rows, told, wanted, world
from whet.testing.scripted import ScriptedLM


class Pair(whet.Module):
    """Two predictors in a row, so that recipes have something to choose between."""

    def __init__(self) -> None:
        self.first = whet.Predict(whet.Signature("question -> hint", "Double the number."))
        self.second = whet.Predict(whet.Signature("question, hint -> answer", "Double the number."))

    def forward(self, question: str) -> Any:
        return self.second(question=question, hint=self.first(question=question).hint)


def both(request: Any) -> Any:
    """The world, with a first step whose hint is right more often with a better instruction."""
    if wanted(request) != ["hint"]:
        return world(request)
    return {"hint": answered(request)["answer"]}


RECIPES: dict[str, Callable[..., Any]] = {
    "BootstrapRS": lambda: whet.BootstrapRS(metric=exact, num_candidate_programs=6),
    "MIPROv2": lambda: whet.MIPROv2(metric=exact),
    "GEPA": lambda: whet.GEPA(metric=told, max_metric_calls=150, reflection_lm=whet.settings.lm),
    "GEPA strict": lambda: whet.GEPA(metric=told, max_metric_calls=150, reflection_lm=whet.settings.lm, strict=True),
    "COPRO": lambda: whet.COPRO(metric=exact, breadth=5, depth=3),
    "SIMBA": lambda: whet.SIMBA(metric=exact, bsize=16, max_steps=3),
    "InferRules": lambda: whet.InferRules(metric=exact, num_candidates=4),
    "AvatarOptimizer": lambda: whet.AvatarOptimizer(metric=exact, max_iters=3),
    "TextualGradient": lambda: whet.TextualGradient(metric=exact, max_steps=3),
    "Auto": lambda: whet.Auto(metric=told, max_runs=200),
}


def course(make: Callable[..., Any], student: Any, seed: int) -> tuple[Any, ...]:
    """All that a run did, in a form that may be compared."""
    lm = ScriptedLM(both)
    with whet.context(lm=lm):
        recipe = make()
        recipe.hedge = False  # which call is sent once more is a matter of time
        result = shuffled.compiled(recipe, student, seed, trainset=rows(30))
    run = recipe.run
    asked = Counter((str(r.messages), str(r.rollout_id)) for r in lm.requests)
    return result.dump_state(), Counter(map(str, run.decisions)), asked, [str(e["subscores"]) for e in result.candidate_programs]


@pytest.mark.parametrize("student", [program, Pair])
@pytest.mark.parametrize("name", RECIPES)
def test_the_order_of_answers_decides_nothing(name: str, student: Callable[[], Any]) -> None:
    first = course(RECIPES[name], student(), 0)
    for seed in range(1, 4):
        again = course(RECIPES[name], student(), seed)
        for what, one, other in zip(("program", "decisions", "requests", "scores"), first, again, strict=True):
            assert one == other, f"{what} differ with order {seed}"
