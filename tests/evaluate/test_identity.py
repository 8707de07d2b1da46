"""Two programs or metrics that score differently are two, also where their code is one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.errors import StateError
from whet.evaluate import EM, F1, PairwiseJudge, RubricJudge
from whet.evaluate.identity import identity
from whet.evaluate.metrics import field_metric


def scoring(value: Any) -> Callable[..., Any]:
    def metric(row: Any, prediction: Any) -> Any:
        return value

    return metric


def scoring_by_default(value: Any) -> Callable[..., Any]:
    def metric(row: Any, prediction: Any, scored: Any = value) -> Any:
        return scored

    return metric


def at_least(threshold: float) -> Callable[..., Any]:
    def decorate(metric: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(metric)
        def decided(row: Any, prediction: Any) -> bool:
            return bool(metric(row, prediction) >= threshold)

        return decided

    return decorate


class Graded:
    def __init__(self, best: int) -> None:
        self.best = best
        self.calls = 0
        self.seen: list[Any] = []

    def __call__(self, row: Any, prediction: Any) -> float:
        self.calls += 1
        self.seen.append(row)
        return prediction.grade / self.best

    def loosely(self, row: Any, prediction: Any) -> bool:
        return self(row, prediction) > 0.5


class Reader(whet.Module):
    def __init__(self, k: int, **config: Any) -> None:
        super().__init__()
        self.k = k
        self.read = whet.Predict("question -> answer", **config)

    def forward(self, question: str) -> whet.Prediction:
        return self.read(question=question)


PAIRS = {
    "closure": lambda x: scoring(x),
    "default": lambda x: scoring_by_default(x),
    "decorator": lambda x: at_least(x)(scoring(1)),
    "attribute": lambda x: Graded(x),
    "method": lambda x: Graded(x).loosely,
    "keyword of a partial": lambda x: partial(scoring_by_default(1), scored=x),
    "number of a module": lambda x: Reader(x),
    "config of a predictor": lambda x: Reader(1, temperature=x / 10),
    "program in a closure": lambda x: scoring(Reader(x)),
    "field": lambda x: field_metric(F1, f"answer_{x}"),
    "measure": lambda x: field_metric((EM, F1)[x - 1]),
    "criterion": lambda x: RubricJudge({"kind": ("Is it kind?", "Is it clear?")[x - 1]}),
    "weights": lambda x: RubricJudge({"kind": "?", "clear": "?"}, weights={"kind": x}),
    "order": lambda x: PairwiseJudge(swap=x == 1),
}


@pytest.mark.parametrize("make", PAIRS.values(), ids=PAIRS)
def test_what_something_was_made_with_is_part_of_it(make: Callable[[int], Any]) -> None:
    assert identity(make(1)) == identity(make(1))
    assert identity(make(1)) != identity(make(2))


def test_what_changes_by_being_used_is_not() -> None:
    asked: list[int] = []
    count = 0

    def counting(n: int) -> int:
        nonlocal count
        count += 1
        asked.append(n)
        return n

    graded = Graded(5)
    before = identity(counting), identity(graded), identity(graded.loosely)
    counting(1)
    graded({}, whet.Prediction(grade=3))
    assert (identity(counting), identity(graded), identity(graded.loosely)) == before


def test_a_function_that_leads_to_itself_has_an_identity() -> None:
    def down(n: int) -> int:
        return down(n - 1) if n else 0

    assert identity(down) == identity(down)


def test_rows_that_another_threshold_judged_are_not_taken_up(tmp_path: Path) -> None:
    rows = [whet.Example(n=1).with_inputs("n")]
    run = tmp_path / "rows.jsonl"
    whet.Evaluate(devset=rows, metric=at_least(0.5)(scoring(0.6)), stream_to=run)(lambda n: n)
    with pytest.raises(StateError, match="its metric differ"):
        whet.Evaluate(devset=rows, metric=at_least(0.8)(scoring(0.6)), stream_to=run)(lambda n: n)


def test_failures_of_an_earlier_session_score_what_a_failure_scores_now(tmp_path: Path) -> None:
    def program(n: int) -> int:
        raise ValueError(n)

    rows = [whet.Example(n=n).with_inputs("n") for n in range(3)]
    evaluate = whet.Evaluate(devset=rows, metric=scoring(1), stream_to=tmp_path / "rows.jsonl")
    assert evaluate(program).score == 0.0
    assert evaluate(program, failure_score=-1.0).score == -100.0
