"""Which errors are tried again, when, how often, and what the outcome says about it."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

from whet.core.context import context
from whet.core.exchange import Choice, Request, Response, Usage
from whet.core.flow import Flow, Sleep, adrive, drive
from whet.core.messages import Message
from whet.errors import (
    BudgetExceeded,
    ContextWindowExceededError,
    LMAuthError,
    LMBillingError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
    LMUnsupportedModelError,
)
from whet.lm.budget import budget
from whet.lm.limit import Limiter
from whet.lm.retry import Retrying
from whet.lm.store import CacheStore
from whet.testing import StubServer

HELLO = Request(messages=(Message("user", "Hello"),))
ANSWER = Response(choices=(Choice(text="x"),), usage=Usage(input_tokens=3), cost=1.0)


class Script:
    """Raises what it is told to, then answers."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors, self.calls = list(errors), 0

    def flow(self, request: Request) -> Flow[Response]:
        yield from ()
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return ANSWER


def pauses(lm: Retrying) -> tuple[list[float], Any]:
    """Hand-feeds a flow; its pauses and its outcome."""
    flow, slept = lm.flow(HELLO), []
    try:
        while True:
            effect = flow.send(None)
            assert isinstance(effect, Sleep)
            slept.append(effect.seconds)
    except StopIteration as stop:
        return slept, stop.value
    except LMError as error:
        return slept, error


def servers(count: int) -> list[LMServerError]:
    return [LMServerError("down", status=503) for _ in range(count)]


@pytest.mark.parametrize(
    "error", [LMRateLimitError(status=429), LMTimeoutError(), LMServerError(), LMTransportError(), LMInvalidRequestError(status=409)]
)
def test_what_may_pass_is_tried_again(error: LMError) -> None:
    script = Script(error)
    _, outcome = pauses(Retrying(script))
    assert outcome.attempts == script.calls == 2


@pytest.mark.parametrize(
    "error",
    [
        LMAuthError(),
        LMBillingError(),
        LMInvalidRequestError(status=400),
        ContextWindowExceededError(),
        LMUnsupportedModelError(),
        LMUnexpectedError(),
        LMRateLimitError(provider_code="insufficient_quota", status=429),
        LMTransportError("lost", streamed=True),
    ],
)
def test_what_will_not_is_not(error: LMError) -> None:
    script = Script(error)
    slept, outcome = pauses(Retrying(script))
    assert (slept, outcome, script.calls, outcome.attempts) == ([], error, 1, 1)


def test_other_errors_pass_through() -> None:
    with pytest.raises(BudgetExceeded):
        drive(Retrying(Script(BudgetExceeded("used up"))).flow(HELLO))


@pytest.mark.parametrize("num_retries", [0, 1, 3])
def test_num_retries_are_additional(num_retries: int) -> None:
    script = Script(*servers(10))
    slept, error = pauses(Retrying(script, num_retries))
    assert script.calls == num_retries + 1 == error.attempts
    assert len(slept) == num_retries


def test_the_pauses_are_random_below_a_doubling_ceiling() -> None:
    slept, _ = pauses(Retrying(Script(*servers(12)), 12, rng=random.Random(1)))
    ceilings = [min(30.0, 0.5 * 2**i) for i in range(12)]
    assert all(0 <= pause <= ceiling for pause, ceiling in zip(slept, ceilings, strict=True))
    assert len(set(slept)) == 12
    assert slept == pauses(Retrying(Script(*servers(12)), 12, rng=random.Random(1)))[0]
    assert sum(slept) > 0.25 * sum(ceilings)


def test_what_the_provider_says_is_waited_for() -> None:
    slept, _ = pauses(Retrying(Script(LMRateLimitError(status=429, retry_after=7.0), LMServerError(status=503, retry_after=0.0))))
    assert 7.0 <= slept[0] <= 7.7
    assert len(slept) == 1  # 0 s is no pause


