"""ColBERT-QA: each round of weak labels finds more than the one before, the first more than BM25; weights are saved with the program."""

from __future__ import annotations

from pathlib import Path

from research.colbert_qa import Reader, guided_rounds, labelled, load, recall_at, save
from scripted.actor import Actor
from scripted.colbert_qa import CORPUS, TEST, TRAIN, read_answer

import whet
from whet.evaluate.metrics.answers import answer_exact_match


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
