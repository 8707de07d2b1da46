"""The ColBERT-QA loop (Khattab et al. 2021, arXiv 2007.00814): retrieve, label what was found by the answer, train the retriever, repeat.

    python examples/weights/colbert_qa.py

The labels are weak: a passage counts as right if the answer stands in it or the question names its title. No gold passage is used in
training; recall@5 counts the gold passages of test questions, which are about other people and places than the training questions. The
temperature was chosen by cross-validation on the training questions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import report

from whet.core.text import contains_words
from whet.datasets import load_bundled, load_corpus
from whet.retrieve import BM25
from whet.train.encoder import DenseEncoder, DenseRetriever, weak_pairs


def title(passage: str) -> str:
    """The part before the bar."""
    return passage.split(" | ")[0]


def holds(row: Any) -> Callable[[str], bool]:
    """The weak label of passages for a question."""
    return lambda text: contains_words(text, row.answer) or contains_words(row.question, title(text))


def recalls(retriever: Any, rows: list[Any], k: int = 5) -> list[float]:
    """For each question the share of its gold passages among the first k."""
    found = retriever.search([row.question for row in rows], k)
    names = [{title(p["text"]) for p in passages} for passages in found]
    return [len(seen & set(row.gold_titles)) / len(row.gold_titles) for row, seen in zip(rows, names, strict=True)]


def main() -> None:
    """Measure, print, and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--write", action="store_true", help="put the table into docs/weights.md")
    given = options.parse_args()
    corpus, train, test = load_corpus("atlas"), load_bundled("atlas"), load_bundled("atlas", "test")
    results: dict[str, list[list[float]]] = {"BM25": [recalls(BM25(corpus), test)] * given.seeds}
    seconds = {"BM25": 0.0}
    for seed in range(given.seeds):
        begun = retriever = DenseRetriever(corpus, DenseEncoder(corpus, dim=512, seed=seed))
        results.setdefault("dense encoder, untrained", []).append(recalls(begun, test))
        seconds["dense encoder, untrained"] = 0.0
        for turn in range(1, given.rounds + 1):
            clock = report.Clock()
            pairs = weak_pairs(retriever, [(row.question, holds(row)) for row in train])
            retriever = begun.train(pairs, temperature=0.05)
            name = f"after round {turn}"
            results.setdefault(name, []).append(recalls(retriever, test))
            seconds[name] = seconds.get(name, 0.0) + clock() / given.seeds
            print(f"seed {seed}, {name}: {len(pairs)} pairs, recall@5 {100 * sum(results[name][-1]) / len(test):.1f} %", flush=True)
    heading = f"Recall@5 in % on {len(test)} test questions over the bundled corpus `atlas` ({len(corpus)} passages)."
    note = f"{len(train)} training questions with answers, {given.seeds} seeds of the random projection."
    text = report.table(heading, results, seconds, note, base="dense encoder, untrained")
    print(text)
    if given.write:
        report.write("colbert-qa", text)


if __name__ == "__main__":
    main()
