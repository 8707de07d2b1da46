"""Caps hold, under many threads, and stopping is a result with a reason."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import sys
import threading
import time
from typing import Any

import pytest

import whet
from optimize.doubling import answer, exact, model, rows
from optimize.test_resume import CountingServer, server
from whet.core.exchange import Response
from whet.core.flow import Flow
from whet.errors import ConfigurationError, EvaluationError, LMAuthError, LMServerError
from whet.lm.base import BaseLM
from whet.optimize.budget import Spend
from whet.testing.scripted import ScriptedLM

__all__ = ["server"]  # a fixture


def compiled(lm: Any, **options: Any) -> Any:
    recipe = whet.BootstrapRS(metric=options.pop("metric", exact), **{"num_threads": 32, **options})
    with whet.context(lm=lm):
        return recipe.compile(whet.Predict("question -> answer"), trainset=rows(30), valset=rows(40, start=100)), recipe


@pytest.mark.parametrize("cap", [1, 7, 100, 250])
def test_calls_are_capped_under_32_threads(cap: int) -> None:
    lm = model(0.001)
    program, recipe = compiled(lm, max_calls=cap)
    assert cap <= lm.calls <= cap + 32
    assert recipe.run.stop_reason == "max_calls" and recipe.run.spend.calls == lm.calls
    assert isinstance(program, whet.Predict)


def test_tokens_are_capped() -> None:
    lm = model(0.001)
    _, recipe = compiled(lm, max_tokens=20_000)
    spend = recipe.run.spend
    assert recipe.run.stop_reason == "max_tokens"
    assert 10_000 <= spend.tokens <= 20_000 + 32 * 3 * spend.tokens / spend.calls


def test_seconds_are_capped() -> None:
    lm = model(0.03)  # one call after the other: without the cap it would be 8 seconds at least
    _, recipe = compiled(lm, max_seconds=1)
    assert recipe.run.stop_reason == "max_seconds"
    assert 0 < lm.calls < 134  # half of what 8 seconds of calls would be


def test_calls_that_the_cap_on_seconds_cuts_off_are_no_failures_of_the_server(server: CountingServer) -> None:
    server.seconds = 0.4
    lm = whet.LM("openai/counted", api_base=f"{server.url}/doubling/v1", api_key="k", cache=False)
    _, recipe = compiled(lm, max_seconds=0.7, max_errors=3)
    assert recipe.run.stop_reason == "max_seconds" and server.bodies.total() > 8
    with whet.budget(seconds=0.7):
        _, recipe = compiled(lm, max_errors=3)
    assert recipe.run.stop_reason == "max_seconds"


def test_the_line_says_how_long_it_will_take_at_most_without_a_cap_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    compiled(model(0.02), num_threads=4, display_progress=True)
    assert re.search(r"at most \d+ s left", sys.stderr.getvalue())  # type: ignore[attr-defined]


def test_money_without_a_price_is_refused_before_the_first_call() -> None:
    class Unpriced(BaseLM):
        def complete(self, request: Any) -> str:
            raise AssertionError("never asked")

    with pytest.raises(ConfigurationError, match="price"):
        compiled(Unpriced("mystery"), max_usd=0.01)


def test_a_cap_around_the_compilation_holds_too() -> None:
    lm = model(0.001)
    with whet.budget(calls=20):
        program, recipe = compiled(lm)
    assert recipe.run.stop_reason == "max_calls" and lm.calls <= 20
    assert program.demos is not None


def test_a_stopped_run_returns_the_best_so_far() -> None:
    whole, _ = compiled(model())
    program, recipe = compiled(model(), max_calls=330, num_threads=4)
    assert recipe.run.stop_reason == "max_calls"
    best = recipe.run.trial(recipe.run.best)
    assert best is not None and best.score is not None and program.demos
    assert len(recipe.run.trials) >= 5 and whole.demos


def test_ctrl_c_returns_the_best_so_far() -> None:
    lm = model(0.003)

    def interrupt() -> None:
        while lm.calls < 300:
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    program, recipe = compiled(lm, num_threads=4)
    assert recipe.run.stop_reason == "interrupted"
    assert program.demos and recipe.run.trials


class Flaky(BaseLM):
    """Fails for some rows, as a server does."""

    def __init__(self, error: Exception, every: int) -> None:
        super().__init__("flaky", cache=False, num_retries=0)
        self.inner, self.error, self.every, self.count = model(), error, every, 0

    def flow(self, request: Any, *, cache: Any = None) -> Flow[Response]:
        self.count += 1
        if self.count % self.every == 0:
            raise type(self.error)(str(self.error))
        return (yield from self.inner.flow(request))


def test_failures_of_the_server_are_no_wrong_answers() -> None:
    _, recipe = compiled(Flaky(LMServerError("down"), 60), num_threads=1, max_errors=30)
    unscored = [trial for trial in recipe.run.trials if None in trial.scores]
    assert unscored
    for trial in unscored:
        assert trial.score == pytest.approx(sum(trial.counted) / len(trial.counted))


def test_a_server_that_is_down_ends_the_search_soon() -> None:
    lm = Flaky(LMServerError("down"), 1)
    with pytest.raises((EvaluationError, LMServerError)):
        compiled(lm, num_threads=4)
    assert lm.count <= 10 + 4


def test_a_wrong_key_ends_it_at_once() -> None:
    lm = Flaky(LMAuthError("wrong key"), 1)
    with pytest.raises(LMAuthError):
        compiled(lm, num_threads=4)
    assert lm.count <= 4


def test_a_metric_that_breaks_later_is_said_and_not_scored() -> None:
    def moody(example: Any, prediction: Any, trace: Any = None) -> bool:
        if prediction.answer == "0" and trace is None:
            raise RuntimeError("moody")
        return exact(example, prediction)

    with pytest.raises(EvaluationError, match="moody"):
        compiled(model(), metric=moody, max_errors=5)


class SlowOnce(ScriptedLM):
    """A model whose twentieth answer is there some time after the next question."""

    def __init__(self) -> None:
        super().__init__(answer)
        self.next_one = threading.Event()

    def complete(self, request: Any) -> Any:
        response = super().complete(request)
        number = self.calls
        if number > 20:
            self.next_one.set()
        if number == 20:
            assert self.next_one.wait(60), "the late work was not started a second time"
        time.sleep(0.3 if number == 20 else 0.03)
        return response


class TwoWaves(whet.Optimizer):
    """Waits for one wave of rows, so that places are idle while the last one is late, and then runs another."""

    def steps(self, search: Any, **options: Any) -> Any:
        yield search.scores(search.baseline, search.train)
        yield search.scores(search.baseline, search.val)
        return search.baseline


def test_a_work_that_was_started_twice_is_on_the_books_twice(tmp_path: Any) -> None:
    def run(lm: Any) -> Any:
        recipe = TwoWaves(metric=exact, num_threads=4, run_dir=tmp_path)
        with whet.context(lm=lm):
            recipe.compile(whet.Predict("question -> answer"), trainset=rows(20), valset=rows(120, start=100))
        return recipe.run.spend

    lm, again = SlowOnce(), SlowOnce()
    spent = run(lm)
    assert spent.calls == lm.calls > 140  # on a busy machine others are late too, and are started again
    assert run(again).calls == spent.calls and again.calls == 0


@pytest.mark.parametrize(("usd", "money"), [(None, "price unknown"), (0.0, "$0.00"), (0.0123, "$0.0123"), (1234.5, "$1,234.50")])
def test_what_was_spent_reads_as_people_write_it(usd: float | None, money: str) -> None:
    assert str(Spend(calls=1674, tokens=5735117, usd=usd, seconds=3.27)) == f"1,674 calls, 5,735,117 tokens, {money}, 3.3 s"


@pytest.mark.parametrize("cap", ["max_calls", "max_tokens", "max_usd", "max_seconds"])
def test_a_cap_that_is_no_number_is_refused(cap: str) -> None:
    lm = model()
    with whet.context(lm=lm), pytest.raises(ConfigurationError, match=f"`{cap}` is nan; give a number above 0"):
        whet.BootstrapRS(metric=exact, **{cap: float("nan")}).compile(whet.Predict("question -> answer"), trainset=rows(9))
    assert lm.calls == 0


class Leaves(whet.Optimizer):
    """Ends once one row is done; the others are under way: in the model, in the metric, or about to make a second call."""

    def steps(self, search: Any) -> Any:
        waiting = search.scores(search.baseline, search.val[1:])
        first = yield search.score(search.baseline, search.val[0])
        assert first.value == 1.0 and not any(handle.done for handle in waiting)
        return search.baseline


class Twice(whet.Module):
    """Asks again where the question wants it."""

    def __init__(self, wait: threading.Event) -> None:
        self.ask = whet.Predict("question -> answer")
        self.wait = wait

    def forward(self, question: str) -> Any:
        found = self.ask(question=question)
        if "again" in question:
            LEFT.release()
            self.wait.wait(20)
            return self.ask(question=question)
        return found


LEFT = threading.Semaphore(0)


@pytest.mark.parametrize("drives", ["threads", "loop"])
def test_what_is_left_behind_is_counted_once_and_asks_no_more(drives: str) -> None:
    go, loop = threading.Event(), asyncio.new_event_loop()
    ended: list[str] = []

    def slowly(request: Any) -> Any:
        if "slow" in request.messages[-1].text:
            LEFT.release()
            go.wait(20)
        return {"answer": "yes"}

    def metric(row: Any, prediction: Any, trace: Any = None) -> bool:
        if "rated" in row.question:
            LEFT.release()
            go.wait(20)
        elif "first" in row.question:
            for _ in range(3):
                assert LEFT.acquire(timeout=20)
        ended.append(row.question)
        return True

    class Open(ScriptedLM):  # answers side by side
        def complete(self, request: Any) -> Response:
            self.requests.append(request)
            return Response(choices=(self._choice(slowly(request)),))

    lm = Open(slowly)
    val = [whet.Example(question=question).with_inputs("question") for question in ("first", "slow", "rated", "again")]
    recipe = Leaves(metric=metric, num_threads=4)
    program = Twice(go)
    program.deepcopy = lambda: program  # type: ignore[method-assign] - an event cannot be copied
    with whet.context(lm=lm):
        if drives == "threads":
            recipe.compile(program, trainset=val, valset=val)
        else:
            loop.run_until_complete(recipe.acompile(program, trainset=val, valset=val))
    assert recipe.run.spend.calls == lm.calls == 4
    go.set()
    until = time.monotonic() + 5
    while "rated" not in ended and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.05)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert lm.calls == 4, "the second call of a run that nobody waits for is not made"
