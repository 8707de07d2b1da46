"""Baleen: compiling on runs whose hops are good raises the recall of gold passages; hops, order and condensing do what they should."""

from __future__ import annotations

from research.baleen import Baleen, compile_hops, gold_recall, hop_order, retriever, titles
from scripted.actor import Actor
from scripted.baleen import GOLD, SKILLS, TEST, TRAIN

import whet

INDEX = retriever()


def test_compiling_raises_the_recall_of_gold_passages() -> None:
    with whet.context(lm=Actor(SKILLS), rm=INDEX):
        plain = Baleen()
        taught = compile_hops(plain, TRAIN)
        evaluate = whet.Evaluate(devset=TEST, metric=gold_recall)
        before, after = evaluate(plain), evaluate(taught)
    assert before.score < 75 and after.score > 90
    runs = [row.prediction for row in after.rows]
    assert all(len(q) <= 100 for demo in taught.write[1].predict.demos for q in [demo.query])
    assert all(len(set(run.passages)) == len(run.passages) for run in runs)
    assert all(set(titles(run.facts)) <= set(GOLD[row.question].gold_titles) for run, row in zip(runs, TEST, strict=True))


def test_hops_are_ordered_without_labels() -> None:
    with whet.context(rm=INDEX):
        ordered = [hop_order(row) == row.gold_titles for row in TRAIN]
    assert sum(ordered) >= 0.8 * len(ordered)


def test_a_repeated_query_is_sent_back_once_and_again() -> None:
    lm = Actor({**SKILLS, "query": lambda a: "Old Vigil" if a.inputs.get("feedback") else "Hugo Halloran"})
    with whet.context(lm=lm, rm=INDEX):
        run = Baleen()(question="In which town is the castle that Hugo Halloran inherited?")
    assert run.queries == ["Hugo Halloran", "Old Vigil"]
    assert lm.calls == 6  # two hops with their condenser, one query more, the answer


def test_hops_may_share_one_query_writer() -> None:
    assert [name for name, _ in Baleen(shared=True).named_predictors()] == ["write[0].predict", "condense", "answer.predict"]
    assert len(Baleen(hops=3).predictors()) == 5
