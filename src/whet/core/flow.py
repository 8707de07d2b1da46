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
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any, Final, Protocol, TypeAlias, TypeGuard, TypeVar

from whet.core.frames import shorten
from whet.core.http import HttpRequest, HttpResponse, asend, pieces, send
from whet.errors import WhetError

__all__ = [
    "ENOUGH", "WAIT",
    "Effect", "Flow", "Gather", "Invoke", "Job", "JobTimeout", "Send", "Sleep", "Wait", "adrive", "drive", "side_by_side", "start_thread",
    "steps",
]  # fmt: skip

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
    except WhetError as error:
        shorten(error)
        raise
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
    except WhetError as error:
        shorten(error)
        raise
    finally:
        flow.close()


def steps(flow: Flow[T]) -> Generator[None, None, T]:
    """`drive`, pausing after each effect and after each piece of a streamed answer, for whoever wants to look at what has come so far.

    Closing it closes the flow, and the connection that it is reading from.
    """
    try:
        effect = flow.send(None)
        while True:
            try:
                value = (yield from pieces(effect.request)) if _is_streamed(effect) else effect.perform()
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - the flow decides what an error means, interrupts included
                effect = flow.throw(error)
            else:
                yield
                effect = flow.send(value)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    except WhetError as error:
        shorten(error)
        raise
    finally:
        flow.close()


def _is_streamed(effect: Effect) -> TypeGuard[Send]:
    return isinstance(effect, Send) and effect.request.sink is not None


@dataclass(slots=True)
class Send:
    """One HTTP exchange; the result is the `HttpResponse`."""

    request: HttpRequest

    def perform(self) -> HttpResponse:
        return send(self.request)

    def aperform(self) -> Coroutine[Any, Any, HttpResponse]:
        return asend(self.request)


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
    """Until a future is done; the result is the future's. Giving up the wait leaves the future alone.

    It is given up with a `TimeoutError` after so many `seconds`, where they are given.
    """

    future: Future[Any]
    seconds: float | None = None

    def perform(self) -> Any:
        return self.future.result(self.seconds)

    async def aperform(self) -> Any:
        import asyncio  # noqa: PLC0415 - sync programs never pay for it

        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        self.future.add_done_callback(lambda _: _call_soon(loop, done.set))
        await (done.wait() if self.seconds is None else asyncio.wait_for(done.wait(), self.seconds))
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
        return run_coroutine(result) if hasattr(type(result), "__await__") else result

    async def aperform(self) -> Any:
        if self.twin is not None:
            return await self.twin(*self.args, **self.kwargs)
        if self.inline or iscoroutinefunction(self.function):
            result = self.function(*self.args, **self.kwargs)
        else:
            result = await _in_thread(lambda: self.function(*self.args, **self.kwargs))
        return await result if hasattr(type(result), "__await__") else result


class Waiting:
    """The type of `WAIT` and `ENOUGH`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


WAIT: Final = Waiting("WAIT")
ENOUGH: Final = Waiting("ENOUGH")


class JobTimeout(Exception):
    """The outcome of a job that `Gather` gave up on."""


@dataclass(slots=True)
class Gather:
    """Flows side by side, each in its own copy of the context; the result is the list of outcomes, values or exceptions, in order.

    `jobs` is pulled one job at a time whenever one of the `limit` places is free; it may yield `WAIT` to say that the next job
    depends on one still running, and `ENOUGH` to say that nobody needs those. `done(index, outcome)` is called once per finished job,
    never twice at the same time. `timeout` is per job, in seconds; a job past it, or not needed any more, has the outcome `JobTimeout`.
    On threads such a job is left behind in its daemon thread; on a loop it is cancelled. With `limit=1` and no timeout everything runs
    right here.
    """

    jobs: Iterable[Job | Waiting]
    limit: int | None = None
    timeout: float | None = None
    done: Callable[[int, Any], None] | None = None

    def perform(self) -> list[Any]:
        from whet.core.crew import in_turn, on_threads  # noqa: PLC0415 - a crew drives flows itself

        return in_turn(self) if self.limit == 1 and self.timeout is None else on_threads(self)

    async def aperform(self) -> list[Any]:
        from whet.core.courses import side_by_side_on_loop  # noqa: PLC0415 - sync programs never pay for it

        return await side_by_side_on_loop(self)


def side_by_side(*jobs: Job, limit: int | None = None) -> Flow[list[Any]]:
    """What the jobs return, in their order; raises the first of their errors."""
    outcomes = yield Gather(jobs, limit=limit or len(jobs))
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return list(outcomes)


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
