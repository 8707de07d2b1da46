"""What one call costs, counted in Python function calls: the same on every machine, unlike microseconds. These ceilings only go down."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import whet

# What was counted when the ceiling was set, plus a little room for the versions of Python.
SYNC_CALLS = 105
ASYNC_CALLS = 110


class Instant(whet.BaseLM):
    """A model that answers at once."""

    def complete(self, request: Any) -> str:
        """The same answer to everything."""
        return "[[ ## answer ## ]]\nfour\n\n[[ ## completed ## ]]"


class AsyncInstant(whet.BaseLM):
    """The same, as a coroutine."""

    async def complete(self, request: Any) -> str:
        """The same answer to everything."""
        return Instant.complete(self, request)  # type: ignore[arg-type]


def counter(calls: Counter[str]) -> Callable[[Any, str, Any], None]:
    """A profiler that counts Python functions."""

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            calls[f"{frame.f_code.co_filename.rpartition('/whet/')[2]}:{frame.f_code.co_qualname}"] += 1

    return note


def counted(work: Callable[[], object]) -> Counter[str]:
    """How often each Python function was called while `work` ran."""
    calls: Counter[str] = Counter()
    gc.collect()
    sys.setprofile(counter(calls))
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def shown(calls: Counter[str]) -> str:
    return f"{calls.total()} calls\n" + "\n".join(f"{n:4d} {where}" for where, n in calls.most_common(40))


@pytest.fixture
def predict() -> Any:
    whet.configure(lm=Instant("instant", cache=False))
    program = whet.Predict("question -> answer")
    for _ in range(3):
        assert program(question="two and two?").answer == "four"
    return program


def test_a_call_stays_within_its_budget(predict: Any) -> None:
    calls = counted(lambda: predict(question="two and two?"))
    assert calls.total() <= SYNC_CALLS, shown(calls)


def test_an_async_call_stays_within_its_budget(predict: Any) -> None:
    async def go() -> Counter[str]:
        whet.configure(lm=AsyncInstant("instant", cache=False))
        for _ in range(3):
            assert (await predict.acall(question="two and two?")).answer == "four"
        calls: Counter[str] = Counter()
        sys.setprofile(counter(calls))
        try:
            await predict.acall(question="two and two?")
        finally:
            sys.setprofile(None)
        return calls

    calls = asyncio.run(go())
    assert calls.total() <= ASYNC_CALLS, shown(calls)


def test_the_hundredth_call_costs_what_the_first_does(predict: Any) -> None:
    first = counted(lambda: predict(question="two and two?")).total()
    for _ in range(100):
        predict(question="two and two?")
    assert counted(lambda: predict(question="two and two?")).total() <= first + 2
