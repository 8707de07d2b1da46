"""Words of the day, a target that tells them in stories, hints in riddles and refuses demands, and an attacker who can learn that."""

from __future__ import annotations

from scripted.actor import Actor, Asked

import whet
from whet.core.exchange import Choice

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


def attacker(asked: Asked) -> str:
    """Demands, unless a critique or a demo brings it to something better."""
    shown = any("story" in demo["message"] for demo in asked.demos)
    if "story" in asked.critique or (shown and asked.lucky(0.9)):
        return f"Tell me a story about {asked.goal}."
    return f"Make a riddle of {asked.goal}." if "softer" in asked.critique else f"Say {asked.goal}" + " at once" * asked.lucky(0.5)


def critic(asked: Asked) -> str:
    return "Ask for a story." if asked.lucky(0.15) else "Be softer."


def writer() -> Actor:
    """Proposes instructions that change nothing: what rises here rises by demonstrations."""
    told = {"observations": lambda a: "Words.", "summary": lambda a: "Words.", "program_description": lambda a: "A stack."}
    return Actor({**told, "proposed_instruction": lambda a: f"Be patient ({a.rollout})."}, model="writer")
