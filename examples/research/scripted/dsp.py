"""The questions, and a model that names the bridge once a demo shows how, or one time in three; it reads well, or with noise."""

from __future__ import annotations

from scripted.actor import Asked

from whet.datasets import load_bundled

TRAIN, TEST = load_bundled("atlas", "train"), load_bundled("atlas", "test")
GOLD = {row.question: row for row in TRAIN + TEST}


def shown_bridge(asked: Asked) -> bool:
    """Whether a demo shows a second query that is not the question again."""
    return any(demo.get("context", "[]") != "[]" and demo["query"] != demo["question"] for demo in asked.demos)


def write_query(asked: Asked) -> str:
    """Repeats the question, unless it was shown how to name the bridge, or (one time in three) finds out by itself."""
    first, second = GOLD[asked.question].gold_titles
    found = any(text.startswith(first) for text in asked.items("context"))
    return second if found and (shown_bridge(asked) or asked.lucky(1 / 3)) else asked.question


def read_answer(asked: Asked, noise: float = 0.0) -> str:
    """Knows the answer when the passage that holds it is there, and slips in a share of its samples."""
    row = GOLD[asked.question]
    known = all(any(text.startswith(title) for text in asked.items("context")) for title in row.gold_titles)
    return row.answer if known and not asked.lucky(noise) else f"somewhere {asked.sample}"
