"""PATH: the planted instruction that trains the better ranker is found in 9 of 10 seeds, with at most 12 evaluations."""

from __future__ import annotations

from random import Random

import pytest
from research.path import RankerQuality, WordRanker, path, synthetic_pairs
from scripted.actor import Actor
from scripted.path import BAD, GOOD, LABELLED, PASSAGES, write_question

import whet


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
