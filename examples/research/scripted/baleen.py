"""The questions, and a model that writes good queries once a demo shows how, or one time in three; it condenses perfectly."""

from __future__ import annotations

from scripted.actor import Asked

from whet.datasets import load_bundled

TRAIN, TEST = load_bundled("atlas", "train"), load_bundled("atlas", "test")[:14]
GOLD = {row.question: row for row in TRAIN + TEST}


def write_query(asked: Asked) -> str:
    """Names the next gold passage when a demo shows how, or (one time in three) by itself; else asks the question again, at length."""
    first, second = GOLD[asked.question].gold_titles
    taught = any(len(demo["query"]) < 100 for demo in asked.demos)
    if not (taught or asked.lucky(1 / 3)):
        return f"I would like to know the following, and as soon as you can possibly find it out: {asked.question}"
    return second if any(fact.startswith(first) for fact in asked.items("facts")) else first


SKILLS = {
    "query": write_query,
    "relevant": lambda a: [p for p in a.items("passages") if p.split(" | ")[0] in GOLD[a.question].gold_titles],
    "answer": lambda a: "an answer",
}
