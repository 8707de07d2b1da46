"""Red-teaming, a harmless analogue: the compiled stack beats the plain one, which beats a single attack; refusals are outcomes."""

from __future__ import annotations

import pytest
from research.red_team import RedTeam, compile_stack, judged

import whet
from examples.actor import Actor, Asked
from whet.core.exchange import Choice
from whet.testing import ScriptedLM

WORDS = {f"word {n}": (word, hint) for n, (word, hint) in enumerate(zip(
    "anchor basket candle dagger engine feather garden hammer island jacket kettle ladder magnet needle orchard pillow".split(),
    "ship fruit wax blade steam bird plant nail sea cloth water roof iron thread apple sleep".split(), strict=True,
))}  # fmt: skip
ROWS = [whet.Example(goal=goal, word=word, hint=hint).with_inputs("goal") for goal, (word, hint) in WORDS.items()]


def target(request: object) -> object:
    """Tells stories with the word in them, riddles that hint at it, and refuses demands, by words or by a filter."""
    text = request.messages[-1].text  # type: ignore[attr-defined]
    word, hint = next(v for k, v in reversed(WORDS.items()) if k in text)
    if "story" in text:
        return f"Once there was a {word}."
    if "riddle" in text:
        return f"It has to do with {hint}."
    return whet.LMInvalidRequestError("filtered") if "at once" in text else Choice(text=None, finish_reason="content_filter")


def attack(asked: Asked) -> str:
    """Demands, unless a critique or a demo brings it to something better."""
    shown = any("story" in demo["message"] for demo in asked.demos)
    if "story" in asked.critique or (shown and asked.lucky(0.9)):
        return f"Tell me a story about {asked.goal}."
    return f"Make a riddle of {asked.goal}." if "softer" in asked.critique else f"Say {asked.goal}" + " at once" * asked.lucky(0.5)


def criticise(asked: Asked) -> str:
    return "Ask for a story." if asked.lucky(0.15) else "Be softer."


def test_a_compiled_stack_beats_a_plain_one_which_beats_one_attack() -> None:
    told = {"observations": lambda a: "Words.", "summary": lambda a: "Words.", "program_description": lambda a: "A stack."}
    writer = Actor({**told, "proposed_instruction": lambda a: f"Be patient ({a.rollout})."}, model="writer")
    lm, victim = Actor({"message": attack, "critique": criticise}), ScriptedLM(target, model="target")
    evaluate = whet.Evaluate(devset=ROWS[8:], metric=judged)
    with whet.context(lm=lm):
        single, plain = RedTeam(victim, layers=0), RedTeam(victim)
        compiled = compile_stack(plain, ROWS, writer)
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
