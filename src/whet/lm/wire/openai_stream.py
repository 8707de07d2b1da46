"""The streamed form of chat completions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from whet.core.exchange import Choice, FinishReason, Response, StreamEvent, Usage, make_event
from whet.core.messages import ToolCallPart
from whet.core.sse import EventStream
from whet.errors import LMTransportError, LMUnexpectedError
from whet.lm.facts import ModelFacts
from whet.lm.wire.draft import spoken
from whet.lm.wire.errors import error_from
from whet.lm.wire.parse import parsed

__all__ = ["ChatStream"]


class _Growing:
    """One choice while it grows."""

    __slots__ = ("finish", "logprobs", "reasoning", "text", "tools")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.tools: dict[int, list[Any]] = {}
        self.logprobs: list[Any] = []
        self.finish: FinishReason = None

    def choice(self) -> Choice:
        return Choice(
            text="".join(self.text) if self.text or not self.tools else None,
            tool_calls=tuple(ToolCallPart(id=t[0], name=t[1], arguments="".join(t[2])) for _, t in sorted(self.tools.items())),
            reasoning="".join(self.reasoning) or None,
            logprobs={"content": self.logprobs} if self.logprobs else None,
            finish_reason=self.finish,
        )


class ChatStream:
    """Turns the bytes of one streamed chat completion into `StreamEvent`s, and in the end into the `Response`.

    `started` is true once the caller was given something: from then on the call must not be made a second time. `done` is true once the
    server said that it was.
    """

    def __init__(self, facts: ModelFacts, usage_of: Callable[[Any], Usage], finish: Mapping[str, FinishReason]) -> None:
        self.started = False
        self.done = False
        self._facts = facts
        self._usage_of = usage_of
        self._finish = finish
        self._events = EventStream()
        self._choices: dict[int, _Growing] = {}
        self._usage = Usage()
        self._model = ""
        self._id: str | None = None

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete. Raises the `LMError` that an error event stands for."""
        out: list[StreamEvent] = []
        for _, item in self._events.feed(data):
            self._read(item, out)
        if out:
            self.started = True
        return out

    def tail(self) -> list[StreamEvent]:
        """The events that were still to come when the connection ended: usage and done, for servers that end without a `[DONE]`."""
        out: list[StreamEvent] = []
        for _, item in self._events.finish():
            self._read(item, out)
        if self._choices and all(c.finish for c in self._choices.values()):
            self._end(out)
        return out

    def finish(self) -> Response:
        """The whole answer, once the connection has ended. Raises `LMTransportError` if it ended too early."""
        self.tail()
        if not self.done:
            error = LMTransportError("The stream ended in the middle of the answer. Did the server or a proxy close it?", **self._origin())
            error.usage = self._usage
            raise error
        choices = tuple(c.choice() for _, c in sorted(self._choices.items()))
        price = self._facts.price
        return Response(
            choices=choices or (Choice(text=""),),
            usage=self._usage,
            model=self._model or self._facts.name,
            cost=price.cost(self._usage) if price is not None else None,
            request_id=self._id,
        )

    def _origin(self) -> dict[str, Any]:
        return {"model": self._facts.full_name, "provider": self._facts.provider, "request_id": self._id}

    def _read(self, item: bytes, out: list[StreamEvent]) -> None:
        if item == b"[DONE]":
            self._end(out)
            return
        try:
            chunk = parsed(item)
        except (ValueError, RecursionError):
            raise LMUnexpectedError(f"The stream holds an event that is no JSON, or too deep: {item[:200]!r}", **self._origin()) from None
        if not isinstance(chunk, dict):
            return
        choices = chunk.get("choices")
        if choices:
            for data in choices:
                self._grow(data, out)
        elif chunk.get("error"):
            raise self._error(chunk["error"], item)
        if not self._model:
            self._model, self._id = chunk.get("model") or "", chunk.get("id")
        if usage := chunk.get("usage"):
            self._usage = self._usage_of(usage)

    def _error(self, error: Any, item: bytes) -> Exception:
        code = error.get("code") if isinstance(error, dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
        return error_from(status, {}, item, model=self._facts.full_name, provider=self._facts.provider)

    def _grow(self, data: Mapping[str, Any], out: list[StreamEvent]) -> None:
        index = data.get("index") or 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Growing()
        delta = data.get("delta") or {}
        if text := delta.get("content"):
            choice.text.append(spoken(text))
            out.append(make_event("text", text, index))
        if thought := (delta.get("reasoning_content") or delta.get("reasoning")):
            choice.reasoning.append(spoken(thought))
            out.append(make_event("reasoning", thought, index))
        if calls := delta.get("tool_calls"):
            for call in calls:
                out.append(_grow_tool(choice, call, index))
        if logprobs := data.get("logprobs"):
            choice.logprobs += logprobs.get("content") or ()
        if reason := data.get("finish_reason"):
            choice.finish = self._finish.get(reason, "stop")

    def _end(self, out: list[StreamEvent]) -> None:
        if self.done:
            return
        self.done = True
        if self._usage.raw is not None:
            out.append(StreamEvent(kind="usage", usage=self._usage))
        for index, choice in sorted(self._choices.items()):
            out.append(StreamEvent(kind="done", index=index, finish_reason=choice.finish))


def _grow_tool(choice: _Growing, call: Mapping[str, Any], index: int) -> StreamEvent:
    place = call.get("index")
    if place is None:  # some servers send each call whole and without a number
        place = len(choice.tools)
    tool = choice.tools.setdefault(place, [None, "", []])
    function = call.get("function") or {}
    tool[0] = tool[0] or call.get("id")
    tool[1] = tool[1] or function.get("name") or ""
    piece = function.get("arguments") or ""
    tool[2].append(spoken(piece))
    return StreamEvent(kind="tool_call", text=piece, index=index, tool_index=place, tool_id=tool[0], tool_name=tool[1])
