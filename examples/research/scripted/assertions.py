"""The questions, and a model that breaks one rule in its tweets, mends it when told (2 times in 5), and learns from demos."""

from __future__ import annotations

from scripted.actor import Asked

from whet.datasets import load_bundled

ROWS = [row.with_inputs("question", "answer") for row in load_bundled("atlas", "train")]
TRAIN, TEST = ROWS[:12], ROWS[12:]


def tweet(asked: Asked) -> str:
    """Breaks one rule in its first try unless demos show good tweets; told what was wrong it mends that (2 times in 5) and may
    break another one."""
    said = asked.inputs.get("feedback", "")
    careful = asked.lucky(0.4) if said else asked.lucky(0.25 + 0.2 * len(asked.demos))
    text = f"Guess what: {asked.answer}!"
    if careful:
        return text
    return f"{text} #wow" if "hash" not in said else text + " It is so very true." * 20
