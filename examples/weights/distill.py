"""A large program teaches a small one: nearest examples in every prompt become weights, and the prompts become short.

    python examples/weights/distill.py                                  # the embedded model, three seeds
    python examples/weights/distill.py --lm openai/gpt-4.1-mini --small local:/models/smollm

The teacher looks up the eight labelled rows that are most alike and shows them to its model at every call. The student, one call without
any example, learns from the teacher's answers on other rows, whose labels nobody looks at. Both are scored on rows that neither has seen.
"""

from __future__ import annotations

import argparse
import random
from typing import Any, Literal

import report

import whet
from whet.datasets import find_leaks, load_bundled
from whet.retrieve import BM25


class Nearest(whet.Module):
    """Answers after the examples that share most words with the question."""

    def __init__(self, signature: Any, examples: list[Any], shown: int = 8) -> None:
        self.examples, self.shown = {row.text: row for row in examples}, shown
        self.index = BM25(list(self.examples))
        self.answer = whet.Predict(signature)

    def forward(self, text: str) -> Any:
        """The model's answer."""
        found = self.index.search([text], self.shown)[0]
        return self.answer(text=text, demos=[self.examples[passage["text"]] for passage in reversed(found)])


def same(example: Any, prediction: Any, trace: Any = None) -> bool:
    """Whether the intent is right."""
    return bool(example.label == prediction.label)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lm", default="embedded", help="the teacher's model")
    options.add_argument("--small", default="embedded", help="the student's model")
    options.add_argument("--labelled", type=int, default=350)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--write", action="store_true", help="put the table into docs/weights.md")
    return options.parse_args()


def main() -> None:
    """Measure, print, and write the table."""
    given = arguments()
    report.own_home()
    pool, test = load_bundled("banking77"), load_bundled("banking77", "test")
    copies = {leak.test_index for leak in find_leaks(pool, test, fields=["text"])}
    test = [row for number, row in enumerate(test) if number not in copies]
    signature = whet.Signature("text -> label").with_updated_fields("label", type_=Literal[tuple(sorted({row.label for row in pool}))])
    judge = whet.Evaluate(devset=test, metric=same, num_threads=4)
    results: dict[str, list[list[float]]] = {"teacher, 8 examples a call": [], "student as it is": [], "student, distilled": []}
    seconds = dict.fromkeys(results, 0.0)
    for seed in range(given.seeds):
        rows = random.Random(seed).sample(pool, len(pool))
        teacher, student = Nearest(signature, rows[: given.labelled]), whet.Predict(signature)
        teacher.set_lm(whet.LM(given.lm))
        student.lm = whet.LM(given.small)
        unlabelled = [whet.Example(text=row.text).with_inputs("text") for row in rows[given.labelled :]]
        clock = report.Clock()
        distilled = whet.Distill(seed=seed, num_threads=4).compile(student, teacher=teacher, trainset=unlabelled)
        seconds["student, distilled"] += clock() / given.seeds
        for name, program in zip(results, (teacher, student, distilled), strict=True):
            results[name].append([float(row.score.value) for row in judge(program).rows])
            print(f"seed {seed}, {name}: {100 * sum(results[name][-1]) / len(test):.1f} %", flush=True)
    heading = f"Banking77, 20 intents, accuracy in % on {len(test)} test rows (none is a near-duplicate of a row of the training split)."
    counts = f"{given.labelled} labelled rows for the teacher, {len(pool) - given.labelled} without labels for the student"
    text = report.table(heading, results, seconds, f"Teacher `{given.lm}`, student `{given.small}`, {counts}, {given.seeds} seeds.")
    print(text)
    if given.write:
        report.write("distill", text)


if __name__ == "__main__":
    main()
