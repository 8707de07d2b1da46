"""ColBERT-QA, relevance-guided supervision (Khattab, Potts and Zaharia 2020, arXiv 2007.00814).

Reproduced: nobody labels passages. The retriever at hand searches for the training questions; of what it ranks first, passages that hold
the answer are positives and the others negatives; a better retriever is trained on those, and labels for the next round; a reader answers
from what the last one finds.
Miniature: a dense encoder of hashed word parts in place of ColBERT, BM25 as the retriever of the first round, 180 invented passages.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripted.actor import SCRIPTED, Actor
from scripted.colbert_qa import CORPUS, TEST, TRAIN, read_answer

import whet
from whet.evaluate.metrics.answers import answer_exact_match
from whet.retrieve import BM25
from whet.train.encoder import DenseEncoder, DenseRetriever, SearchPair, weak_pairs


def guided_rounds(corpus: Sequence[str], rows: Sequence[Any], rounds: int = 2, depth: int = 4) -> list[Any]:
    """The retrievers: BM25, then one for each round, each trained on what the one before it found."""
    retrievers: list[Any] = [BM25(corpus)]
    untrained = DenseRetriever(corpus, DenseEncoder(corpus, dim=96))
    for _ in range(rounds):
        pairs = labelled(retrievers[-1], rows, depth)
        retrievers.append(untrained.train(pairs, epochs=8, learning_rate=4.0, turning=1.0))
    return retrievers


def labelled(retriever: Any, rows: Sequence[Any], depth: int) -> list[SearchPair]:
    """Pairs for the questions for which a passage with the answer is among the first `depth`."""
    return weak_pairs(retriever, [(row.question, holds(row.answer)) for row in rows], depth=depth, positives=1)


def holds(answer: str) -> Any:
    """Whether a passage has this answer in it: all the supervision there is."""
    return lambda text: answer in text


def recall_at(retriever: Any, rows: Sequence[Any], k: int = 5) -> float:
    """The share of questions whose passage is among the first `k`."""
    found = retriever.search([row.question for row in rows], k)
    return sum(any(p["text"] == row.passage for p in passages) for row, passages in zip(rows, found, strict=True)) / len(rows)


class Reader(whet.Module):
    """Answers from the first passages of its retriever."""

    def __init__(self, retriever: Any, k: int = 5) -> None:
        self.answer = whet.Predict("context: list[str], question -> answer")
        self.retriever, self.k = retriever, k

    def forward(self, question: str) -> whet.Prediction:
        """The answer and its context."""
        context = [passage.text for passage in self.retriever.search([question], self.k)[0]]
        return whet.Prediction(answer=self.answer(context=context, question=question).answer, context=context)


def save(reader: Reader, folder: Path) -> None:
    """The program as JSON, and beside it the name under which the encoder's weights are kept."""
    reader.save(folder / "reader.json")
    (folder / "encoder.txt").write_text(reader.retriever.encoder.save("colbert-qa"), encoding="utf-8")


def load(folder: Path, corpus: Sequence[str]) -> Reader:
    """The reader over the same corpus, with the weights that it was saved with."""
    encoder = DenseEncoder.load((folder / "encoder.txt").read_text(encoding="utf-8"))
    reader = Reader(DenseRetriever(corpus, encoder))
    reader.load(folder / "reader.json")
    return reader


def main() -> None:
    """Recall on held-out questions of BM25 and of each round, and what a reader makes of it; the training is real, the reader scripted."""
    evaluate = whet.Evaluate(devset=TEST, metric=answer_exact_match)
    print(SCRIPTED.replace("A scripted model", "A scripted reader; the retrievers are trained in earnest"))
    with whet.context(lm=Actor({"answer": read_answer})):
        for number, retriever in enumerate(guided_rounds(CORPUS, TRAIN)):
            print(f"after {number} rounds: recall@5 {recall_at(retriever, TEST):.3f}, exact match {evaluate(Reader(retriever)).summary()}")


if __name__ == "__main__":
    main()
