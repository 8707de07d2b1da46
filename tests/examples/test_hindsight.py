"""Hindsight: a student taught by a guide that saw the response beats one taught by itself, and never has the response in its prompt."""

from __future__ import annotations

from research.hindsight import Guided, distil, recall, retriever
from scripted.actor import Actor
from scripted.hindsight import ROWS, TEST, TRAIN, write_query

import whet


def test_what_the_guide_knew_helps_the_student_and_stays_with_the_guide() -> None:
    lm, evaluate = Actor({"query": write_query}), whet.Evaluate(devset=TEST, metric=recall)
    with whet.context(lm=lm, rm=retriever()):
        alone = distil(Guided(), [row.without("gold_response").with_inputs("utterance") for row in TRAIN])
        taught = distil(Guided(), TRAIN)
        assert any("gold_response" in request.messages[-1].text for request in lm.requests)
        lm.requests.clear()
        scores = [evaluate(program).score for program in (Guided(), alone, taught)]
    assert scores[0] <= scores[1] < scores[2] - 25, scores
    sent = "\n".join(message.text for request in lm.requests for message in request.messages)
    assert "gold_response" not in sent
    assert not any(row.gold_response in sent for row in ROWS)
    assert all(set(demo) == {"augmented", "utterance", "query"} for demo in taught.write.demos) and len(taught.write.demos) == 4


def test_a_response_given_outside_of_training_is_not_shown() -> None:
    lm = Actor({"query": write_query})
    with whet.context(lm=lm, rm=retriever()):
        with_it, without = Guided()(**ROWS[0].inputs()), Guided()(utterance=ROWS[0].utterance)
    assert with_it.query == without.query and lm.requests[0] == lm.requests[1]
