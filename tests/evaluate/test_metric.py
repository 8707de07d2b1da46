"""Which arguments a metric is given."""

from __future__ import annotations

import asyncio
import threading
import time
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import pytest

import whet
from whet.core.flow import drive
from whet.errors import ConfigurationError, InputError
from whet.evaluate.judges import SemanticF1
from whet.evaluate.metric import metric_call
from whet.evaluate.metrics.answers import answer_exact_match
from whet.evaluate.stream import load_run


def two(example: Any, pred: Any) -> bool:
    return True


def with_trace(example: Any, pred: Any, trace: Any = None) -> bool:
    return True


def with_option(example: Any, pred: Any, trace: Any = None, strictness: float = 1.0) -> bool:
    return True


def five(gold: Any, pred: Any, trace: Any, pred_name: Any, pred_trace: Any) -> bool:
    return True


def five_defaults(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> bool:
    return True


CASES = [(two, 0), (with_trace, 1), (with_option, 1), (five, 3), (five_defaults, 3), (answer_exact_match, 1)]


@pytest.mark.parametrize(("metric", "extra"), CASES)
def test_an_option_of_the_metric_keeps_its_default(metric: Any, extra: int) -> None:
    assert metric_call(metric).extra == extra


def test_a_metric_that_blocks_never_holds_up_an_event_loop() -> None:
    """Quick metrics run on the loop (a thread each would cost more than the rest), slow ones beside it."""
    rows = [whet.Example(n=i).with_inputs("n") for i in range(40)]
    threads: list[int] = []

    class Program(whet.Module):
        async def aforward(self, n: int) -> whet.Prediction:
            await asyncio.sleep(0)
            return whet.Prediction(n=n)

    def quick(row: Any, prediction: Any) -> bool:
        threads.append(threading.get_ident())
        return True

    def slow(row: Any, prediction: Any) -> bool:
        threads.append(threading.get_ident())
        time.sleep(0.01)
        return True

    asyncio.run(whet.Evaluate(devset=rows, metric=quick, num_threads=4).acall(Program()))
    assert threads.count(threading.get_ident()) >= 30
    threads.clear()
    asyncio.run(whet.Evaluate(devset=rows, metric=slow, num_threads=4).acall(Program()))
    assert threading.get_ident() not in threads


def test_many_rows_at_once_start_few_threads_for_a_metric_that_is_not_known_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whet.evaluate.metric.QUICK_SECONDS", 60.0)  # so that a busy machine makes nothing slow
    rows = [whet.Example(n=n).with_inputs("n") for n in range(200)]
    threads: set[int] = set()

    def metric(example: Any, pred: Any) -> bool:
        threads.add(threading.get_ident())
        time.sleep(0.002)
        return True

    async def program(n: int) -> int:
        await asyncio.sleep(0.01)
        return n

    result = asyncio.run(whet.Evaluate(devset=rows, metric=metric, num_threads=200).acall(program))
    assert result.score == 100.0
    assert len(threads) < 20


def test_trust_in_a_metric_survives_a_hiccup_and_no_long_wait() -> None:
    call = metric_call(two)
    for _ in range(20):
        call._learn(0.0, 1000)
    call._learn(0.02, 1000)
    assert call._trust == 10  # still called where it is
    call._learn(1.0, 1000)
    assert call._trust == -1000
    call._learn(1.0, 1000)
    assert call._trust == -1000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_score_is_finite_and_so_are_its_parts(value: float) -> None:
    for result in (value, {"score": value}, whet.Score(value=value), whet.Score(value=1.0, parts={"p": value}), {"score": 1, "p": value}):
        with pytest.raises(InputError, match="Return a finite number"):
            whet.Score.of(result)


@pytest.mark.parametrize(
    "result", [None, "yes", (1, "why"), {"score": None}, 10**400, {}, {"a": "text"}, {"score": 1, "parts": {"p": "text"}}]
)
def test_what_is_no_score_is_shown(result: Any) -> None:
    with pytest.raises(InputError, match="A metric (must return|returned a dict without)"):
        whet.Score.of(result)


def test_a_mapping_with_a_score_keeps_its_other_numbers_as_parts() -> None:
    judged = whet.Prediction(score=0.5, precision=1, recall=0.25, sure=True, feedback="half", why="text")
    assert whet.Score.of(judged) == whet.Score(value=0.5, feedback="half", parts={"precision": 1.0, "recall": 0.25, "sure": 1.0})
    assert whet.Score.of({"a": 0.5, "b": True, "feedback": "so so"}) == whet.Score(value=0.75, feedback="so so", parts={"a": 0.5, "b": 1.0})


def test_numbers_of_any_library_become_plain_ones(tmp_path: Any) -> None:
    """A file cannot hold a float of numpy or a Decimal."""
    numpy = pytest.importorskip("numpy")
    for value in (numpy.float32(0.5), Decimal("0.5"), Fraction(1, 2)):
        expected = whet.Score(value=0.5, parts={"p": 0.5})
        for result in (whet.Score(value=value, parts={"p": value}), {"score": value, "p": value}, {"p": value}):
            score = whet.Score.of(result)
            assert score == expected
            assert type(score.value) is type(score.parts["p"]) is float
    rows = [whet.Example(n=1).with_inputs("n")]
    run = tmp_path / "rows.jsonl"
    whet.Evaluate(devset=rows, metric=lambda row, pred: whet.Score(value=numpy.float32(0.5)), stream_to=run)(lambda n: n)
    assert load_run(run).score == 50.0


def test_a_wrapper_gets_the_arguments_that_there_are() -> None:
    """What wraps a metric of two arguments cannot be given an empty third; what wraps one of three gets the trace where there is one."""

    def wrapper(*args: Any, **options: Any) -> bool:
        given.append(args)
        return True

    given: list[Any] = []
    call = metric_call(wrapper)
    for trace, step in ((None, None), ("trace", None), (None, "step")):
        drive(call.flow("row", "prediction", trace, step))
    assert given == [("row", "prediction"), ("row", "prediction", "trace"), ("row", "prediction", None, "step")]


def test_a_metric_that_cannot_be_called_is_found_before_the_first_call() -> None:
    def strict(example: Any, pred: Any, *, strictness: float) -> bool:
        return True

    with pytest.raises(ConfigurationError, match=r"partial\(metric, strictness=\.\.\.\)"):
        metric_call(strict)
    with pytest.raises(ConfigurationError, match=r"give an object of it: `SemanticF1\(\)`"):
        metric_call(SemanticF1)


def test_a_metric_without_a_name_of_its_own_has_one_in_tables() -> None:
    def exact(row: Any, pred: Any, share: float = 1.0) -> float:
        return share * float(row.label == pred)

    assert metric_call(lambda row, pred: True).column == "metric"
    assert metric_call(partial(exact, share=0.5)).column == "exact"
    rows = [whet.Example(text="a", label="a").with_inputs("text")]
    result = whet.Evaluate(devset=rows, metric=[lambda row, pred: row.label == pred, exact])(lambda text: text)
    assert dict(result.rows[0].score.parts) == {"metric": 1.0, "exact": 1.0}
