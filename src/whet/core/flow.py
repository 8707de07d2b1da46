"""Flows and their two drivers.

A flow is a generator that yields what it needs (an effect) and is sent the result. `drive` runs it on this thread, `adrive` as a
coroutine; every effect knows how to perform itself in both worlds. So everything above is written once.

>>> def nap():
...     yield Sleep(0.0)
...     return "rested"
>>> drive(nap())
'rested'
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from whet.core.http import HttpRequest, HttpResponse, asend, send

__all__ = ["WAIT", "Effect", "Flow", "Gather", "Invoke", "Job", "JobTimeout", "Send", "Sleep", "Wait", "adrive", "drive", "start_thread"]

T = TypeVar("T")


class Effect(Protocol):
    """Something a flow can ask for."""

    def perform(self) -> Any:
        """Do it on this thread."""

    async def aperform(self) -> Any:
        """Do it on the running event loop."""


Flow: TypeAlias = Generator[Effect, Any, T]
Job: TypeAlias = Callable[[], Flow[Any]]


def drive(flow: Flow[T]) -> T:
    """Run a flow on this thread and return its result."""
    try:
        effect = flow.send(None)
        while True:
            try:
                value = effect.perform()
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                effect = flow.throw(error)
            else:
                effect = flow.send(value)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        flow.close()


async def adrive(flow: Flow[T]) -> T:
    """Run a flow on the running event loop and return its result."""
    try:
        effect = flow.send(None)
        while True:
            try:
                value = await effect.aperform()
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                effect = flow.throw(error)
            else:
                effect = flow.send(value)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        flow.close()


@dataclass(slots=True)
class Send:
    """One HTTP exchange; the result is the `HttpResponse`."""

    request: HttpRequest

    def perform(self) -> HttpResponse:
        return send(self.request)

    async def aperform(self) -> HttpResponse:
        return await asend(self.request)


@dataclass(slots=True)
class Sleep:
    """A pause of so many seconds."""

    seconds: float

    def perform(self) -> None:
        time.sleep(self.seconds)

    async def aperform(self) -> None:
        import asyncio  # noqa: PLC0415 - sync programs never pay for it

        await asyncio.sleep(self.seconds)


@dataclass(slots=True)
class Wait:
    """Until a future is done; the result is the future's. Giving up the wait leaves the future alone."""

    future: Future[Any]

    def perform(self) -> Any:
        return self.future.result()

    async def aperform(self) -> Any:
        import asyncio  # noqa: PLC0415 - sync programs never pay for it

        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        self.future.add_done_callback(lambda _: _call_soon(loop, done.set))
        await done.wait()
        return self.future.result()


