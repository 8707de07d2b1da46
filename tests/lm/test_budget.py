"""Caps hold under threads and tasks, nest, and say what was spent."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from whet.core.exchange import Choice, Request, Response, Usage
from whet.core.flow import Flow, Sleep, adrive, drive
from whet.core.messages import Message
from whet.errors import BudgetExceeded, ConfigurationError, LMServerError
from whet.lm.budget import Metered, budget, seconds_left
from whet.lm.cache import Cached
from whet.lm.facts import Price
from whet.lm.retry import Retrying
from whet.lm.store import CacheStore

PRICE = Price(input=1000.0, output=2000.0)  # 0.001 USD a token in, 0.002 out
HELLO = Request(messages=(Message("user", "Hello"),))


class Source:
    """Each call takes 10 tokens in and 5 out: 15 tokens, 0.02 USD."""

    def __init__(self, seconds: float = 0.0, fail: bool = False) -> None:
        self.seconds, self.fail, self.calls, self.lock = seconds, fail, 0, threading.Lock()

    def flow(self, request: Request) -> Flow[Response]:
        with self.lock:
            self.calls += 1
        yield Sleep(self.seconds)
        usage = Usage(input_tokens=10, output_tokens=5)
        if self.fail:
            raise LMServerError("down", status=500, usage=usage)
        return Response(choices=(Choice(text="x"),), usage=usage, cost=PRICE.cost(usage))


def ask(lm: Metered) -> Any:
    return drive(lm.flow(HELLO))


def test_calls_are_exact_under_64_threads() -> None:
    source = Source(0.001)
    lm = Metered(source, PRICE)
    with budget(calls=100) as purse, ThreadPoolExecutor(64) as pool:
        contexts = [contextvars.copy_context() for _ in range(300)]
        outcomes = list(pool.map(lambda c: c.run(attempt, lm), contexts))
    assert source.calls == 100 == purse.spent.calls
    assert sum(isinstance(outcome, BudgetExceeded) for outcome in outcomes) == 200


def attempt(lm: Metered) -> Any:
    try:
        return ask(lm)
    except BudgetExceeded as error:
        return error


@pytest.mark.parametrize(("limit", "one"), [({"usd": 1.0}, 0.02), ({"tokens": 1500}, 15)])
def test_money_and_tokens_overrun_by_no_more_than_what_is_in_flight(limit: dict[str, Any], one: float) -> None:
    source = Source(0.002)
    lm = Metered(source, PRICE)
    with budget(**limit) as purse, ThreadPoolExecutor(32) as pool:
        contexts = [contextvars.copy_context() for _ in range(500)]
        outcomes = list(pool.map(lambda c: c.run(attempt, lm), contexts))
    (name, cap), = limit.items()  # fmt: skip
    spent = getattr(purse.spent, name)
    assert 0.9 * cap <= spent <= cap + one  # what a call costs is known after the first ones, so it hardly overruns at all
    assert sum(isinstance(outcome, BudgetExceeded) for outcome in outcomes) == 500 - source.calls


def test_the_first_burst_overruns_by_at_most_one_call_each() -> None:
    source = Source(0.02)
    lm = Metered(source, PRICE)

    async def main() -> Any:
        with budget(usd=0.01) as purse:
            await asyncio.gather(*(adrive(lm.flow(HELLO)) for _ in range(8)))
        return purse

    purse = asyncio.run(main())
    assert purse.spent.usd == pytest.approx(8 * 0.02)
    assert source.calls == 8


def test_tasks_too() -> None:
    source = Source(0.001)
    lm = Metered(source, PRICE)

    async def main() -> int:
        with budget(calls=7):
            done = await asyncio.gather(*(adrive(lm.flow(HELLO)) for _ in range(20)), return_exceptions=True)
        return sum(isinstance(outcome, BudgetExceeded) for outcome in done)

    assert asyncio.run(main()) == 13
    assert source.calls == 7


def test_the_error_says_what_was_spent_and_what_was_allowed() -> None:
    lm = Metered(Source(), PRICE)
    with budget(usd=0.05):
        for _ in range(3):
            ask(lm)
        with pytest.raises(BudgetExceeded, match=r"budget of \$0\.05 is used up: \$0\.06 spent") as caught:
            ask(lm)
    assert caught.value.spent.usd == pytest.approx(0.06)
    assert caught.value.spent.calls == 3
    assert caught.value.limit.usd == 0.05


def test_money_without_a_price_is_refused_before_the_first_call() -> None:
    source = Source()
    with budget(usd=1.0), pytest.raises(ConfigurationError, match="'lab/x' is not known.*price="):
        ask(Metered(source, None, "lab/x"))
    with budget(calls=1):
        ask(Metered(source, None, "lab/x"))
    assert source.calls == 1


def test_budgets_nest() -> None:
    lm = Metered(Source(), PRICE)
    with budget(calls=5) as outer:
        with budget(calls=2) as inner:
            ask(lm), ask(lm)
            with pytest.raises(BudgetExceeded):
                ask(lm)
        with budget(calls=100) as wide:
            ask(lm), ask(lm), ask(lm)
            with pytest.raises(BudgetExceeded, match="budget of 5 calls"):
                ask(lm)
        assert (outer.spent.calls, inner.spent.calls, wide.spent.calls) == (5, 2, 3)
    ask(lm)


def test_seconds() -> None:
    lm = Metered(Source(), PRICE)
    assert seconds_left() is None
    with budget(seconds=0.05), budget(seconds=10):
        left = seconds_left()
        assert left is not None
        assert 0 < left <= 0.05
        ask(lm)
        time.sleep(0.06)
        with pytest.raises(BudgetExceeded, match="seconds"):
            ask(lm)


def test_failed_and_repeated_calls_are_paid() -> None:
    source = Source(fail=True)
    with budget(calls=2) as purse, pytest.raises(BudgetExceeded):
        drive(Retrying(Metered(source, PRICE), 5).flow(HELLO))
    assert source.calls == 2
    assert purse.spent.tokens == 30
    assert purse.spent.usd == pytest.approx(0.04)


def test_answers_from_the_cache_are_free() -> None:
    lm = Cached(Metered(Source(), PRICE), CacheStore(None), "m")
    with budget(calls=1) as purse:
        for _ in range(3):
            drive(lm.flow(HELLO))
    assert purse.spent.calls == 1


def test_a_cancelled_call_holds_nothing() -> None:
    lm = Metered(Source(10.0), PRICE)

    async def main() -> Any:
        with budget(calls=5) as purse:
            task = asyncio.create_task(adrive(lm.flow(HELLO)))
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return purse

    purse = asyncio.run(main())
    assert purse.spent.calls == 1
    assert purse._under_way == 0


def test_limits_that_make_no_sense() -> None:
    for limit in ({}, {"usd": -1}):
        with pytest.raises(ConfigurationError), budget(**limit):
            pass
    with budget(calls=0), pytest.raises(BudgetExceeded):
        ask(Metered(Source(), PRICE))
