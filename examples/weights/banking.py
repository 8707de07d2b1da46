"""Banking77 (20 of its intents): the program as it is, with better prompts, with trained weights, and with both in turn.

    python examples/weights/banking.py                                  # the embedded model, three seeds, writes the table of the docs
    python examples/weights/banking.py --lm local:/models/smollm --train 2000      # the same on another model

Rows to train and to choose on come from the training split, scores from the test split, of which nothing near a training row is used.
"""

from __future__ import annotations

import argparse
import random
from typing import Any, Literal

import report

import whet
from whet.datasets import find_leaks, load_bundled


def same(example: Any, prediction: Any, trace: Any = None) -> bool:
    """Whether the intent is right."""
    return bool(example.label == prediction.label)


def rows_of(split: str) -> list[whet.Example]:
    """Rows with the right intent as a hint, which only training sees."""
    return [whet.Example(text=r.text, label=r.label, hint=r.label).with_inputs("text", "hint") for r in load_bundled("banking77", split)]


def systems(seed: int, threads: int) -> dict[str, Any]:
    """The optimizers to compare, by name."""
    prompts = whet.BootstrapRS(same, max_labeled_demos=40, num_candidate_programs=8, num_threads=threads, seed=seed)
    weights = whet.BootstrapFinetune(same, num_threads=threads, seed=seed)
    distilled = whet.BootstrapFinetune(same, exclude_demos=True, num_threads=threads, seed=seed)
    both = whet.BetterTogether(same, p=prompts, w=distilled, num_threads=threads, seed=seed)
    return {"best prompt (BootstrapRS)": prompts, "finetuned (BootstrapFinetune)": weights, "both (BetterTogether, p -> w -> p)": both}


def arguments() -> argparse.Namespace:
    """What the command line says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lm", default="embedded")
    options.add_argument("--train", type=int, default=500)
    options.add_argument("--dev", type=int, default=100)
    options.add_argument("--test", type=int, default=400)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--threads", type=int, default=4)
    options.add_argument("--write", action="store_true", help="put the table into docs/weights.md")
    return options.parse_args()


def task(given: argparse.Namespace) -> tuple[Any, list[whet.Example], list[whet.Example], int]:
    """The program, rows to train on, rows to test on, and how many of those were left out for their likeness to training rows."""
    pool, test = rows_of("train"), rows_of("test")[: given.test]
    copies = {leak.test_index for leak in find_leaks(pool, test, fields=["text"])}
    intents = tuple(sorted({row.label for row in pool}))
    signature = whet.Signature("text -> label").with_updated_fields("label", type_=Literal[intents])
    kept = [row for number, row in enumerate(test) if number not in copies]
    return whet.ChainOfThoughtWithHint(signature), pool, kept, len(copies)


def main() -> None:
    """Measure, print, and write the table."""
    given = arguments()
    report.own_home()
    whet.configure(lm=whet.LM(given.lm))
    classify, pool, test, copies = task(given)
    judge = whet.Evaluate(devset=test, metric=same, num_threads=given.threads)
    results: dict[str, list[list[float]]] = {}
    seconds: dict[str, float] = {}

    def measure(name: str, program: Any, spent: float) -> None:
        results.setdefault(name, []).append([float(row.score.value) for row in judge(program).rows])
        seconds[name] = seconds.get(name, 0.0) + spent / given.seeds
        print(f"{name}: {100 * sum(results[name][-1]) / len(test):.1f} % after {spent:.1f} s", flush=True)

    for seed in range(given.seeds):
        rows = random.Random(seed).sample(pool, len(pool))
        train, dev = rows[: given.train], rows[given.train : given.train + given.dev]
        measure("as it is, no demos", classify, 0.0)
        for name, optimizer in systems(seed, given.threads).items():
            clock = report.Clock()
            judged = {} if isinstance(optimizer, whet.BootstrapFinetune) else {"valset": dev}
            measure(name, optimizer.compile(classify, trainset=train, **judged), clock())

    title = f"Banking77, 20 intents, accuracy in % on {len(test)} test rows ({copies} with a near-duplicate in training are left out)."
    note = f"Model `{given.lm}`, {given.train} rows to learn from, {given.dev} to choose by, {given.seeds} seeds (other rows, other order)."
    text = report.table(title, results, seconds, note)
    print(text)
    if given.write:
        report.write("banking", text)


if __name__ == "__main__":
    main()
