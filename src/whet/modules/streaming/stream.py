"""`Stream`: the events of one run of a program, for `for` and for `async for` alike."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from whet.core.bell import Bell
from whet.core.context import context, current
from whet.core.flow import Flow, Invoke, adrive, start_thread
from whet.core.records import Prediction
from whet.modules.module import Module
from whet.modules.streaming.event import Event
from whet.modules.streaming.outlet import Outlet, Stopped
from whet.modules.streaming.status import StatusMessageProvider, Teller

__all__ = ["Pump", "Stream"]

_END: Any = object()


class Pump:
    """Runs a program beside whoever pulls what it puts out. `chunks` asks for the models' own events, `events` for tools as events."""

    def __init__(
        self,
        program: Any,
        inputs: dict[str, Any],
        *,
        args: tuple[Any, ...] = (),
        chunks: bool,
        events: bool,
        provider: StatusMessageProvider | None,
    ) -> None:
        self.program, self.args, self.inputs = program, args, inputs
        self.chunks, self.events, self.provider = chunks, events, provider
        self.until: Callable[[Event], bool] | None = None
        self.outlet: Outlet | None = None
        self.result: Any = None

    def _settings(self, tell: Callable[[Any], None]) -> dict[str, Any]:
        def put(item: Any) -> None:
            tell(item)
            if self.until is not None and isinstance(item, Event) and self.until(item):
                self.stop()
                raise Stopped

        self.outlet = Outlet.for_program(self.program, put, chunks=self.chunks)
        teller = Teller(put, self.provider, events=self.events)
        return {"send_stream": self.outlet, "callbacks": (*current().callbacks, teller)}

    def stop(self) -> None:
        """End the call that is under way at its next piece, or where no piece comes."""
        if self.outlet is not None:
            self.outlet.stopped = True

    def pull(self) -> Generator[Any, None, None]:
        """On this thread, with the program on another."""
        queue: SimpleQueue[Any] = SimpleQueue()
        changes = self._settings(queue.put)
        future: Future[Any] = Future()

        def run() -> Any:
            with context(**changes):
                return self.program(*self.args, **self.inputs)

        start_thread(future, run)
        future.add_done_callback(lambda _: queue.put(_END))
        try:
            while (item := queue.get()) is not _END:
                yield item
            self._settle(future)
        finally:
            self.stop()

    async def apull(self) -> AsyncGenerator[Any, None]:
        """On the event loop, with the program as a task beside the caller."""
        import asyncio  # noqa: PLC0415 - sync programs never pay for it
        import threading  # noqa: PLC0415 - as above

        items: deque[Any] = deque()
        loop, home = asyncio.get_running_loop(), threading.get_ident()
        bell = Bell(loop)

        def put(item: Any) -> None:
            items.append(item)
            if threading.get_ident() == home:
                bell.ring()
            elif not loop.is_closed():
                loop.call_soon_threadsafe(bell.ring)

        changes = self._settings(put)

        async def run() -> Any:
            with context(**changes):
                return await self._acall()

        task = loop.create_task(run())
        task.add_done_callback(lambda _: bell.ring())
        try:
            while not task.done() or items:
                while items:
                    yield items.popleft()
                if not task.done():
                    await bell.heard()
            self._settle(task)
        finally:
            self.stop()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _acall(self) -> Any:
        kind = type(self.program)
        # A module that overrides only `__call__` says there, and nowhere else, what it does.
        by_call = getattr(kind, "acall", None) is Module.acall and kind.__call__ is not Module.__call__
        if hasattr(self.program, "acall") and not by_call:
            return await self.program.acall(*self.args, **self.inputs)

        def flow() -> Flow[Any]:
            return (yield Invoke(self.program, self.args, self.inputs))

        return await adrive(flow())

    def _settle(self, future: Any) -> None:
        try:
            self.result = future.result()
        except Stopped:
            self.result = Prediction(self.outlet.fields if self.outlet is not None else {})


class Stream:
    """The events of one run of a program. Iterate once, with `for` or with `async for`; the last event is `done`.

    Leaving the loop early, `stop()`, or a condition given to `until(...)` ends the call of the model that is under way: its connection is
    closed, and tokens that nobody wants are not made. `prediction` is the result; after a stop it holds the fields that were complete.

    >>> import whet.testing
    >>> program = whet.ChainOfThought("question -> answer: int", lm=whet.testing.ScriptedLM([{"reasoning": "Add them.", "answer": 4}]))
    >>> for event in program.stream(question="2+2?"):
    ...     if event.kind == "field_done":
    ...         print(event.field, repr(event.value))
    reasoning 'Add them.'
    answer 4
    """

    def __init__(self, program: Any, inputs: dict[str, Any], provider: StatusMessageProvider | None = None) -> None:
        self._pump = Pump(program, inputs, chunks=False, events=True, provider=provider)
        self._iterator: Any = None

    @property
    def prediction(self) -> Any:
        """The result; `None` before the end."""
        return self._pump.result

    def until(self, condition: Callable[[Event], bool]) -> Stream:
        """Stop at the first event for which this is true; it is asked where the program runs, and at once."""
        self._pump.until = condition
        return self

    def stop(self) -> None:
        """Stop at the next piece, or in a tenth of a second where none comes."""
        self._pump.stop()

    def __iter__(self) -> Generator[Event, None, None]:
        if self._iterator is None:
            self._iterator = _events(self._pump)
        return self._iterator  # type: ignore[no-any-return]

    def __aiter__(self) -> AsyncGenerator[Event, None]:
        if self._iterator is None:
            self._iterator = _aevents(self._pump)
        return self._iterator  # type: ignore[no-any-return]

    def close(self) -> None:
        """Stop, and end the iteration."""
        self.stop()
        if self._iterator is not None and hasattr(self._iterator, "close"):
            self._iterator.close()

    async def aclose(self) -> None:
        """Stop, and end the async iteration."""
        self.stop()
        if self._iterator is not None:
            await self._iterator.aclose()


# These hold the pump and not the stream, so that they end when the stream is let go.
def _events(pump: Pump) -> Generator[Event, None, None]:
    items = pump.pull()
    try:
        for item in items:
            yield item if isinstance(item, Event) else Event("value", value=item)
    finally:
        items.close()
    yield Event("done", value=pump.result)


async def _aevents(pump: Pump) -> AsyncGenerator[Event, None]:
    items = pump.apull()
    try:
        async for item in items:
            yield item if isinstance(item, Event) else Event("value", value=item)
    finally:
        await items.aclose()
    yield Event("done", value=pump.result)
