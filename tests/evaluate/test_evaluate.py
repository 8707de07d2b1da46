"""`Evaluate`: rows say what became of them; failures are no wrong answers; nothing hangs and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.errors import ConfigurationError, EvaluationError, LMAuthError, LMServerError
from whet.testing import ScriptedLM

ROWS = [whet.Example(n=i, label=i % 2 == 0).with_inputs("n") for i in range(20)]


def even(n: int) -> whet.Prediction:
    return whet.Prediction(label=n % 2 == 0)


def same(row: whet.Example, prediction: whet.Prediction, trace: Any = None) -> bool:
    return bool(row.label == prediction.label)


def test_score_results_and_interval() -> None:
    result = whet.Evaluate(devset=ROWS, metric=same, num_threads=1)(lambda n: whet.Prediction(label=n < 15 and n % 2 == 0))
    assert result.score == 90.0
    assert [score for _, _, score in result.results].count(0.0) == 2
    assert result.mean is not None
    assert result.mean.low < 0.9 < result.mean.high
    assert repr(result) == "EvaluationResult(score=90.0, results=<list of 20 results>)"


@pytest.mark.parametrize("threads", [1, 8])
def test_sync_and_async_threads_and_tasks_agree(threads: int) -> None:
    evaluate = whet.Evaluate(devset=ROWS, metric=same, num_threads=threads)
    assert [r.score for r in evaluate(even).rows] == [r.score for r in asyncio.run(evaluate.acall(even)).rows]


def test_an_async_metric_and_an_async_program() -> None:
    class Program(whet.Module):
        async def aforward(self, n: int) -> whet.Prediction:
            await asyncio.sleep(0)
            return even(n)

    async def metric(row: whet.Example, prediction: whet.Prediction) -> bool:
        await asyncio.sleep(0)
        return same(row, prediction)

    evaluate = whet.Evaluate(devset=ROWS[:4], metric=metric, num_threads=2)
    assert evaluate(Program()).score == asyncio.run(evaluate.acall(Program())).score == 100.0


def test_a_failing_program_is_a_row_with_the_failure_score() -> None:
    def program(n: int) -> whet.Prediction:
        if n == 3:
            raise ValueError("three")
        return even(n)

    result = whet.Evaluate(devset=ROWS, metric=same, num_threads=4)(program)
    assert result.score == 95.0
    (row,) = result.errors
    assert (row.index, row.status, str(row.error)) == (3, "program_error", "three")


def test_failures_of_the_network_are_no_wrong_answers() -> None:
    def answer(request: Any) -> Any:
        return LMServerError("down") if "[[ ## n ## ]]\n3" in request.messages[-1].text else {"label": False}

    program = whet.Predict("n: int -> label: bool")
    with whet.context(lm=ScriptedLM(answer)):
        result = whet.Evaluate(devset=[r for r in ROWS if not r.label], metric=same, num_threads=2, max_errors=9)(program)
    assert result.score == 100.0
    assert result.statuses == {"ok": 9, "infra_error": 1}
    assert result.mean is not None
    assert result.mean.n == 9


def test_a_hopeless_failure_ends_the_run_at_once() -> None:
    lm = ScriptedLM(lambda _: LMAuthError("bad key"))
    with whet.context(lm=lm), pytest.raises(LMAuthError):
        whet.Evaluate(devset=ROWS, metric=same, num_threads=1)(whet.Predict("n: int -> label: bool"))
    assert lm.calls == 1


def test_too_many_failures_end_the_run_with_what_was_finished() -> None:
    def program(n: int) -> whet.Prediction:
        if n >= 5:
            raise ValueError("no")
        return even(n)

    evaluate = whet.Evaluate(devset=ROWS, metric=same, num_threads=1, max_errors=3)
    with pytest.raises(EvaluationError, match="Execution cancelled due to errors or interruption") as caught:
        evaluate(program)
    assert len(caught.value.partial.rows) == 8
    assert evaluate.partial is caught.value.partial
    assert not caught.value.partial.complete


def test_a_metric_with_a_mistake_in_it_fails_on_the_first_example() -> None:
    lm = ScriptedLM(lambda _: {"label": True})
    with whet.context(lm=lm), pytest.raises(EvaluationError, match="metric `broken` failed on the first example: AttributeError"):

        def broken(row: whet.Example, prediction: whet.Prediction) -> bool:
            return bool(row.lable == prediction.label)

        whet.Evaluate(devset=ROWS, metric=broken, num_threads=1)(whet.Predict("n: int -> label: bool"))
    assert lm.calls == 1


@pytest.mark.parametrize("bad", [None, float("nan"), "good", {}, {"a": "b"}])
def test_a_metric_that_returns_no_score(bad: Any) -> None:
    with pytest.raises(EvaluationError, match="metric"):
        whet.Evaluate(devset=ROWS, metric=lambda row, pred: bad, num_threads=1)(even)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"devset": []}, "`devset` is empty"),
        ({"devset": [whet.Example(n=1)]}, "Inputs have not been set"),
        ({"metric": None}, "A metric is a function"),
        ({"metric": lambda: 1}, "A metric takes"),
        ({"metric": {1: same}}, "A metric is called 1; names are texts"),
        ({"metric": ROWS}, "A metric is a function .* got Example"),
        ({"devset": [whet.Example(n=1).with_inputs("number")]}, r"none of its inputs \(number\); it has: n"),
        ({"treads": 3}, "no argument `treads`"),
    ],
)
def test_mistakes_are_caught_before_anything_is_run(change: dict[str, Any], says: str) -> None:
    ran = []
    with pytest.raises(ValueError, match=says):
        whet.Evaluate(**{"devset": ROWS, "metric": same, **change})(lambda n: ran.append(n))
    assert ran == []


@pytest.mark.parametrize("run", ["thread", "loop"])
def test_one_example_that_never_ends_becomes_a_row(run: str) -> None:
    release, ended = threading.Event(), threading.Event()

    class Program(whet.Module):
        def forward(self, n: int) -> whet.Prediction:
            if n == 2:
                release.wait(60)
                ended.set()
            return even(n)

    evaluate = whet.Evaluate(devset=ROWS[:6], metric=same, num_threads=2, timeout=0.5)
    result = evaluate(Program()) if run == "thread" else asyncio.run(evaluate.acall(Program()))
    assert not ended.is_set()  # nobody waited for it
    release.set()
    assert [r.status for r in result.rows] == ["ok", "ok", "timeout", "ok", "ok", "ok"]


def test_ctrl_c_leaves_a_valid_partial_result(tmp_path: Any) -> None:
    def program(n: int) -> whet.Prediction:
        if n == 7:
            raise KeyboardInterrupt
        return even(n)

    evaluate = whet.Evaluate(devset=ROWS, metric=same, num_threads=1, save_as_json=tmp_path / "rows.json")
    with pytest.raises(KeyboardInterrupt):
        evaluate(program)
    assert evaluate.partial is not None
    assert len(evaluate.partial.rows) == 7
    assert evaluate.partial.mean is not None
    assert len(json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))) == 7


def test_rows_carry_tokens_cost_calls_and_latency() -> None:
    with whet.context(lm=ScriptedLM(lambda _: {"reasoning": "x", "label": True})):
        result = whet.Evaluate(devset=ROWS, metric=same, num_threads=4)(whet.ChainOfThought("n: int -> label: bool"))
    assert all(row.calls == 1 and row.tokens > 10 and row.cost == 0.0 and row.seconds > 0 for row in result.rows)
    assert result.calls == 20


def test_scores_of_every_kind() -> None:
    def metric(row: whet.Example, prediction: whet.Prediction) -> Any:
        return whet.Score(value=0.5, feedback="half", parts={"form": 1.0, "truth": 0.0})

    result = whet.Evaluate(devset=ROWS, metric=metric, num_threads=2)(even)
    assert result.score == 50.0
    assert result.parts["form"].value == 1.0
    assert "half" in result.table(rows=2)


def test_files_have_one_row_per_example(tmp_path: Any) -> None:
    result = whet.Evaluate(devset=ROWS[:3], metric=same, num_threads=1, save_as_csv=tmp_path / "r.csv", save_as_json=tmp_path / "r.json")(
        even
    )
    rows = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert rows[0]["example_label"] is True
    assert rows[0]["pred_label"] is True
    assert rows[0]["status"] == "ok"
    assert len((tmp_path / "r.csv").read_text(encoding="utf-8").splitlines()) == 4
    assert result.table().splitlines()[0].startswith("n")


ASYNC_UNTIL_INTERRUPTED = """
import asyncio, os, signal, sys, threading, whet

