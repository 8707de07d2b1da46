"""Demonstrate-Search-Predict (Khattab et al. 2022, arXiv 2212.14024): the paper's multi-hop question answering.

Reproduced: the three families of primitives. Search asks one query writer per hop for several queries and fuses their rankings. Predict
draws several answers and takes the majority. Demonstrate is `BootstrapFewShot`, which runs the program on labelled questions and keeps,
for every step, what it did in the runs that ended right.
Miniature: 221 passages and BM25 in place of Wikipedia and ColBERTv2; two hops; exact match on invented questions, not HotPotQA.
"""

from __future__ import annotations

import sys

from scripted.actor import SCRIPTED, Actor
from scripted.dsp import TEST, read_answer, write_query

import whet
from whet.datasets import load_bundled, load_corpus
from whet.evaluate.metrics.answers import answer_exact_match
from whet.retrieve import BM25, Passage, fuse_passages


class WriteQuery(whet.Signature):
    """Write a search query that finds what is still missing to answer the question."""

    context: list[str] = whet.InputField(desc="passages found so far")
    question: str = whet.InputField()
    query: str = whet.OutputField(max_length=100)


class AnswerQuestion(whet.Signature):
    """Answer the question in a few words, from the context."""

    context: list[str] = whet.InputField()
    question: str = whet.InputField()
    answer: str = whet.OutputField(desc="often between 1 and 5 words")


class MultiHopQA(whet.Module):
    """`hops` times: write `queries` queries, search, fuse. Then answer by the majority of `votes` samples."""

    def __init__(self, hops: int = 2, k: int = 3, queries: int = 1, votes: int = 1) -> None:
        self.hops = [whet.ChainOfThought(WriteQuery, n=queries) for _ in range(hops)]
        self.answer = whet.ChainOfThought(AnswerQuestion, n=votes)
        self.k = k

    def forward(self, question: str) -> whet.Prediction:
        """The answer, and the passages it stands on."""
        context: list[str] = []
        for hop in self.hops:
            queries = hop(context=context, question=question).completions.query
            context += [p.text for p in self.search(queries) if p.text not in context]
        answers = self.answer(context=context, question=question)
        return whet.Prediction(answer=whet.majority(answers).answer, context=context)

    def search(self, queries: list[str]) -> list[Passage]:
        """The best passages of all queries; the retriever is an ambient setting, as the model is."""
        return fuse_passages(whet.settings.rm.search(list(dict.fromkeys(queries)), self.k), self.k)


def retriever() -> BM25:
    """The passages of both bundled corpora."""
    return BM25([*load_corpus("atlas"), *load_corpus("hotpotqa")])


def demonstrate(program: MultiHopQA, shots: int = 4) -> MultiHopQA:
    """The program with demonstrations for every step, annotated by running it on 16 labelled questions."""
    annotate = whet.BootstrapFewShot(metric=answer_exact_match, max_bootstrapped_demos=shots, max_labeled_demos=0)
    return annotate.compile(program, trainset=load_bundled("atlas", "train")[:16])


def main(model: str | None = None) -> None:
    """Exact match on the test questions before and after the demonstrations, with a model of yours or the scripted one."""
    evaluate = whet.Evaluate(devset=TEST, metric=answer_exact_match, display_progress=model is not None)
    if model is None:
        print(SCRIPTED)
    with whet.context(lm=whet.LM(model) if model else Actor({"query": write_query, "answer": read_answer}), rm=retriever()):
        print("as written:         ", evaluate(MultiHopQA()).summary())
        print("with demonstrations:", evaluate(demonstrate(MultiHopQA())).summary())


if __name__ == "__main__":
    main(*sys.argv[1:2])
