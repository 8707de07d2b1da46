"""Flows give the same results under both drivers, side by side or one after the other."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from whet.core.flow import ENOUGH, WAIT, Flow, Gather, Invoke, Job, JobTimeout, Sleep, Wait, adrive, drive

Driver = Callable[[Flow[Any]], Any]


def on_loop(flow: Flow[Any]) -> Any:
    return asyncio.run(adrive(flow))


both = pytest.mark.parametrize("run", [drive, on_loop], ids=["thread", "loop"])


def nap(value: Any, seconds: float = 0.0, woken: list[Any] | None = None) -> Job:
    def job() -> Flow[Any]:
        yield Sleep(seconds)
        if woken is not None:
            woken.append(value)
        if isinstance(value, Exception):
            raise value
        return value

    return job


def one(effect: Any) -> Flow[Any]:
    return (yield effect)


@both
def test_outcomes_keep_their_order_and_errors_stand_beside(run: Driver) -> None:
    jobs = [nap(0, 0.03), nap(ValueError("no")), nap(2)]
    got = run(one(Gather(jobs, limit=3)))
    assert got[0] == 0
    assert isinstance(got[1], ValueError)
    assert got[2] == 2


@both
def test_no_more_than_limit_run_at_once(run: Driver) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def job() -> Flow[None]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        yield Sleep(0.01)
        with lock:
            running -= 1

    run(one(Gather([job] * 12, limit=3)))
    assert most == 3


@both
def test_a_job_may_depend_on_one_that_is_running(run: Driver) -> None:
    finished: list[int] = []

    def jobs() -> Iterator[Any]:
        yield nap(1, 0.01)
        yield nap(2)
        while len(finished) < 2:
            yield WAIT
        yield nap(sum(finished))

    assert run(one(Gather(jobs(), limit=4, done=lambda _, outcome: finished.append(outcome)))) == [1, 2, 3]


@both
def test_waiting_for_nothing_is_an_error_not_a_hang(run: Driver) -> None:
    with pytest.raises(RuntimeError, match="none is running"):
        run(one(Gather(iter([WAIT]), limit=2)))


@both
@pytest.mark.parametrize("limit", [1, 4])
def test_who_has_enough_waits_for_nobody(run: Driver, limit: int) -> None:
    finished: list[int] = []
    woken: list[Any] = []

    def jobs() -> Iterator[Any]:
        yield nap(1, 0.01)
        if limit > 1:
            yield nap("late", 5, woken)
        while not finished:
            yield WAIT
        yield ENOUGH

    got = run(one(Gather(jobs(), limit=limit, done=lambda index, _: finished.append(index))))
    assert got[0] == 1 and all(isinstance(outcome, JobTimeout) for outcome in got[1:])
    assert finished == [0] and not woken


@both
def test_a_late_job_is_given_up_and_the_others_go_on(run: Driver) -> None:
    woken: list[Any] = []
    got = run(one(Gather([nap("late", 5, woken), nap(1), nap(2)], limit=1, timeout=0.2)))
    assert isinstance(got[0], JobTimeout)
    assert got[1:] == [1, 2] and not woken


@both
def test_side_by_side_flows_have_a_context_each(run: Driver) -> None:
    var = contextvars.ContextVar("var", default="outer")

    def job(value: str) -> Flow[str]:
        before = var.get()
        var.set(value)
        yield Sleep(0.01)
        return before + ">" + var.get()

    var.set("here")
    assert run(one(Gather([lambda: job("a"), lambda: job("b")], limit=2))) == ["here>a", "here>b"]
    assert var.get() == "here"


@both
def test_an_error_is_thrown_into_the_flow_that_asked(run: Driver) -> None:
    def fails() -> None:
        raise KeyError("gone")

    def flow() -> Flow[str]:
        try:
            yield Invoke(fails)
        except KeyError as error:
            return f"caught {error}"
        return "missed"

    assert run(flow()) == "caught 'gone'"


@both
def test_sync_and_async_functions_are_called_alike(run: Driver) -> None:
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    assert run(one(Invoke(later, (1,)))) == 2
    assert run(one(Invoke(lambda x: x + 1, (1,)))) == 2


def test_a_coroutine_runs_from_sync_code_inside_a_running_loop() -> None:
    async def later() -> str:
        await asyncio.sleep(0)
        return "done"

    async def main() -> Any:
        return drive(one(Invoke(later)))

    assert asyncio.run(main()) == "done"


@both
def test_waiting_for_a_future(run: Driver) -> None:
    future: Future[str] = Future()
    threading.Timer(0.02, lambda: future.set_result("ready")).start()
    assert run(one(Wait(future))) == "ready"


def test_an_interrupt_stops_the_gathering_and_closes_the_flow() -> None:
    closed = []

    def flow() -> Flow[None]:
        try:
            yield Gather([nap(1), lambda: one(Invoke(interrupt))], limit=1)
        finally:
            closed.append(True)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(flow())
    assert closed == [True]


def test_cancelling_a_task_cancels_its_jobs() -> None:
    ended = []

    def job() -> Flow[None]:
        try:
            yield Sleep(10)
        finally:
            ended.append(True)

    async def main() -> None:
        task = asyncio.create_task(adrive(one(Gather([job, job], limit=2))))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended == [True, True]


def test_threads_end_with_the_gathering() -> None:
    before = threading.active_count()
    drive(one(Gather([nap(i) for i in range(50)], limit=8)))
    time.sleep(0.05)
    assert threading.active_count() <= before


def test_each_job_has_the_whole_time_limit_however_late_it_began() -> None:
    ended: list[str] = []

    def tidy() -> Flow[str]:
        try:
            yield Sleep(5)
        finally:
            ended.append("tidied")
        return "never"

    jobs = [nap("quick", 0.15), tidy, nap("second", 0.15), nap("third", 0.15), tidy]
    began = time.monotonic()
    got = on_loop(one(Gather(jobs, limit=2, timeout=0.25)))
    assert [got[0], got[2], got[3]] == ["quick", "second", "third"]
    assert isinstance(got[1], JobTimeout) and isinstance(got[4], JobTimeout)
    assert ended == ["tidied", "tidied"] and time.monotonic() - began < 4


def test_a_late_job_that_has_an_answer_when_it_is_cancelled_keeps_it() -> None:
    def job() -> Flow[str]:
        try:
            yield Sleep(5)
        except asyncio.CancelledError:
            return "saved"
        return "never"

    assert on_loop(one(Gather([job], timeout=0.05))) == ["saved"]


@both
def test_what_done_and_jobs_raise_ends_the_gathering(run: Driver) -> None:
    ended: list[int] = []

    def job() -> Flow[None]:
        try:
            yield Sleep(0.02)
        finally:
            ended.append(1)

    def refuse(index: int, outcome: Any) -> None:
        raise LookupError("no more")

    def jobs() -> Iterator[Job]:
        yield job
        raise LookupError("no jobs")

    with pytest.raises(LookupError, match="no more"):
        run(one(Gather([job] * 3, limit=2, done=refuse)))
    with pytest.raises(LookupError, match="no jobs"):
        run(one(Gather(jobs(), limit=2)))


def test_a_job_that_is_cancelled_by_somebody_else_ends_the_gathering() -> None:
    async def gives_up() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    with pytest.raises(asyncio.CancelledError):
        on_loop(one(Gather([nap(1), lambda: one(Invoke(gives_up))], limit=2, timeout=5)))


def test_what_a_job_sets_in_its_context_is_not_seen_by_the_job_that_follows_it() -> None:
    var = contextvars.ContextVar("var", default=0)

    def job() -> Flow[int]:
        before = var.get()
        var.set(before + 1)
        yield Sleep(0)
        return before

    assert on_loop(one(Gather([job] * 20, limit=2))) == [0] * 20
