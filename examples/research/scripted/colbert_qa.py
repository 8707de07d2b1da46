"""180 invented facts, asked for in other words than they are told, and a reader that finds an answer where it stands in the context."""

from __future__ import annotations

from random import Random

from scripted.actor import Asked

import whet

# How people ask, and how the passages say it: no word in common.
RELATIONS = {
    "who runs": "mayor elected",
    "what water flows by": "river banks",
    "how many live in": "population count",
    "what rises over": "hill height",
    "when do stalls open in": "market hours",
    "where do trains stop in": "station platform",
    "what do cooks serve in": "dish recipe",
    "who painted the walls of": "fresco artist",
    "which team plays for": "football club",
    "what do boys learn in": "school lessons",
}
TOWNS = [f"{a}{b}" for a in ("Alder", "Bram", "Cold", "Dun", "Elm", "Fen") for b in ("moor", "wick", "haven")]


def facts() -> list[whet.Example]:
    rng, rows = Random(0), []
    for town in TOWNS:
        for asked, said in RELATIONS.items():
            answer = (
                f"{rng.choice('bdfgklmnprst')}{rng.choice('aeiou')}{rng.choice('bdfgklmnprst')}{rng.choice('aeiou')}{rng.randrange(100)}"
            )
            text = f"{town} | {said}: {answer}, as the almanac of {town} has it."
            rows.append(whet.Example(question=f"{asked} {town}?", answer=answer, passage=text).with_inputs("question"))
    return rows


ROWS = facts()
CORPUS = sorted(row.passage for row in ROWS)
TRAIN = [row for row in ROWS if TOWNS.index(row.passage.split(" | ")[0]) % 3]
TEST = [row for row in ROWS if not TOWNS.index(row.passage.split(" | ")[0]) % 3]
GOLD = {row.question: row.answer for row in ROWS}


def read_answer(asked: Asked) -> str:
    """Finds the answer if it stands in the context."""
    answer = GOLD[asked.question]
    return answer if answer in asked.context else "unknown"
