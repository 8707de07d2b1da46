"""Caps hold under threads and tasks, nest, and say what was spent."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from whet.core.exchange import Choice, Request, Response, Usage
from whet.core.flow import Flow, Sleep, adrive, drive
from whet.core.messages import Message
from whet.errors import BudgetExceeded, ConfigurationError, LMServerError
from whet.lm.base import BaseLM
from whet.lm.budget import Metered, budget, seconds_left
from whet.lm.cache import Cached
from whet.lm.facts import Price
from whet.lm.retry import Retrying
from whet.lm.store import CacheStore
from whet.testing import StubServer

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


@pytest.mark.parametrize(("limit", "one"), [({"usd": 0.5}, 0.02), ({"tokens": 400}, 15)])
@pytest.mark.parametrize("longest", [None, 5])
def test_a_burst_of_tasks_waits_for_what_it_costs(limit: dict[str, Any], one: float, longest: int | None) -> None:
    source = Source(0.002)
    lm = Metered(source, PRICE)
    request = HELLO if longest is None else replace(HELLO, options={"max_tokens": longest})

    async def main() -> Any:
        with budget(**limit) as purse:
            return purse, await asyncio.gather(*(adrive(lm.flow(request)) for _ in range(200)), return_exceptions=True)

    purse, outcomes = asyncio.run(main())
    (name, cap), = limit.items()  # fmt: skip
    assert cap <= getattr(purse.spent, name) <= cap + one * 1.001
    assert sum(isinstance(outcome, BudgetExceeded) for outcome in outcomes) == 200 - source.calls
    assert [isinstance(outcome, BudgetExceeded) for outcome in outcomes] == [False] * source.calls + [True] * (200 - source.calls)


def test_where_there_is_plenty_nobody_waits() -> None:
    source = Source(0.2)
    lm = Metered(source, PRICE)

    async def main() -> float:
        started = time.monotonic()
        with budget(tokens=1_000_000, usd=2000):
            await asyncio.gather(*(adrive(lm.flow(HELLO)) for _ in range(100)))
        return time.monotonic() - started

    assert asyncio.run(main()) < 0.39


def test_whoever_gives_up_waiting_leaves_the_room_to_the_next() -> None:
    source = Source(0.05)
    lm = Metered(source, PRICE)

    async def main() -> Any:
        with budget(usd=0.05) as purse:
            tasks = [asyncio.create_task(adrive(lm.flow(HELLO))) for _ in range(6)]
            await asyncio.sleep(0.01)
            for task in (tasks[0], tasks[1], tasks[3]):
                task.cancel()
            return purse, await asyncio.gather(*tasks, return_exceptions=True)

    purse, outcomes = asyncio.run(main())
    assert [type(outcome).__name__ for outcome in outcomes] == ["CancelledError"] * 2 + ["Response", "CancelledError"] + ["Response"] * 2
    assert (purse.spent.calls, purse._under_way, purse._held_usd) == (4, 0, 0.0)


def test_an_outer_budget_that_refuses_gives_the_inner_ones_call_back() -> None:
    lm = Metered(Source(), PRICE)
    with budget(calls=1), budget(calls=5, usd=1) as inner:
        ask(lm)
        with pytest.raises(BudgetExceeded, match="budget of 1 calls"):
            ask(lm)
        assert (inner.spent.calls, inner._under_way, inner._held_usd) == (1, 0, 0.0)


def test_a_model_of_ones_own_that_asks_another_does_not_wait_for_itself() -> None:
    with StubServer() as stub:
        inner = stub.lm()

        class Around(BaseLM):
            def complete(self, request: Request) -> str:
                return str(inner(request.messages[-1].text)[0])

        lm = Around("around", cache=False)

        async def main() -> Any:
            with budget(tokens=100):
                return await asyncio.gather(*(lm.acall(f"q{i}") for i in range(20)), return_exceptions=True)

        outcomes = asyncio.run(asyncio.wait_for(main(), 20))
        assert all(isinstance(one, list | BudgetExceeded) for one in outcomes)
        assert stub.count == 6  # 19 tokens each


@pytest.mark.parametrize("asynchronous", [False, True])
def test_real_calls_side_by_side_stay_within_the_caps(asynchronous: bool) -> None:
    for limit, calls in (({"calls": 20}, 20), ({"tokens": 500}, 27), ({"usd": 0.5}, 27)):
        with StubServer(delay=0.01) as stub, budget(**limit):  # type: ignore[arg-type]
            lm = stub.lm(price=Price(input=1000.0, output=1000.0))

            async def main(lm: Any = lm) -> Any:
                return await asyncio.gather(*(lm.acall(f"q{i}") for i in range(100)), return_exceptions=True)

            if asynchronous:
                asyncio.run(main())
            else:
                contexts = [contextvars.copy_context() for _ in range(100)]
                with ThreadPoolExecutor(50) as pool:
                    list(pool.map(lambda pair: pair[1].run(attempted, lm, f"q{pair[0]}"), enumerate(contexts)))  # noqa: B023
            assert stub.count == calls


def attempted(lm: Any, question: str) -> Any:
    try:
        return lm(question)
    except BudgetExceeded as error:
        return error


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
    for limit in ({}, {"usd": -1}, {"calls": float("nan")}, {"tokens": "many"}, {"calls": True}):
        with pytest.raises(ConfigurationError), budget(**limit):
            pass
    with budget(calls=0), pytest.raises(BudgetExceeded):
        ask(Metered(Source(), PRICE))
