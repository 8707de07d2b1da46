"""What each optimizer does for two real tasks on the embedded model: Banking77 intents, and kinds of HotPotQA questions.

`python examples/optimizers/table.py --out docs/optimizers-measured.md` writes the table that the docs show. It needs no key and no network.
The embedded model follows demos and only the words of an instruction that it knows, so this shows that nothing is lost; how
much instructions gain with a large model it cannot show.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import whet
from whet.datasets import load_bundled
from whet.evaluate.comparison import compare


@dataclass(frozen=True, kw_only=True)
class Task:
    """A program, a metric with feedback, and rows to learn from, to judge by, and to measure on."""

    name: str
    program: Callable[[], Any]
    metric: Callable[..., Any]
    train: list[Any]
    val: list[Any]
    test: list[Any]


def intents(size: int) -> Task:
    """Banking77: which of its intents a message has."""
    rows, test = load_bundled("banking77"), load_bundled("banking77", "test")
    labels = Literal[tuple(sorted({row.label for row in rows}))]  # type: ignore[valid-type]
    signature = whet.Signature(
        {"text": (str, whet.InputField()), "label": (labels, whet.OutputField())}, "Name the intent of a message to a bank."
    )

    def metric(row: Any, prediction: Any, trace: Any = None) -> Any:
        right = float(row.label == prediction.label)
        return whet.Prediction(score=right, feedback="Right." if right else f"Wrong. Expected the label {row.label}.")

    name = "Banking77"
    return Task(
        name=name,
        program=lambda: whet.Predict(signature),
        metric=metric,
        train=rows[:size],
        val=rows[400 : 400 + size],
        test=test[: 2 * size],
    )


def kinds(size: int) -> Task:
    """HotPotQA: whether a question compares two things or leads from one to another."""
    rows, test = load_bundled("hotpotqa"), load_bundled("hotpotqa", "test")
    kind = Literal["bridge", "comparison"]
    signature = whet.Signature(
        {"question": (str, whet.InputField()), "type": (kind, whet.OutputField())}, "Say of which kind a question is."
    )

    def metric(row: Any, prediction: Any, trace: Any = None) -> Any:
        right = float(row.type == prediction.type)
        return whet.Prediction(score=right, feedback="Right." if right else f"Wrong. Expected {row.type}.")

    cut = min(size, len(rows) // 2)
    return Task(name="HotPotQA kinds", program=lambda: whet.Predict(signature), metric=metric, train=rows[:cut], val=rows[cut:], test=test)


def recipes(metric: Any) -> dict[str, Callable[[], Any]]:
    """One of each, small."""

    def strictly(row: Any, prediction: Any, trace: Any = None) -> Any:
        score = metric(row, prediction).score
        return score >= 1 if trace is not None else score

    lm = whet.settings.lm
    return {
        "LabeledFewShot": lambda: whet.LabeledFewShot(k=64),
        "BootstrapFewShot": lambda: whet.BootstrapFewShot(metric=strictly, max_labeled_demos=64),
        "BootstrapRS": lambda: whet.BootstrapRS(metric=strictly, max_labeled_demos=64, num_candidate_programs=6),
        "MIPROv2": lambda: whet.MIPROv2(metric=strictly, max_labeled_demos=64),
        "GEPA": lambda: whet.GEPA(metric=metric, max_metric_calls=200, reflection_lm=lm),
        "COPRO": lambda: whet.COPRO(metric=strictly, breadth=5, depth=2),
        "SIMBA": lambda: whet.SIMBA(metric=metric, bsize=16, max_steps=3, max_demos=16),
        "InferRules": lambda: whet.InferRules(metric=strictly, max_labeled_demos=64, num_candidates=4),
        "TextualGradient": lambda: whet.TextualGradient(metric=metric, max_steps=3),
        "auto": lambda: whet.Optimizer("auto", metric=metric, max_runs=250, max_demos=64),
    }


def measured(task: Task) -> list[str]:
    """One line of the table per optimizer: before, after, the paired difference on rows that no search saw, and what it took."""
    student = task.program()
    before = scores(student, task)
    lines = [f"| as given | {task.name} | {sum(before) / len(before):.3f} | | | | |"]
    for name, make in recipes(task.metric).items():
        optimizer, started = make(), time.monotonic()
        options = {} if name in ("LabeledFewShot", "BootstrapFewShot", "SIMBA", "COPRO") else {"valset": task.val}
        better = optimizer.compile(student, trainset=task.train, **options)
        seconds = time.monotonic() - started
        after = scores(better, task)
        effect = compare(before, after).effect
        spend = optimizer.run.spend
        changed = f"{effect.value:+.3f} | {effect.low:+.3f} to {effect.high:+.3f}"
        lines.append(
            f"| {name} | {task.name} | {sum(after) / len(after):.3f} | {changed} | {spend.calls + spend.cache_hits} | {seconds:.1f} |"
        )
    return lines


def scores(program: Any, task: Task) -> list[float]:
    """The score of each test row."""
    result = whet.Evaluate(devset=task.test, metric=task.metric)(program)
    return [0.0 if row.score is None else row.score.value for row in result.rows]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="the file to write (default: print only)")
    parser.add_argument("--size", type=int, default=100, help="rows to learn from and to judge by")
    options = parser.parse_args()
    whet.configure(lm=whet.LM("embedded"))
    tasks = [intents(options.size), kinds(options.size)]
    sizes = "; ".join(f"{t.name}: {len(t.train)} rows to learn from, {len(t.val)} to judge by, {len(t.test)} to measure on" for t in tasks)
    head = [
        "# What the optimizers do on the embedded model",
        "",
        f"Written by `examples/optimizers/table.py`. {sizes}. Differences are paired, with 95 % intervals, on rows that no search saw.",
        "",
        "| optimizer | task | score | difference | interval | model calls | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    text = "\n".join(head + [line for task in tasks for line in measured(task)]) + "\n"
    if options.out:
        old = options.out.read_text(encoding="utf-8") if options.out.exists() else ""
        options.out.write_text(old[: max(0, old.find(head[0]))] + text, encoding="utf-8")  # what bench_optimizers.py wrote stays
    print(text)


if __name__ == "__main__":
    main()
