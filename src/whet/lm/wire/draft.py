"""What the decoders of streamed answers share: an answer that grows, and the frame around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from whet.core.exchange import Choice, Citation, FinishReason, Response, StreamEvent, Usage, make_event
from whet.core.messages import ToolCallPart
from whet.errors import LMError, LMTransportError, LMUnexpectedError
from whet.lm.facts import ModelFacts
from whet.lm.wire.errors import error_from
from whet.lm.wire.parse import parsed

__all__ = ["MISSHAPEN", "Draft", "Splitter", "StreamDecoder", "answer_of", "spoken"]

# What reading an answer raises where a part of it is missing or of another type than it should be.
MISSHAPEN: Final = (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError)


def answer_of(choices: tuple[Choice, ...], usage: Usage, facts: ModelFacts, *, model: str = "", request_id: str | None = None) -> Response:
    """A response with its cost, where the price is known."""
    cost = facts.price.cost(usage) if facts.price is not None else None
    return Response(choices=choices, usage=usage, model=model or facts.name, cost=cost, request_id=request_id)


def spoken(piece: Any) -> str:
    """A piece of a streamed answer. Raises `TypeError` for what is no text, before anybody was told of it."""
    if not isinstance(piece, str):
        raise TypeError(f"a piece of the answer is {type(piece).__name__}, not text")
    return piece


class Draft:
    """One choice while it grows. Each method takes a piece and gives the event that tells of it."""

    __slots__ = ("citations", "finish", "index", "logprobs", "reasoning", "text", "tools")

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.tools: dict[int, list[Any]] = {}
        self.citations: list[Citation] = []
        self.logprobs: list[Any] = []
        self.finish: FinishReason = None

    def say(self, text: str) -> StreamEvent:
        """More of the answer."""
        self.text.append(spoken(text))
        return make_event("text", text, self.index)

    def think(self, text: str) -> StreamEvent:
        """More of the reasoning."""
        self.reasoning.append(spoken(text))
        return make_event("reasoning", text, self.index)

    def call(self, place: int, piece: str, name: str = "", call_id: str | None = None) -> StreamEvent:
        """The beginning of a tool call, or more of its arguments."""
        tool = self.tools.get(place)
        if tool is None:
            tool = self.tools[place] = [call_id, name, [], None]
        tool[0], tool[1] = tool[0] or call_id, tool[1] or name
        if piece:
            tool[2].append(spoken(piece))
        return StreamEvent(kind="tool_call", text=piece, index=self.index, tool_index=place, tool_id=tool[0], tool_name=tool[1])

    def sign(self, place: int, signed: str | None) -> None:
        """What the provider wants back with a call that has begun."""
        self.tools[place][3] = signed

    def cite(self, citation: Citation) -> StreamEvent:
        """A citation."""
        self.citations.append(citation)
        return StreamEvent(kind="citation", index=self.index, citation=citation)

    def choice(self) -> Choice:
        """What it has grown to."""
        return Choice(
            text="".join(self.text) if self.text or not self.tools else None,
            tool_calls=tuple(
                ToolCallPart(id=t[0], name=t[1], arguments="".join(t[2]) or "{}", signed=t[3]) for _, t in sorted(self.tools.items())
            ),
            reasoning="".join(self.reasoning) or None,
            citations=tuple(self.citations),
            logprobs=self.logprobs or None,
            finish_reason=self.finish,
        )


class Splitter(Protocol):
    """Cuts bytes that come in any pieces into events: (name, data)."""

    def feed(self, chunk: bytes) -> list[tuple[str, bytes]]:
        """The events that these bytes complete."""

    def finish(self) -> list[tuple[str, bytes]]:
        """What the end of the connection completes."""


class StreamDecoder:
    """Turns the bytes of a streamed answer into `StreamEvent`s, and in the end into the `Response`. Subclasses read one event.

    `started` is true once the caller was given something: from then on the call must not be made a second time. `done` is true once the
    server said that it was.
    """

    def __init__(self, facts: ModelFacts, splitter: Splitter) -> None:
        self.started = False
        self.done = False
        self.facts = facts
        self.usage = Usage()
        self.model = ""
        self.request_id: str | None = None
        self.drafts: dict[int, Draft] = {}
        self._splitter = splitter

    def read(self, name: str, data: Any, out: list[StreamEvent]) -> None:
        """Take one event and append what the caller should know of it."""
        raise NotImplementedError

    def complete(self) -> bool:
        """Whether the answer is whole although the server ended without saying so."""
        return bool(self.drafts) and all(draft.finish for draft in self.drafts.values())

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete. Raises the `LMError` that an error event stands for."""
        out: list[StreamEvent] = []
        for name, item in self._splitter.feed(data):
            self._take(name, item, out)
        if out:
            self.started = True
        return out

    def tail(self) -> list[StreamEvent]:
        """What was still to come when the connection ended."""
        out: list[StreamEvent] = []
        for name, item in self._splitter.finish():
            self._take(name, item, out)
        if self.complete():
            self.end(out)
        return out

    def finish(self) -> Response:
        """The whole answer, once the connection has ended. Raises `LMTransportError` if it ended too early."""
        self.tail()
        if not self.done:
            error = LMTransportError("The stream ended in the middle of the answer. Did the server or a proxy close it?", **self.origin())
            error.usage = self.usage
            raise error
        choices = tuple(draft.choice() for _, draft in sorted(self.drafts.items())) or (Choice(text=""),)
        return answer_of(choices, self.usage, self.facts, model=self.model, request_id=self.request_id)

    def draft(self, index: int = 0) -> Draft:
        """The choice of that number."""
        found = self.drafts.get(index)
        if found is None:
            found = self.drafts[index] = Draft(index)
        return found

    def end(self, out: list[StreamEvent]) -> None:
        """The answer is complete: tell usage and the end of each choice, once."""
        if self.done:
            return
        self.done = True
        if self.usage.total_tokens:
            out.append(StreamEvent(kind="usage", usage=self.usage))
        for index, draft in sorted(self.drafts.items()):
            out.append(StreamEvent(kind="done", index=index, finish_reason=draft.finish))

    def origin(self) -> dict[str, Any]:
        """Whose answer this is, for errors."""
        return {"model": self.facts.full_name, "provider": self.facts.provider, "request_id": self.request_id}

    def failure(self, status: int, body: Mapping[str, Any] | bytes) -> LMError:
        """The error that an error event stands for."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        error = error_from(status, {}, raw, model=self.facts.full_name, provider=self.facts.provider)
        error.usage = self.usage
        return error

    def _take(self, name: str, item: bytes, out: list[StreamEvent]) -> None:
        try:
            data = parsed(item) if item != b"[DONE]" else None
        except (ValueError, RecursionError):
            raise LMUnexpectedError(f"The stream holds an event that is no JSON, or too deep: {item[:200]!r}", **self.origin()) from None
        if data is None:
            self.end(out)
        elif isinstance(data, dict):
            try:
                self.read(name, data, out)
            except LMError:
                raise
            except MISSHAPEN as error:
                raise LMUnexpectedError(
                    f"The stream holds an event of an unknown form ({type(error).__name__}: {error}): {item[:200]!r}", **self.origin()
                ) from error
