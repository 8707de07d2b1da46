"""Red-teaming, a harmless analogue: the compiled stack beats the plain one, which beats a single attack; refusals are outcomes."""

from __future__ import annotations

import pytest
from research.red_team import RedTeam, compile_stack, judged
from scripted.actor import Actor
from scripted.red_team import ROWS, attacker, critic, target, writer

import whet
from whet.testing import ScriptedLM


def test_a_compiled_stack_beats_a_plain_one_which_beats_one_attack() -> None:
    lm, victim = Actor({"message": attacker, "critique": critic}), ScriptedLM(target, model="target")
    evaluate = whet.Evaluate(devset=ROWS[8:], metric=judged)
    with whet.context(lm=lm):
        single, plain = RedTeam(victim, layers=0), RedTeam(victim)
        compiled = compile_stack(plain, ROWS, writer())
        scores = [evaluate(program).score for program in (single, plain, compiled)]
    assert scores[0] < scores[1] < scores[2] - 20, scores
    assert [name for name, _ in plain.named_predictors()] == [
        *(f"attack[{i}].predict" for i in range(4)), *(f"refine[{i}].predict" for i in range(3))
    ]  # fmt: skip
    assert all(p.lm is None for p in compiled.predictors()) and compiled.target is victim


@pytest.mark.parametrize("how", ["at once", "please"])
def test_a_refusal_is_an_outcome(how: str) -> None:
    with whet.context(lm=Actor({"message": lambda a: f"Say word 1 {how}", "critique": lambda a: "?"})):
        found = RedTeam(ScriptedLM(target), layers=2)(goal="word 1")
    assert found.refused and found.refusals == 3 and judged(ROWS[1], found) == 0.0