@dataclass(slots=True)
class Invoke:
    """A call of somebody else's function, sync or async, with `twin` as its async form where there is one.

    On a thread, a coroutine is run to its end on a loop of its own. On an event loop, a plain function runs in a thread of its own, in
    this context; `inline=True` says that it never blocks and may run where it is.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    twin: Callable[..., Awaitable[Any]] | None = None
    inline: bool = False

    def perform(self) -> Any:
        result = self.function(*self.args, **self.kwargs)
        return run_coroutine(result) if hasattr(result, "__await__") else result

    async def aperform(self) -> Any:
        if self.twin is not None:
            return await self.twin(*self.args, **self.kwargs)
        if self.inline or iscoroutinefunction(self.function):
            result = self.function(*self.args, **self.kwargs)
        else:
            result = await _in_thread(lambda: self.function(*self.args, **self.kwargs))
        return await result if hasattr(result, "__await__") else result


_HIRE_EVERY = 0.001


class _Wait:
    def __repr__(self) -> str:
        return "WAIT"


WAIT: Final = _Wait()


class JobTimeout(Exception):
    """The outcome of a job that `Gather` gave up on."""


@dataclass(slots=True)
class Gather:
    """Flows side by side, each in its own copy of the context; the result is the list of outcomes, values or exceptions, in order.

    `jobs` is pulled one job at a time whenever one of the `limit` places is free; it may yield `WAIT` to say that the next job
    depends on one still running. `done(index, outcome)` is called once per finished job, never twice at the same time. `timeout`
    is per job, in seconds; a job past it has the outcome `JobTimeout`. On threads such a job is left behind in its daemon thread; on a
    loop it is cancelled. With `limit=1` and no timeout everything runs right here.
    """

    jobs: Iterable[Job | _Wait]
    limit: int | None = None
    timeout: float | None = None
    done: Callable[[int, Any], None] | None = None

    def perform(self) -> list[Any]:
        if self.limit == 1 and self.timeout is None:
            return self._in_turn()
        return _Threads(self).run()

    async def aperform(self) -> list[Any]:
        return await _Tasks(self).run()

    def _in_turn(self) -> list[Any]:
        outcomes: list[Any] = []
        for job in self.jobs:
            if isinstance(job, _Wait):
                raise RuntimeError("a job waits for another, but none is running")
            outcomes.append(_outcome_of(contextvars.copy_context(), job))
            if self.done is not None:
                self.done(len(outcomes) - 1, outcomes[-1])
        return outcomes


def _outcome_of(context: contextvars.Context, job: Job) -> Any:
    try:
        return context.run(lambda: drive(job()))
    except Exception as error:  # noqa: BLE001 - an outcome is a value or an exception
        return error


class _Pull:
    """The jobs of a `Gather`, numbered, and whether they are waiting or at an end."""

    def __init__(self, jobs: Iterable[Job | _Wait]) -> None:
        self._jobs: Iterator[Job | _Wait] = iter(jobs)
        self.count = 0
        self.ended = False
        self.waiting = False

    def next(self, running: int) -> tuple[int, Job] | None:
        job = None if self.ended else next(self._jobs, None)
        if job is None:
            self.ended = True
            return None
        self.waiting = isinstance(job, _Wait)
        if isinstance(job, _Wait):
            if not running:
                raise RuntimeError("a job waits for another, but none is running")
            return None
        self.count += 1
        return self.count - 1, job


class _Threads:
    """A `Gather` on daemon threads that end with it; each pulls its next job itself, so that a finished job costs no hand-over."""

    def __init__(self, gather: Gather) -> None:
        self.gather = gather
        self.pull = _Pull(gather.jobs)
        self.context = contextvars.copy_context()
        self.changed = threading.Condition()
        self.started: dict[int, float] = {}
        self.outcomes: dict[int, Any] = {}
        self.workers = 0
        self.failure: BaseException | None = None
        self.stopped = False

    def run(self) -> list[Any]:
        with self.changed:
            try:
                self._hire(1)
                while self.workers and self.failure is None:
                    before = len(self.outcomes)
                    self.changed.wait(self._patience())
                    self._give_up_on_late_jobs()
                    # Jobs that end faster than a thread is started gain nothing from a second one; jobs that wait do.
                    if self._may_hire() and len(self.outcomes) - before < self.workers:
                        self._hire(self.workers)
            finally:
                self.stopped = True
                self.changed.notify_all()
        if self.failure is not None:
            raise self.failure
        return [self.outcomes[i] for i in range(self.pull.count)]

    def _may_hire(self) -> bool:
        return not self.stopped and not self.pull.ended and (self.gather.limit is None or self.workers < self.gather.limit)

    def _hire(self, count: int) -> None:
        for _ in range(count):
            if self._may_hire():
                self.workers += 1
                threading.Thread(target=self._work, name="whet-worker", daemon=True).start()

    def _work(self) -> None:
        left_behind = False
        try:
            while not left_behind and (pulled := self._next_job()) is not None:
                index, job = pulled
                del pulled
                left_behind = not self._finish(index, _outcome_of(self.context.copy(), job))
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            self.failure = error
        finally:
            with self.changed:
                self.workers -= not left_behind
                self.changed.notify_all()

    def _next_job(self) -> tuple[int, Job] | None:
        with self.changed:
            while not self.stopped:
                pulled = self.context.copy().run(self.pull.next, len(self.started))
                if pulled is not None:
                    self.started[pulled[0]] = time.monotonic()
                    return pulled
                if self.pull.ended:
                    return None
                self.changed.wait()
            return None

    def _finish(self, index: int, outcome: Any) -> bool:
        with self.changed:
            if self.started.pop(index, None) is None:
                return False
            self._settle(index, outcome)
            if self.pull.waiting:
                self.changed.notify_all()
            return True

    def _settle(self, index: int, outcome: Any) -> None:
        self.outcomes[index] = outcome
        if self.gather.done is not None:
            self.context.copy().run(self.gather.done, index, outcome)

    def _patience(self) -> float | None:
        look_again = _HIRE_EVERY if self._may_hire() else None
        if self.gather.timeout is None:
            return look_again
        now = time.monotonic()
        left = max(0.0, min(self.started.values(), default=now) + self.gather.timeout - now)
        return left if look_again is None else min(left, look_again)

    def _give_up_on_late_jobs(self) -> None:
        limit = self.gather.timeout
        if limit is None:
            return
        now = time.monotonic()
        for index in [i for i, began in self.started.items() if now - began >= limit]:
            del self.started[index]
            self.workers -= 1
            self._settle(index, JobTimeout(f"not done after {limit:g} s"))
            self._hire(1)
        self.changed.notify_all()


class _Tasks:
    """A `Gather` on the running event loop."""

    def __init__(self, gather: Gather) -> None:
        self.gather = gather
        self.pull = _Pull(gather.jobs)
        self.running: dict[Any, int] = {}
        self.outcomes: dict[int, Any] = {}

    async def run(self) -> list[Any]:
        import asyncio  # noqa: PLC0415 - sync programs never pay for it

        self.wake = asyncio.Event()
        self.ready: list[Any] = []
        try:
            while self._start_jobs():
                if not self.ready:
                    self.wake.clear()
                    await self.wake.wait()
                ready, self.ready = self.ready, []
                for task in ready:
                    self._settle(task)
        finally:
            for task in self.running:
                task.cancel()
            await asyncio.gather(*self.running, return_exceptions=True)
        return [self.outcomes[i] for i in range(self.pull.count)]

    def _start_jobs(self) -> bool:
        import asyncio  # noqa: PLC0415 - sync programs never pay for it

        while self.gather.limit is None or len(self.running) < self.gather.limit:
            pulled = self.pull.next(len(self.running))
            if pulled is None:
                break
            index, job = pulled
            task = asyncio.get_running_loop().create_task(self._one(job), context=contextvars.copy_context())
            self.running[task] = index
            task.add_done_callback(self._finished)
        return bool(self.running)

    def _finished(self, task: Any) -> None:
        self.ready.append(task)
        self.wake.set()

    async def _one(self, job: Job) -> Any:
        if self.gather.timeout is None:
            return await adrive(job())
        import asyncio  # noqa: PLC0415 - sync programs never pay for it

        try:
            async with asyncio.timeout(self.gather.timeout) as limit:
                return await adrive(job())
        except TimeoutError:
            if limit.expired():
                raise JobTimeout(f"not done after {self.gather.timeout:g} s") from None
            raise

    def _settle(self, task: Any) -> None:
        index = self.running.pop(task)
        outcome = task.exception() if not task.cancelled() and task.exception() is not None else None
        if outcome is None:
            outcome = task.result()
        elif not isinstance(outcome, Exception):
            raise outcome
        self.outcomes[index] = outcome
        if self.gather.done is not None:
            self.gather.done(index, outcome)


def run_coroutine(awaitable: Awaitable[T]) -> T:
    """Run a coroutine to its end from sync code, also where an event loop is already running on this thread."""
    import asyncio  # noqa: PLC0415 - sync programs never pay for it

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_coroutine(awaitable))
    future: Future[T] = Future()
    start_thread(future, lambda: asyncio.run(_coroutine(awaitable)))
    return future.result()


async def _coroutine(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def _in_thread(function: Callable[[], T]) -> T:
    future: Future[T] = Future()
    start_thread(future, function)
    return await Wait(future).aperform()  # type: ignore[no-any-return]


def start_thread(future: Future[T], function: Callable[[], T]) -> None:
    """Call a function in a daemon thread of its own, in a copy of this context; the future gets what it returns or raises."""
    context = contextvars.copy_context()

    def work() -> None:
        try:
            result = context.run(function)
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=work, name="whet-call", daemon=True).start()


def _call_soon(loop: Any, callback: Callable[[], None]) -> None:
    # The loop may have been closed by somebody who gave up waiting.
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)
