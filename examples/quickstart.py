"""The quickstart: a typed program, evaluated on real text, optimized, and compared on rows the search never saw.

Run it with `make demo`. It needs no key: the model is whet's embedded one, a small linear text reader and no neural network.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Literal

import whet
from whet.cli import interruptible


def intent(rows: Sequence[whet.Example]) -> whet.Signature:
    """The step: a message in, one of the intents of these rows out."""
    label_of = Literal[tuple(sorted({row.label for row in rows}))]  # type: ignore[valid-type]

    class Intent(whet.Signature):
        """Name the intent of a bank customer's message."""

        text: str = whet.InputField(desc="what the customer wrote")
        label: label_of = whet.OutputField()

    return Intent


def right(row: whet.Example, prediction: whet.Prediction, trace: Any = None) -> bool:
    """The metric: the label is the right one."""
    return bool(row.label == prediction.label)


def main() -> None:
    """Evaluate, optimize, evaluate again."""
    short, out = options()
    train, test = (whet.datasets.load_bundled("banking77", part) for part in ("train", "test"))
    whet.configure(lm=whet.LM("embedded"))
    # A real model is one line away: whet.configure(lm=whet.LM("openai/gpt-4o-mini"))

    program = whet.Predict(intent(train))
    evaluate = whet.Evaluate(devset=test, metric=right, display_progress=True)
    print(f"The task: {len({row.label for row in train})} intents, {len(train)} rows to learn from, {len(test)} rows kept aside.")
    print("The model: whet's embedded text reader (linear, no neural network, no key, no download).\n")
    before = evaluate(program)
    print(f"Before: {before.summary()}")

    optimizer = whet.BootstrapRS(
        metric=right,
        max_bootstrapped_demos=8,
        max_labeled_demos=48 if short else 96,
        num_candidate_programs=4 if short else 12,
        run_dir=f"{out}/run",
        display_progress=True,
    )
    print(f"Searching; Ctrl-C ends it with the best so far. The journal: {out}/run")
    better = optimizer.compile(program, trainset=train[:400], valset=train[400:])

    after = evaluate(better)
    print(f"After:  {after.summary()}")
    print(f"Row by row: {whet.evaluate.compare(before, after, names=('before', 'after')).verdict}")
    tell_of_the_search(better.run)
    keep(better, out)


def options() -> tuple[bool, str]:
    """What the command line says: whether to search less, and the folder to save to."""
    import argparse  # noqa: PLC0415 - imported here, so that Ctrl-C ends it with one line from the first moment on
    import tempfile  # noqa: PLC0415 - the same

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--short", action="store_true", help="a smaller search")
    arguments.add_argument("--out", help="where to save the program and the run; a killed run goes on there (default: a new folder)")
    given = arguments.parse_args()
    return given.short, given.out or tempfile.mkdtemp(prefix="whet-demo-")


def tell_of_the_search(run: Any) -> None:
    """What it cost, how it ended, what it changed."""
    print(f"\nThe search: {len(run.candidates)} candidates, {run.spend}; it ended: {run.stop_reason}.")
    changes = run.diff().splitlines()
    print(f"\nWhat changed in the prompt ({len(changes)} lines, the first 12 of them):")
    print("\n".join(line[:120] for line in changes[:12]))


def keep(better: Any, out: str) -> None:
    """Save the program, and show that what is loaded answers the same."""
    better.save(f"{out}/program.json")
    again = whet.Predict(better.signature)
    again.load(f"{out}/program.json")
    message = "My card still has not come in the mail"
    assert again(text=message).label == better(text=message).label
    print(f"\nAsked {message!r}, the saved program answers {again(text=message).label!r}.")
    print(f"Saved: {out}/program.json\nJournal of the run: {out}/run")


if __name__ == "__main__":
    sys.exit(interruptible(main))
