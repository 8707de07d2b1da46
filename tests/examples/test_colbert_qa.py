"""ColBERT-QA: each round of weak labels finds more than the one before, the first more than BM25; weights are saved with the program."""

from __future__ import annotations

from pathlib import Path
from random import Random

from research.colbert_qa import Reader, guided_rounds, labelled, load, recall_at, save

import whet
from examples.actor import Actor, Asked
from whet.evaluate.metrics.answers import answer_exact_match

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


def test_each_round_finds_more(tmp_path: Path) -> None:
    retrievers = guided_rounds(CORPUS, TRAIN)
    recalls = [recall_at(retriever, TEST) for retriever in retrievers]
    assert recalls[0] + 0.1 < recalls[1] and recalls[1] + 0.02 < recalls[2], recalls
    found = [len(labelled(retriever, TRAIN, 4)) for retriever in retrievers]
    assert found[0] < found[1] <= len(TRAIN)

    evaluate = whet.Evaluate(devset=TEST, metric=answer_exact_match)
    with whet.context(lm=Actor({"answer": read_answer})):
        reader = Reader(retrievers[2])
        scores = [evaluate(Reader(retrievers[0])).score, evaluate(reader).score]
        assert scores[1] > scores[0] + 10
        save(reader, tmp_path)
        assert evaluate(load(tmp_path, CORPUS)).score == scores[1]
