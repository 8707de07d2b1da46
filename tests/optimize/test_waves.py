"""Nothing waits for what it does not need: how many waves of calls, one after the other, a run is long."""

from __future__ import annotations

from typing import Any

import whet
from optimize import waves
from optimize.instructed import program, rows, told, wanted
from optimize.test_simba import advising
from whet.testing.scripted import ScriptedLM


def kinds(recipe: Any, lm: ScriptedLM, **given: Any) -> list[set[str]]:
    """What the requests of each wave ask for."""
    with whet.context(lm=lm):
        recipe.hedge = False
        _, found = waves.compiled(recipe, program(), lambda: len(lm.requests), **given)
    return [{wanted(request)[-1] for request in lm.requests[start:end]} for start, end in found]


def test_a_round_of_gepa_is_two_waves_long() -> None:
    lm = ScriptedLM(advising)
    recipe = whet.GEPA(metric=told, max_metric_calls=250, reflection_lm=lm)
    seen = kinds(recipe, lm, trainset=rows(60), valset=rows(40, start=500))
    rounds = sum("new_instruction" in wave for wave in seen)
    assert rounds >= 3 and len(seen) <= 2 * rounds + 3
    assert all("answer" in wave for wave in seen if "new_instruction" in wave)


def test_advice_for_a_step_of_simba_is_written_while_the_step_before_is_raced() -> None:
    lm = ScriptedLM(advising)
    recipe = whet.SIMBA(metric=lambda example, prediction: told(example, prediction), bsize=16, max_steps=5, num_threads=24)
    seen = kinds(recipe, lm, trainset=rows(60))
    advised = [wave for wave in seen if "advice" in wave]
    assert len(advised) >= 4 and sum(wave == {"advice"} for wave in advised) == 1