def test_too_long_a_wait_is_the_callers_decision() -> None:
    slept, error = pauses(Retrying(Script(LMRateLimitError(status=429, retry_after=3600.0))))
    assert (slept, error.retry_after, error.attempts) == ([], 3600.0, 1)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_deadline_and_a_budgets_seconds_are_not_passed_by_waiting(asynchronous: bool) -> None:
    def ask(lm: Any) -> Any:
        return asyncio.run(lm.acall("x")) if asynchronous else lm("x")

    with StubServer(faults=["429:9", None, "429:9"]) as stub:
        started = time.monotonic()
        with pytest.raises(LMRateLimitError, match="asked to wait 9 s"):  # it is no use to wait
            ask(stub.lm(num_retries=3, deadline=0.3))
        with pytest.raises(LMTimeoutError, match="deadline of 0.3 s, waiting for a turn"):
            ask(stub.lm(num_retries=3, deadline=0.3))
        with budget(seconds=0.3), pytest.raises(BudgetExceeded, match="budget of 0.3 seconds"):
            ask(stub.lm(num_retries=0))
        assert time.monotonic() - started < 3
        assert stub.count == 1


def test_a_deadline_covers_all_tries_at_the_socket() -> None:
    with StubServer(faults=["500"] * 9, delay=0.2) as stub:
        started = time.monotonic()
        with pytest.raises((LMTimeoutError, LMServerError)):
            stub.lm(num_retries=9, deadline=0.5)("x")
        assert time.monotonic() - started < 0.8


def test_who_waits_for_an_equal_call_waits_as_long_as_its_own_time() -> None:
    with StubServer(delay=1.0) as stub:
        lm = stub.lm(cache=True)

        async def hurried() -> Any:
            with budget(seconds=0.2):
                return await lm.acall("same")

        async def main() -> Any:
            first = asyncio.create_task(lm.acall("same"))
            await asyncio.sleep(0.05)
            started = time.monotonic()
            with pytest.raises(BudgetExceeded, match="seconds"):
                await hurried()
            assert time.monotonic() - started < 0.6
            return await first

        with context(cache=CacheStore(None)):
            assert asyncio.run(main()) == ["Hello from the stub server"]


def test_a_deadline_ends_it() -> None:
    slept, error = pauses(Retrying(Script(LMRateLimitError(status=429, retry_after=7.0)), deadline=5.0))
    assert (slept, error.attempts) == ([], 1)
    assert pauses(Retrying(Script(LMRateLimitError(status=429, retry_after=7.0)), deadline=60.0))[1].attempts == 2


def test_a_paced_model_waits_by_itself_after_rate_limits_only() -> None:
    assert pauses(Retrying(Script(LMRateLimitError(status=429, retry_after=7.0)), limiter=Limiter()))[0] == []
    assert len(pauses(Retrying(Script(LMServerError(retry_after=7.0)), limiter=Limiter()))[0]) == 1


def test_usage_and_cost_of_all_attempts_are_told() -> None:
    failed = LMServerError("after some tokens", usage=Usage(input_tokens=10), cost=2.0)
    _, answer = pauses(Retrying(Script(failed)))
    assert (answer.usage.input_tokens, answer.cost, answer.attempts) == (13, 3.0, 2)
    _, error = pauses(Retrying(Script(failed, LMServerError(usage=Usage(input_tokens=1), cost=0.5), LMAuthError())))
    assert (error.usage.input_tokens, error.cost, error.attempts) == (11, 2.5, 3)


def test_a_first_answer_is_handed_on_as_it_is() -> None:
    assert pauses(Retrying(Script()))[1] is ANSWER


def test_it_waits_for_real_in_both_worlds() -> None:
    def lm() -> Retrying:
        return Retrying(Script(*servers(2)), rng=random.Random(3))

    assert drive(lm().flow(HELLO)).attempts == 3
    assert asyncio.run(adrive(lm().flow(HELLO))).attempts == 3


class Unlucky:
    """Turns this one call away each time; `others` are answered meanwhile."""

    def __init__(self, limiter: Limiter, others: bool) -> None:
        self.limiter, self.others, self.asked = limiter, others, 0

    def flow(self, request: Request) -> Flow[Response]:
        self.asked += 1
        if self.others:
            self.limiter.leave(self.limiter.enter(1), 1)
        raise LMRateLimitError(status=429)
        yield


@pytest.mark.parametrize(("others", "num_retries", "asked"), [(False, 3, 4), (True, 3, 34), (True, 0, 1)])
def test_a_refusal_counts_only_where_nobody_is_answered(others: bool, num_retries: int, asked: int) -> None:
    limiter = Limiter()
    model = Unlucky(limiter, others)
    with pytest.raises(LMRateLimitError) as caught:
        drive(Retrying(model, num_retries, limiter=limiter).flow(HELLO))
    assert model.asked == caught.value.attempts == asked
