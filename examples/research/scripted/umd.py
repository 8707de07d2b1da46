"""Posts of which one in eight is positive, and a judge that says no to all until demos show a positive, and then says yes too readily."""

from __future__ import annotations

from scripted.actor import Asked

import whet


def post(place: int) -> whet.Example:
    trapped = place % 8 == 0
    text = f"Post {place}: " + ("every door is shut to me" if trapped else "a bad week, but it will pass")
    return whet.Example(post=text, trapped="yes" if trapped else "no").with_inputs("post")


ROWS = [post(place) for place in range(96)]
TRAIN, VAL = ROWS[:32], ROWS[32:]
GOLD = {row.post: row.trapped for row in ROWS}


def judge(asked: Asked) -> str:
    """Without a positive demo it says no to all. With one it finds the positives and is too eager, with two still more so; an instruction
    that says when to say no cures that."""
    shown = sum(demo["trapped"] == "yes" for demo in asked.demos)
    gold = next(label for text, label in GOLD.items() if text in asked.post)
    eager = 0.0 if "Only if" in asked.text else 0.15 * shown
    if gold == "yes":
        return "yes" if shown else "no"
    return "yes" if asked.lucky(eager) else "no"
