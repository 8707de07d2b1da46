"""`AnswerStream`: an answer as it comes, one event at a time, for sync and async code alike."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import copy_context
from typing import Any

from whet.core.bell import Bell
from whet.core.context import context
from whet.core.exchange import Response, StreamEvent
from whet.core.flow import Flow, adrive, steps

__all__ = ["AnswerStream"]


class AnswerStream:
    """The events of one answer: text, reasoning, tool calls and citations as they come; then usage; then the end of each choice.

    Iterate with `for` or with `async for`, once. Afterwards `response` holds the whole answer. Leaving the loop early closes the connection
    as soon as nobody holds the stream any longer; closing it (`close()`, `aclose()`, `with`, `async with`) does so at once.
    """

    def __init__(self, ask: Callable[[], Flow[Response]]) -> None:
        self._answering = _Answering(ask)
        self._pulled: Generator[StreamEvent, None, None] | None = None
        self._awaited: AsyncGenerator[StreamEvent, None] | None = None

    @property
    def response(self) -> Response | None:
        """The whole answer; `None` before the end."""
        return self._answering.response

    @property
    def text(self) -> str:
        """The text of the whole answer; empty before the end."""
        return self.response.text if self.response is not None else ""

    # -- for sync code ---------------------------------------------------------------------------------------------------

    def __iter__(self) -> Generator[StreamEvent, None, None]:
        if self._pulled is None:
            self._pulled = self._answering.pull()
        return self._pulled

    def close(self) -> None:
        """Stop, and close the connection if the answer is not complete."""
        if self._pulled is not None:
            self._pulled.close()

    def __enter__(self) -> AnswerStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- for async code --------------------------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncGenerator[StreamEvent, None]:
        if self._awaited is None:
            self._awaited = self._answering.wait()
        return self._awaited

    async def aclose(self) -> None:
        """Stop, and close the connection if the answer is not complete."""
        if self._awaited is not None:
            await self._awaited.aclose()

    async def __aenter__(self) -> AnswerStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _Answering:
    """The call behind a stream. The generators hold this and not the stream, so that they end when the stream is let go."""

    __slots__ = ("ask", "response")

    def __init__(self, ask: Callable[[], Flow[Response]]) -> None:
        self.ask = ask
        self.response: Response | None = None

    def pull(self) -> Generator[StreamEvent, None, None]:
        """On this thread: the flow runs in a context of its own whenever the caller wants more."""
        events: deque[StreamEvent] = deque()
        run = copy_context().run
        running = self._listening(events.append)
        try:
            while True:
                try:
                    run(running.send, None)
                except StopIteration:
                    yield from events
                    return
                except BaseException:
                    yield from events
                    raise
                while events:
                    yield events.popleft()
        finally:
            run(running.close)

    def _listening(self, tell: Callable[[StreamEvent], None]) -> Generator[None, None, None]:
        with context(listener=tell):
            self.response = yield from steps(self.ask())

    async def wait(self) -> AsyncGenerator[StreamEvent, None]:
        """On the event loop: the flow runs in a task beside the caller."""
        import asyncio  # noqa: PLC0415 - sync programs never pay for it

        events: deque[StreamEvent] = deque()
        loop = asyncio.get_running_loop()
        bell = Bell(loop)

        def tell(event: StreamEvent) -> None:
            events.append(event)
            bell.ring()

        task = loop.create_task(self._answer(tell))
        task.add_done_callback(lambda _: bell.ring())
        try:
            while not task.done():
                await bell.heard()
                while events:
                    yield events.popleft()
            while events:
                yield events.popleft()
            self.response = task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _answer(self, tell: Callable[[StreamEvent], None]) -> Any:
        with context(listener=tell):
            return await adrive(self.ask())
