"""The conversations, a guide that recognises a response, and a student whose luck grows with each demo of going further."""

from __future__ import annotations

from scripted.actor import Asked

import whet
from whet.datasets import load_corpus


def conversations() -> list[whet.Example]:
    """An utterance that only names something, and a reply that stands on another passage of the bundled corpus."""
    passages = dict(text.split(" | ", 1) for text in load_corpus("atlas"))
    rows = []
    for title, text in passages.items():
        linked = [other for other in passages if other != title and other in text]
        for other in linked[:1]:
            rows.append(whet.Example(utterance=f"I have just read about {title}.", gold_response=passages[other], title=other))
    return [row.with_inputs("utterance", "gold_response") for row in rows]


ROWS = conversations()
TRAIN, TEST = ROWS[:8], ROWS[8:]
BY_RESPONSE, LINK = {row.gold_response: row.title for row in ROWS}, {row.utterance: row.title for row in ROWS}


def write_query(asked: Asked) -> str:
    """The guide recognises the response. The student looks for what was named; each demo of going further makes it likelier to do so."""
    if asked.gold_response:
        return BY_RESPONSE[asked.gold_response]
    further = sum(demo["query"] not in demo["utterance"] for demo in asked.demos)
    return LINK[asked.utterance] if asked.lucky(0.05 + 0.2 * further) else asked.utterance.removeprefix("I have just read about ")
