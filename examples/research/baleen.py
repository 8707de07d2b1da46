"""Baleen (Khattab, Potts and Zaharia 2021, arXiv 2101.00436): multi-hop retrieval with condensed context.

Reproduced: for each hop a query is written from the question and the facts condensed so far, passages are fetched by late interaction,
and a condenser keeps only the relevant facts. Latent hop ordering: nobody labels which gold passage to fetch first; it is the one that the
question itself finds. A training run is kept only if its hops follow that order with short queries that do not repeat.
Miniature: 76 passages, hashed word vectors in place of ColBERT, two hops, demos in place of trained encoders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripted.actor import SCRIPTED, Actor
from scripted.baleen import SKILLS, TEST, TRAIN

import whet
from whet.datasets import load_corpus
from whet.retrieve import BM25, LateInteraction, Reranked

K = 3  # passages per hop


class WriteHopQuery(whet.Signature):
    """Write a short search query for what the facts do not say yet."""

    question: str = whet.InputField()
    facts: list[str] = whet.InputField(desc="known so far")
    query: str = whet.OutputField()


class Condense(whet.Signature):
    """Keep the facts that help to answer the question, each as it stands in a passage."""

    question: str = whet.InputField()
    passages: list[str] = whet.InputField()
    relevant: list[str] = whet.OutputField()


class Baleen(whet.Module):
    """Hops with a query writer each (or one for all: `shared`), a condenser, and an answer."""

    def __init__(self, hops: int = 2, k: int = K, shared: bool = False) -> None:
        writers = [whet.ChainOfThought(WriteHopQuery) for _ in range(1 if shared else hops)]
        self.write = writers * hops if shared else writers
        self.condense = whet.Predict(Condense)
        self.answer = whet.ChainOfThought("question, facts: list[str] -> answer")
        self.k = k

    def forward(self, question: str) -> whet.Prediction:
        """The answer with the passages (no passage twice), the facts, and the query of each hop."""
        facts: list[str] = []
        passages: list[str] = []
        queries: list[str] = []
        for write in self.write:
            query = write(question=question, facts=facts).query
            whet.Suggest(query not in queries, f"The query {query!r} was tried already; look for something else.", on=write)
            found = [p.text for p in whet.settings.rm(query, k=self.k)]
            facts += [f for f in self.condense(question=question, passages=found).relevant if f not in facts]
            passages += [text for text in found if text not in passages]
            queries.append(query)
        answer = self.answer(question=question, facts=facts).answer
        return whet.Prediction(answer=answer, passages=passages, facts=facts, queries=queries)


def titles(passages: Sequence[str]) -> list[str]:
    """The titles of passages."""
    return [text.split(" | ")[0] for text in passages]


def gold_recall(row: Any, pred: Any, trace: Any = None) -> float | bool:
    """The share of gold passages that were found; in training whether the whole run is worth showing."""
    found = sum(title in titles(pred.passages) for title in row.gold_titles) / len(row.gold_titles)
    return found if trace is None else found == 1 and good_hops(row, pred.queries)


def good_hops(row: Any, queries: Sequence[str]) -> bool:
    """Whether the queries are short, differ, and each finds the gold passage whose turn it is."""
    due = hop_order(row)
    reached = [title in titles([p.text for p in whet.settings.rm(query, k=K)]) for query, title in zip(queries, due, strict=False)]
    return all(len(q) <= 100 for q in queries) and len(set(queries)) == len(queries) and all(reached)


def hop_order(row: Any) -> list[str]:
    """The gold passages as they can be found: by where the question alone ranks them."""
    ranked = titles([p.text for p in whet.settings.rm(row.question, k=20)])
    return sorted(row.gold_titles, key=lambda title: ranked.index(title) if title in ranked else len(ranked))


def retriever() -> Reranked:
    """The bundled corpus: found by words, put in order by late interaction."""
    return Reranked(BM25(load_corpus("atlas")), LateInteraction(), pool=8)


def compile_hops(program: Baleen, rows: Sequence[Any]) -> Baleen:
    """The program with demonstrations from runs whose hops are good."""
    return whet.BootstrapFewShot(metric=gold_recall, max_bootstrapped_demos=3, max_labeled_demos=0).compile(program, trainset=rows)


def main() -> None:
    """The recall of gold passages before and after compiling."""
    evaluate = whet.Evaluate(devset=TEST, metric=gold_recall)
    print(SCRIPTED)
    with whet.context(lm=Actor(SKILLS), rm=retriever()):
        for name, program in {"as written": Baleen(), "compiled": compile_hops(Baleen(), TRAIN)}.items():
            print(f"recall {name:12}", evaluate(program).summary())


if __name__ == "__main__":
    main()
