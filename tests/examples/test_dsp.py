"""DSP: demos for every hop come from the program's own right runs and raise exact match; a majority beats a single noisy sample."""

from __future__ import annotations

from research.dsp import MultiHopQA, answer_exact_match, demonstrate, retriever
from scripted.actor import Actor
from scripted.dsp import TEST, read_answer, write_query

import whet


def scores(program: MultiHopQA, rows: list[whet.Example]) -> float:
    return whet.Evaluate(devset=rows, metric=answer_exact_match)(program).score


def test_demonstrations_for_every_hop_raise_exact_match() -> None:
    lm = Actor({"query": write_query, "answer": read_answer})
    with whet.context(lm=lm, rm=retriever()):
        plain = MultiHopQA()
        taught = demonstrate(plain)
        assert {name: len(p.demos) for name, p in taught.named_predictors()} == {
            "hops[0].predict": 4, "hops[1].predict": 4, "answer.predict": 4
        }  # fmt: skip
        assert all("context" in demo and "reasoning" in demo for demo in taught.hops[1].predict.demos)
        before, after = scores(plain, TEST), scores(taught, TEST)
    assert before < 60 and after > 90
    assert not any(p.demos for p in plain.predictors())


def test_the_majority_of_five_samples_beats_one_on_a_noisy_model() -> None:
    lm = Actor({"query": lambda asked: write_query(asked), "answer": lambda asked: read_answer(asked, noise=0.4)})
    with whet.context(lm=lm, rm=retriever()):
        taught = demonstrate(MultiHopQA())
        one = scores(taught, TEST)
        taught.answer.predict.config = {"n": 5}
        five = scores(taught, TEST)
    assert one < 65 and five > one + 20


def test_several_queries_of_one_hop_are_fused() -> None:
    lm = Actor({"query": lambda asked: ["Old Vigil", "Hugo Halloran"][asked.sample % 2], "answer": lambda asked: "Garrowmouth"})
    with whet.context(lm=lm, rm=retriever()):
        found = MultiHopQA(hops=1, queries=2)(question="In which town is the castle that Hugo Halloran inherited?")
    titles = [text.split(" | ")[0] for text in found.context]
    assert {"Old Vigil", "Hugo Halloran"} <= set(titles) and len(set(found.context)) == 3
