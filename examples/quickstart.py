"""The quickstart: a typed program, evaluated on real text, optimized, and compared on rows the search never saw.

Run it with `make demo`. It needs no key: the model is whet's embedded one, a small linear text reader and no neural network.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, Literal

import whet
from whet.datasets import load_bundled
from whet.evaluate.comparison import compare

TRAIN, TEST = load_bundled("banking77", "train"), load_bundled("banking77", "test")


class Intent(whet.Signature):
    """Name the intent of a bank customer's message."""

    text: str = whet.InputField(desc="what the customer wrote")
    label: Literal[tuple(sorted({row.label for row in TRAIN}))] = whet.OutputField()  # type: ignore[valid-type]


def right(row: whet.Example, prediction: whet.Prediction, trace: Any = None) -> bool:
    """The metric: the label is the right one."""
    return bool(row.label == prediction.label)


def main() -> None:
    """Evaluate, optimize, evaluate again."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--short", action="store_true", help="a smaller search")
    arguments.add_argument("--out", type=Path, help="where to save the program and the run (default: a new folder)")
    options = arguments.parse_args()
    out = options.out or Path(tempfile.mkdtemp(prefix="whet-demo-"))

    whet.configure(lm=whet.LM("embedded"))
    # A real model is one line away: whet.configure(lm=whet.LM("openai/gpt-4o-mini"))

    program = whet.Predict(Intent)
    evaluate = whet.Evaluate(devset=TEST, metric=right, display_progress=True)
    print(f"The task: {len({row.label for row in TRAIN})} intents, {len(TRAIN)} rows to learn from, {len(TEST)} rows kept aside.")
    print("The model: whet's embedded text reader (linear, no neural network, no key, no download).\n")
    before = evaluate(program)
    print(f"Before: {before.summary()}")

    optimizer = whet.BootstrapRS(
        metric=right,
        max_bootstrapped_demos=8,
        max_labeled_demos=48 if options.short else 96,
        num_candidate_programs=4 if options.short else 12,
        run_dir=out / "run",
    )
    better = optimizer.compile(program, trainset=TRAIN[:400], valset=TRAIN[400:])

    after = evaluate(better)
    print(f"After:  {after.summary()}")
    scores = [[row.score.value for row in result.rows if row.score is not None] for result in (before, after)]
    print(f"Row by row: {compare(*scores, names=('before', 'after')).verdict}")
    tell_of_the_search(better.run)
    keep(better, out)


def tell_of_the_search(run: Any) -> None:
    """What it cost, how it ended, what it changed."""
    print(f"\nThe search: {len(run.candidates)} candidates, {run.spend}; it ended: {run.stop_reason}.")
    changes = run.diff().splitlines()
    print(f"\nWhat changed in the prompt ({len(changes)} lines, the first 12 of them):")
    print("\n".join(line[:120] for line in changes[:12]))


def keep(better: Any, out: Path) -> None:
    """Save the program, and show that what is loaded answers the same."""
    better.save(out / "program.json")
    again = whet.Predict(Intent)
    again.load(out / "program.json")
    message = "My card still has not come in the mail"
    assert again(text=message).label == better(text=message).label
    print(f"\nAsked {message!r}, the saved program answers {again(text=message).label!r}.")
    print(f"Saved: {out / 'program.json'}\nJournal of the run: {out / 'run'}")


if __name__ == "__main__":
    main()
