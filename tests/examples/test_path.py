"""PATH: the planted instruction that trains the better ranker is found in 9 of 10 seeds, with at most 12 evaluations."""

from __future__ import annotations

from random import Random

import pytest
from research.path import RankerQuality, WordRanker, path, synthetic_pairs

import whet
from examples.actor import Actor, Asked
from whet.datasets import load_corpus

PASSAGES = load_corpus("atlas")
PLACES = [text for text in PASSAGES if " is a castle in " in text or " is a firm that makes " in text][:10]
ASKED = "In which town on which river is {}, what is it known for, and how many people come there?"
LABELLED = {ASKED.format(text.split(" | ")[0]): text for text in PLACES}
GOOD = "Ask for one fact, in whole sentences, as somebody would who has not read the passage."
BAD = ["Be creative.", "Ask something short.", "Write a question about the style of the passage."]


def write_question(asked: Asked) -> str:
    """Follows its instruction. Only questions in whole sentences use the words that many passages share, and so teach their weights."""
    title = asked.passage.split(" | ")[0]
    if "whole sentences" in asked.text:
        return f"Which town is {title} in, what river is there, what is it known for, and do many people go there?"
    return f"Which town on which river is {title} in?" if "short" in asked.text else "If this were a dream, what would it mean?"


def test_the_better_of_planted_instructions_is_found_in_nine_of_ten_seeds() -> None:
    lm = Actor({"question": write_question})
    objective, found = RankerQuality(PASSAGES, LABELLED), []
    with whet.context(lm=lm):
        for objective.seed in range(10):
            best = path(objective, [*BAD, GOOD])
            found.append(best.signature.instructions)
            assert sum(len(entry["subscores"]) for entry in best.candidate_programs) <= 12
    assert found.count(GOOD) >= 9, found
    assert lm.calls == 5 * len(PASSAGES)  # what a candidate writes is written once, whatever it is judged by


def test_training_on_good_questions_makes_a_better_ranker_than_none() -> None:
    objective = RankerQuality(PASSAGES, LABELLED)
    with whet.context(lm=Actor({"question": write_question})):
        taught = objective(whet.Predict(whet.Signature("passage -> question", GOOD)))
        pairs = synthetic_pairs(whet.Predict(whet.Signature("passage -> question", GOOD)), PASSAGES)
    objective.written["none"] = [("", text) for text in PASSAGES]
    untaught = objective(whet.Predict(whet.Signature("passage -> question", "none")))
    assert taught > untaught + 0.05
    assert WordRanker(PASSAGES).train(pairs, Random(0)).weights == pytest.approx(WordRanker(PASSAGES).train(pairs, Random(0)).weights)