async def program(number):
    if number == 40:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)
    await asyncio.sleep(0.001)
    return number

rows = [whet.Example(number=i).with_inputs("number") for i in range(100)]
evaluate = whet.Evaluate(devset=rows, metric=lambda row, got: row.number == got, num_threads=4, timeout=30, save_as_json=sys.argv[1])
try:
    asyncio.run(evaluate.acall(program))
except KeyboardInterrupt:
    print("interrupted", evaluate.partial.complete, len(evaluate.partial.rows), evaluate.partial.score)
"""


def test_ctrl_c_in_async_code_leaves_a_valid_partial_result(tmp_path: Any) -> None:
    saved = tmp_path / "rows.json"
    command = [sys.executable, "-c", ASYNC_UNTIL_INTERRUPTED, str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    word, complete, count, score = done.stdout.split()
    assert (word, complete, score) == ("interrupted", "False", "100.0"), done.stderr
    assert 36 <= int(count) <= 43 and len(json.loads(saved.read_text())) == int(count)


@pytest.mark.parametrize(("asked", "ambient", "told"), [(True, False, 1), (None, True, 1), (None, False, 0), (False, True, 0)])
def test_a_traceback_of_what_failed_is_logged_where_it_is_asked_for(
    caplog: pytest.LogCaptureFixture, asked: bool | None, ambient: bool, told: int
) -> None:
    def fails(n: int) -> whet.Prediction:
        return even(1 // n)

    with whet.context(provide_traceback=ambient):
        result = whet.Evaluate(devset=ROWS[:2], metric=same, num_threads=1, provide_traceback=asked)(fails)
    assert [row.status for row in result.rows] == ["program_error", "ok"]
    logged = [record.getMessage() for record in caplog.records if record.name == "whet.evaluate.running"]
    assert len(logged) == told
    assert all("Example 0 failed: Traceback" in text and "return even(1 // n)" in text for text in logged)


def test_a_program_without_a_model_is_no_wrong_answer(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    evaluate = whet.Evaluate(devset=ROWS[:4], metric=same, num_threads=1, stream_to=file)
    program = whet.Predict("n: int -> label: bool")
    with whet.context(lm=None), pytest.raises(whet.ConfigurationError, match="No LM is loaded") as caught:
        evaluate(program)
    assert len(caught.value.partial.rows) == 1  # type: ignore[attr-defined]
    with whet.context(lm=ScriptedLM([{"label": True}] * 4)):  # nothing of the first try is taken for an answer, and nothing is in the way
        assert evaluate(program).score == 50.0


def test_a_mistake_in_one_row_ends_no_run() -> None:
    def picky(n: int) -> whet.Prediction:
        if n == 7:
            raise whet.ConfigurationError("no seventh model")
        return even(n)

    result = whet.Evaluate(devset=ROWS, metric=same, num_threads=1)(picky)
    assert dict(result.statuses) == {"ok": 19, "program_error": 1}


def test_failures_of_the_program_are_logged_once_with_the_first_of_them(caplog: pytest.LogCaptureFixture) -> None:
    def program(number: int) -> whet.Prediction:
        if number > 1:
            raise KeyError("nope\nnope")
        return whet.Prediction(answer="1")

    devset = [whet.Example(number=number).with_inputs("number") for number in range(5)]
    with caplog.at_level("WARNING", logger="whet"):
        whet.Evaluate(devset=devset, metric=lambda example, prediction: True, num_threads=1)(program)
        whet.Evaluate(devset=devset[:2], metric=lambda example, prediction: True)(program)
    [record] = caplog.records
    told = "3 of 5 rows failed (3 program_error); all are in `errors` of the result. Example 2: KeyError: 'nope\\nnope'"
    assert record.getMessage() == told


def test_an_argument_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="no argument `metrc`. Arguments that fit: callbacks, .*, metric, num_threads"):
        whet.Evaluate(devset=[], metrc=len)


class Doubles(whet.Module):
    def forward(self, number: int) -> int:
        return 2 * number


@pytest.mark.parametrize("program", [lambda number: 1, lambda: 1, Doubles(), lambda n, more: 1])
def test_a_program_that_takes_none_of_the_examples_is_no_wrong_answer(program: Any) -> None:
    """Each row would fail in the same way, and the score be 0."""
    with pytest.raises(ConfigurationError, match=r"cannot be called with the inputs of the first examples \(n\): .*argument"):
        whet.Evaluate(devset=ROWS, metric=same)(program)


def test_a_class_is_no_program_and_one_bad_row_no_bad_program() -> None:
    with pytest.raises(ConfigurationError, match=r"The program is the class `Doubles`; give an object of it: `Doubles\(...\)`"):
        whet.Evaluate(devset=ROWS, metric=same)(Doubles)
    devset = [whet.Example(number=1).with_inputs("number"), whet.Example(n=4).with_inputs("n")]
    result = whet.Evaluate(devset=devset, metric=lambda row, pred: pred == row.n)(lambda n: n)
    assert [row.status for row in result.rows] == ["program_error", "ok"]
