"""GRPO: the model answers each row several times and learns from which answers a checkable reward rates above the others. No labels shown.

python examples/weights/grpo.py                                     # the embedded model, three seeds
python examples/weights/grpo.py --lm local:/models/smollm --rows 64      # a local model: its sampling and training are slower
"""

from __future__ import annotations

import argparse
import random
from typing import Any, Literal

import report

import whet
from whet.datasets import load_bundled


def reward(example: Any, prediction: Any, trace: Any = None) -> bool:
    """1 for the right intent, else 0."""
    return bool(example.label == prediction.label)


def main() -> None:
    """Measure, print, and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lm", default="embedded")
    options.add_argument("--rows", type=int, default=200)
    options.add_argument("--steps", type=int, default=4)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--write", action="store_true", help="put the table into docs/weights.md")
    given = options.parse_args()
    report.own_home()
    whet.configure(lm=whet.LM(given.lm))
    pool, test = load_bundled("banking77"), load_bundled("banking77", "test")
    intents = tuple(sorted({row.label for row in pool}))
    classify = whet.Predict(whet.Signature("text -> label").with_updated_fields("label", type_=Literal[intents]))
    judge = whet.Evaluate(devset=test, metric=reward, num_threads=4)
    results: dict[str, list[list[float]]] = {"as it is": [], "GRPO": []}
    seconds = {"as it is": 0.0, "GRPO": 0.0}
    for seed in range(given.seeds):
        rows = random.Random(seed).sample(pool, given.rows + 100)
        clock = report.Clock()
        optimizer = whet.GRPO(reward, num_train_steps=given.steps, rows_per_step=given.rows // 2, group_size=8, seed=seed, num_threads=4)
        trained = optimizer.compile(classify, trainset=rows[: given.rows], valset=rows[given.rows :])
        seconds["GRPO"] += clock() / given.seeds
        for name, program in (("as it is", classify), ("GRPO", trained)):
            results[name].append([float(row.score.value) for row in judge(program).rows])
            print(f"seed {seed}, {name}: {100 * sum(results[name][-1]) / len(test):.1f} %", flush=True)
    heading = f"Banking77, 20 intents, accuracy in % on {len(test)} test rows, learnt from rewards only."
    note = f"Model `{given.lm}`, {given.rows} rows, {given.steps} steps of groups of 8 answers, 100 rows to choose by, {given.seeds} seeds."
    text = report.table(heading, results, seconds, note)
    print(text)
    if given.write:
        report.write("grpo", text)


if __name__ == "__main__":
    main()
