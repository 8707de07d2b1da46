"""`ObjectiveSearch`: rounds, repeats, noise, failures, what it spends."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

import whet
from whet.errors import ConfigurationError, EvaluationError, InputError
from whet.optimize import ObjectiveSearch
from whet.testing import ScriptedLM


def program(instructions: str) -> whet.Predict:
    return whet.Predict(whet.Signature("question -> answer", instructions))


def worth(candidate: Any) -> int:
    return len(candidate.signature.instructions)


POOL = [program("x" * size) for size in (3, 9, 5, 7)]


def test_the_best_of_all_wins_and_each_is_asked_once_where_nothing_is_noisy() -> None:
    asked: list[int] = []
    search = ObjectiveSearch(lambda p: asked.append(worth(p)) or worth(p), POOL, noisy=False)
    best = search.compile(program("y"), trainset=[])
    assert best.signature.instructions == "x" * 9
    assert sorted(asked) == [1, 3, 5, 7, 9]
    assert [entry["score"] for entry in best.candidate_programs] == [9, 7, 5, 3, 1]


def test_noise_is_averaged_away_by_giving_the_better_half_more() -> None:
    wins, evaluations = 0, []
    for seed in range(10):

        def noisy(p: Any, repeat: int, seed: int = seed) -> float:
            return worth(p) + Random(f"{seed} {repeat} {worth(p)}").gauss(0, 1.5)

        best = ObjectiveSearch(noisy, POOL, max_evaluations=14).compile(program("y"), trainset=[])
        wins += worth(best) == 9
        evaluations.append(sum(len(entry["subscores"]) for entry in best.candidate_programs))
    assert wins >= 8 and set(evaluations) == {14}


def test_an_optimizer_or_a_function_may_make_the_candidates() -> None:
    rows = [whet.Example(question="q", answer="a").with_inputs("question")]
    made = ObjectiveSearch(lambda p: len(p.demos), whet.LabeledFewShot(k=1)).compile(program("y"), trainset=rows)
    assert made.demos == []  # that optimizer evaluates nothing, so it has no candidates to offer
    taken = ObjectiveSearch(lambda p: len(p.demos), lambda student, rows: [whet.LabeledFewShot(k=1).compile(student, trainset=rows)])
    assert len(taken.compile(program("y"), trainset=rows).demos) == 1


def test_calls_inside_of_the_objective_are_counted_and_capped() -> None:
    rows = [whet.Example(question=str(i), answer="a").with_inputs("question") for i in range(5)]
    evaluate = whet.Evaluate(devset=rows, metric=lambda row, pred: row.answer == pred.answer)
    with whet.context(lm=ScriptedLM(lambda request: {"answer": "a"})):
        best = ObjectiveSearch(evaluate.objective(), POOL, noisy=False).compile(program("y"), trainset=[])
        capped = ObjectiveSearch(evaluate.objective(), POOL, noisy=False, max_calls=12, num_threads=1).compile(program("y"), trainset=[])
    assert best.run.spend.calls == 25
    assert capped.run.stop_reason == "max_calls" and capped.run.spend.calls <= 15


def test_a_candidate_that_fails_is_out_and_all_failing_is_an_error() -> None:
    def fussy(p: Any) -> float:
        if worth(p) == 9:
            raise ValueError("too long")
        return worth(p)

    best = ObjectiveSearch(fussy, POOL).compile(program("y"), trainset=[])
    assert worth(best) == 7 and any("too long" in decision.reason for decision in best.run.decisions)
    with pytest.raises(EvaluationError, match="failed for every candidate"):
        ObjectiveSearch(lambda p: 1 / 0, POOL).compile(program("y"), trainset=[])


WRONG: list[tuple[Any, dict[str, Any], type[Exception]]] = [
    ("f1", {}, ConfigurationError),
    (worth, {"max_evaluations": 0}, ConfigurationError),
    (worth, {"max_evaluations": 2}, ConfigurationError),
    (lambda p: None, {}, InputError),
    (lambda p: float("nan"), {}, InputError),
]


@pytest.mark.parametrize(("objective", "options", "error"), WRONG)
def test_what_cannot_work_says_why(objective: Any, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        ObjectiveSearch(objective, POOL, **options).compile(program("y"), trainset=[])
