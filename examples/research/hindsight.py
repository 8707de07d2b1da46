"""Hindsight (Paranjape et al. 2021, arXiv 2110.07752): posterior-guided training of a retriever for open-ended generation.

Reproduced: a guide that sees the response that was wanted finds the passages behind it, Q(z | x, y); the retriever that will never see it,
P(z | x), is taught from what the guide found. Here the guide and the student are one predictor whose `gold_response` is a training-only
input: it is in the prompt while demonstrations are made, and neither in them nor in the finished program's prompt.
Miniature: the query writer in front of BM25 is what is taught, by demonstrations; there is no ELBO and no gradient.
"""

from __future__ import annotations

from typing import Any

from scripted.actor import SCRIPTED, Actor
from scripted.hindsight import TEST, TRAIN, write_query

import whet
from whet.datasets import load_corpus
from whet.retrieve import BM25


class WriteQuery(whet.Signature):
    """Write a search query for a passage that a good reply can stand on."""

    utterance: str = whet.InputField()
    gold_response: str = whet.InputField(desc="the reply that was given", train_only=True)
    query: str = whet.OutputField()


class Guided(whet.Module):
    """Finds passages for an utterance, and, given a response that was wanted, better ones."""

    def __init__(self, k: int = 2) -> None:
        self.write = whet.Predict(WriteQuery)
        self.k = k

    def forward(self, utterance: str, gold_response: str | None = None) -> whet.Prediction:
        """The query and the passages found with it."""
        hint = {"gold_response": gold_response} if gold_response is not None else {}
        query = self.write(utterance=utterance, **hint).query
        return whet.Prediction(query=query, passages=[p.text for p in whet.settings.rm(query, k=self.k)])


def recall(row: Any, pred: Any, trace: Any = None) -> bool:
    """Whether the passage behind the response was found."""
    return any(text.startswith(row.title + " | ") for text in pred.passages)


def distil(program: Guided, rows: list[whet.Example]) -> Guided:
    """The student, taught by the guide: its inputs are the rows' and, in training only, the response."""
    return whet.BootstrapFewShot(metric=recall, max_bootstrapped_demos=4, max_labeled_demos=0).compile(program, trainset=rows)


def retriever() -> BM25:
    """The bundled corpus."""
    return BM25(load_corpus("atlas"))


def main() -> None:
    """How often the passage behind a response is found: untaught, taught by itself, and taught by the guide that saw the response."""
    evaluate = whet.Evaluate(devset=TEST, metric=recall)
    print(SCRIPTED)
    with whet.context(lm=Actor({"query": write_query}), rm=retriever()):
        alone = distil(Guided(), [row.without("gold_response").with_inputs("utterance") for row in TRAIN])
        for name, program in {"untaught": Guided(), "taught by itself": alone, "by the guide": distil(Guided(), TRAIN)}.items():
            print(f"{name:18}", evaluate(program).summary())


if __name__ == "__main__":
    main()
