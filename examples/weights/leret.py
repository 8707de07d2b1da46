"""LeReT on a two-hop search program: try queries under different demos, rate each hop by what it finds, prefer, train, repeat.

    python examples/weights/leret.py                     # the embedded model, three seeds
    python examples/weights/leret.py --test hotpotqa     # the same training, tested on the bundled questions of HotPotQA

At each hop the model decides how to ask: a `Literal` choice, because the embedded model learns choices and does not write free text. With
another `--lm` the same program and script run unchanged.
"""

from __future__ import annotations

import argparse
import random
import re
from typing import Any, Literal

import report

import whet
from whet.core.text import words
from whet.datasets import load_bundled, load_corpus
from whet.retrieve import BM25

First = Literal["the names only", "all the words", "the words without names"]
Second = Literal["the question once more", "names from the passage", "names from the passage and words of the question"]
LEARN = 30  # rows to train on; the rest of what is known chooses between programs


def names(text: str) -> str:
    """The capitalised words, without the first one of a sentence that is no name."""
    return " ".join(word for word in re.findall(r"\b[A-Z][\w']+", text) if word not in ("What", "In", "On", "Who", "Which", "How", "The"))


def plain(text: str) -> str:
    """The words that are no names."""
    return " ".join(word for word in re.findall(r"\b[a-z][\w']+", text))


def first_query(question: str, way: str) -> str:
    """The query of the first hop."""
    return {"the names only": names(question), "the words without names": plain(question)}.get(way, question)


def second_query(question: str, passage: str, way: str) -> str:
    """The query of the second hop."""
    fresh = " ".join(w for w in names(passage).split() if w.lower() not in words(question))
    both = f"{fresh} {plain(question)}"
    return {"names from the passage": fresh, "names from the passage and words of the question": both}.get(way, question)


class TwoHop(whet.Module):
    """Two searches, two passages each."""

    def __init__(self, index: Any) -> None:
        self.index = index
        self.first = whet.Predict(whet.Signature("question -> search_with").with_updated_fields("search_with", type_=First))
        self.second = whet.Predict(whet.Signature("question, passage -> search_with").with_updated_fields("search_with", type_=Second))

    def forward(self, question: str) -> whet.Prediction:
        """The passages of both hops."""
        one = [p["text"] for p in self.index.search([first_query(question, self.first(question=question).search_with) or question], 2)[0]]
        passage = one[0] if one else ""
        way = self.second(question=question, passage=passage).search_with
        two = [p["text"] for p in self.index.search([second_query(question, passage, way) or question], 3)[0]]
        return whet.Prediction(passages=list(dict.fromkeys([*one, *two])))


def recall(example: Any, passages: list[str]) -> float:
    """The share of the gold passages."""
    titles = {passage.split(" | ")[0] for passage in passages}
    return len(titles & set(example.gold_titles)) / len(example.gold_titles)


def found(example: Any, prediction: Any, trace: Any = None) -> float:
    """The metric: recall of the whole program."""
    return recall(example, prediction.passages)


def rater(index: Any) -> Any:
    """What a single hop earns: the recall of its own query."""

    def rate(example: Any, step: Any, prediction: Any) -> float:
        question, way = step.inputs["question"], step.prediction.search_with
        query = second_query(question, step.inputs["passage"], way) if step.name == "second" else first_query(question, way)
        return recall(example, [p["text"] for p in index.search([query or question], 3)[0]])

    return rate


def parts(name: str) -> list[tuple[list[whet.Example], list[whet.Example]]]:
    """Rows to learn from and rows to test on. `atlas` is tested in three parts, each by programs that learnt from the other two; none of
    HotPotQA's is trained on: all that name passages are asked."""
    atlas = [row for split in ("train", "test") for row in load_bundled("atlas", split)]
    if name == "hotpotqa":
        return [(atlas, [row for split in ("train", "test") for row in load_bundled(name, split) if row.gold_titles])]
    random.Random(0).shuffle(atlas)
    return [([row for place, row in enumerate(atlas) if place % 3 != part], atlas[part::3]) for part in range(3)]


def arguments() -> argparse.Namespace:
    """What the command line says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lm", default="embedded")
    options.add_argument("--test", choices=("atlas", "hotpotqa"), default="atlas")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--iterations", type=int, default=2)
    options.add_argument("--write", action="store_true", help="put the table into docs/weights.md")
    return options.parse_args()


def main() -> None:
    """Measure, print, and write the table."""
    given = arguments()
    report.own_home()
    whet.configure(lm=whet.LM(given.lm))
    index, test_index = BM25(load_corpus("atlas")), BM25(load_corpus(given.test))
    results: dict[str, list[list[float]]] = {"as it is": [], "LeReT (IPO)": []}
    seconds = {"as it is": 0.0, "LeReT (IPO)": 0.0}
    rounds = parts(given.test)
    for seed in range(given.seeds):
        scores: dict[str, list[float]] = {name: [] for name in results}
        for known, test in rounds:
            rows = random.Random(seed).sample(known, len(known))
            program, clock = TwoHop(index), report.Clock()
            optimizer = whet.LeReT(found, step_reward=rater(index), iterations=given.iterations, seed=seed, num_threads=4)
            trained = optimizer.compile(program, trainset=rows[:LEARN], valset=rows[LEARN:])
            seconds["LeReT (IPO)"] += clock() / given.seeds
            for name, candidate in (("as it is", program), ("LeReT (IPO)", trained)):
                candidate.index = test_index
                scores[name] += [float(row.score.value) for row in whet.Evaluate(devset=test, metric=found, num_threads=4)(candidate).rows]
        for name in results:
            results[name].append(scores[name])
            print(f"seed {seed}, {name}: {100 * sum(scores[name]) / len(scores[name]):.1f} %", flush=True)
    count, learnt = sum(len(test) for _, test in rounds), len(rounds[0][0])
    heading = f"Recall of the gold passages in % by a two-hop program on {count} test questions of the bundled `{given.test}`."
    note = f"Model `{given.lm}`, {LEARN} questions of `atlas` to learn from, {learnt - LEARN} to choose by, {given.seeds} seeds."
    if len(rounds) > 1:
        note += f" Each question is asked by programs that learnt from the other two thirds; seconds are of all {len(rounds)} trainings."
    text = report.table(heading, results, seconds, note)
    print(text)
    if given.write:
        report.write("leret" if given.test == "atlas" else "leret-hotpotqa", text)


if __name__ == "__main__":
    main()
