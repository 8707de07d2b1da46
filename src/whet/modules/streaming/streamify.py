"""`streamify`: a program as a stream of pieces, in the form that programs written for DSPy know."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

from whet.core.context import current
from whet.core.exchange import StreamEvent
from whet.core.flow import run_coroutine, start_thread
from whet.core.records import Prediction
from whet.core.schema import plain
from whet.errors import ConfigurationError
from whet.lm.patched import LITELLM, is_patched
from whet.modules.streaming.event import Event
from whet.modules.streaming.listener import StreamListener, StreamResponse
from whet.modules.streaming.outlet import named_predictors
from whet.modules.streaming.status import StatusMessage, StatusMessageProvider
from whet.modules.streaming.stream import Pump

__all__ = ["apply_sync_streaming", "streamify", "streaming_response"]

_END: Any = object()


def streamify(
    program: Any,
    status_message_provider: StatusMessageProvider | None = None,
    stream_listeners: Sequence[StreamListener] | None = None,
    include_final_prediction_in_output_stream: bool = True,
    is_async_program: bool = False,
    async_streaming: bool = True,
) -> Callable[..., Any]:
    """A function that runs the program and gives what happens as it happens: an async generator, or a plain one with
    `async_streaming=False`.

    Without listeners it gives the model's own chunks (none of an answer that was there already, as from the cache), with them a
    `StreamResponse` for each piece of the `stream_listeners`' fields; messages of the `status_message_provider` between them, and the
    prediction last (without `include_final_prediction_in_output_stream` only where nothing else came). `is_async_program` has no effect:
    what a program is can be seen. `program.stream(...)` gives more: typed events of every field.

    Raises `ConfigurationError` (a `ValueError`) for a listener whose field no predictor has, or several.

    >>> import whet
    >>> class Slow(whet.BaseLM):
    ...     def stream_complete(self, request):
    ...         yield from ("[[ ## answer ## ]]\\n", "blue ", "whale", "\\n\\n[[ ## completed ## ]]")
    >>> stream = streamify(whet.Predict("question -> answer"), stream_listeners=[StreamListener("answer")], async_streaming=False)
    >>> with whet.context(lm=Slow("slow", cache=False)):
    ...     *pieces, prediction = stream(question="The largest animal?")
    >>> [piece.chunk for piece in pieces], prediction.answer
    (['blue', ' whale', ''], 'blue whale')
    """
    listeners = list(stream_listeners or ())
    for listener in listeners:
        listener.find(program)

    def start(args: tuple[Any, ...], inputs: dict[str, Any]) -> _Run:
        if listeners:
            _check_adapters(program, listeners)
        pump = Pump(program, inputs, args=args, chunks=not listeners, events=False, provider=status_message_provider)
        return _Run(pump, listeners, include_final_prediction_in_output_stream)

    async def astream(*args: Any, **inputs: Any) -> AsyncGenerator[Any, None]:
        run = start(args, inputs)
        items = run.pump.apull()
        try:
            async for item in items:
                for one in run.shown(item):
                    yield one
        finally:
            await items.aclose()
        for one in run.last():
            yield one

    def stream(*args: Any, **inputs: Any) -> Generator[Any, None, None]:
        run = start(args, inputs)
        for item in run.pump.pull():
            yield from run.shown(item)
        yield from run.last()

    return astream if async_streaming else stream


class _Run:
    """One run: what of it is shown, and whether anything was."""

    def __init__(self, pump: Pump, listeners: list[StreamListener], final: bool) -> None:
        self.pump, self.listeners, self.final = pump, listeners, final
        self.streamed = False

    def shown(self, item: Any) -> list[Any]:
        found = _shown(item, self.listeners)
        self.streamed = self.streamed or any(not isinstance(one, StatusMessage) for one in found)
        return found

    def last(self) -> list[Any]:
        result = self.pump.result
        return [result] if self.final or not self.streamed or not isinstance(result, Prediction) else []


def _shown(item: Any, listeners: list[StreamListener]) -> list[Any]:
    if isinstance(item, Event):
        return [one for listener in listeners for one in listener.hear(item)] if item.kind.startswith("field") else []
    if isinstance(item, StreamEvent):
        return [_chunk(item)] if item.kind in ("text", "reasoning", "tool_call") and not item.whole else []
    return [item]


def _chunk(event: StreamEvent) -> Any:
    call = SimpleNamespace(
        index=event.tool_index,
        id=event.tool_id,
        type="function",
        function=SimpleNamespace(name=event.tool_name, arguments=event.text),
    )
    delta = SimpleNamespace(
        role="assistant",
        content=event.text if event.kind == "text" else None,
        reasoning_content=event.text if event.kind == "reasoning" else None,
        tool_calls=[call] if event.kind == "tool_call" else None,
    )
    choice = SimpleNamespace(index=event.index, delta=delta, finish_reason=None)
    chunk = SimpleNamespace(object="chat.completion.chunk", choices=[choice])
    if LITELLM in sys.modules and is_patched():  # a test that gives chunks of LiteLLM's looks for such
        kind = getattr(sys.modules[LITELLM], "ModelResponseStream", None)
        return chunk if kind is None else kind(**_plain(chunk))
    return chunk


def _check_adapters(program: Any, listeners: list[StreamListener]) -> None:
    predictors = dict(named_predictors(program))
    for listener in listeners:
        predictor = predictors.get(str(listener.predict_name))
        chosen = getattr(predictor, "adapter", None) or current().adapter
        adapter = chosen[0] if isinstance(chosen, (list, tuple)) else chosen
        if predictor is not None and adapter is not None and adapter.scanner(predictor.signature) is None:
            raise ConfigurationError(
                f"Unsupported adapter for streaming: `{type(adapter).__name__}` can only be read as a whole. Those that stream: "
                "ChatAdapter, JSONAdapter, XMLAdapter, BAMLAdapter, TwoStepAdapter."
            )


def apply_sync_streaming(async_generator: AsyncGenerator[Any, None]) -> Iterator[Any]:
    """An async generator as a plain one: it runs on an event loop in a thread of its own.

    >>> async def numbers():
    ...     for number in (1, 2):
    ...         yield number
    >>> list(apply_sync_streaming(numbers()))
    [1, 2]
    """
    queue: SimpleQueue[Any] = SimpleQueue()
    future: Future[Any] = Future()

    async def drain() -> None:
        async for item in async_generator:
            queue.put(item)

    start_thread(future, lambda: run_coroutine(drain()))
    future.add_done_callback(lambda _: queue.put(_END))
    while (item := queue.get()) is not _END:
        yield item
    future.result()


async def streaming_response(stream: AsyncGenerator[Any, None]) -> AsyncGenerator[str, None]:
    """The stream as server-sent events; ends with `data: [DONE]`.

    Raises `ConfigurationError` (a `ValueError`) for something that is neither a chunk nor a prediction.

    >>> async def pieces():
    ...     yield StatusMessage("Looking it up")
    ...     yield Prediction(answer="4")
    >>> for event in apply_sync_streaming(streaming_response(pieces())):
    ...     print(event.strip())
    data: {"chunk":{"message":"Looking it up"}}
    data: {"prediction":{"answer":"4"}}
    data: [DONE]
    """
    async for item in stream:
        if isinstance(item, Prediction):
            yield _sent({"prediction": plain(dict(item.items()))})
        elif isinstance(item, str) and item.startswith("data:"):
            yield item
        elif isinstance(item, (StreamResponse, StatusMessage)):
            yield _sent({"chunk": plain(item)})
        elif hasattr(item, "choices"):
            yield _sent({"chunk": _plain(item)})
        else:
            raise ConfigurationError(f"Unknown chunk value type: {item!r}")
    yield "data: [DONE]\n\n"


def _sent(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n\n"


def _plain(chunk: Any) -> Any:
    if isinstance(chunk, SimpleNamespace):
        return {name: _plain(value) for name, value in vars(chunk).items() if value is not None}
    return [_plain(part) for part in chunk] if isinstance(chunk, list) else plain(chunk)
