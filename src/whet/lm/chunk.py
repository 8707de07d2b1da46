"""Stream events in the form of OpenAI's chunks, for programs that read `chunk.choices[0].delta.content`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from whet.core.exchange import StreamEvent

__all__ = ["Chunk", "chunk_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What is new in a choice."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    citation: Any = None
    role: str = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkChoice:
    """A choice in a chunk."""

    index: int = 0
    delta: Delta = field(default_factory=Delta)
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One piece of a streamed answer; `predict_id` names the predictor that asked, where there is one."""

    choices: list[ChunkChoice]
    model: str = ""
    usage: Any = None
    predict_id: int | None = None


def chunk_of(event: StreamEvent, model: str = "", predict_id: int | None = None) -> Chunk:
    """The event as a chunk.

    >>> chunk_of(StreamEvent(kind="text", text="Hi")).choices[0].delta.content
    'Hi'
    """
    if event.kind == "usage":
        return Chunk(choices=[], model=model, usage=event.usage, predict_id=predict_id)
    delta = Delta(
        content=event.text if event.kind == "text" else None,
        reasoning_content=event.text if event.kind == "reasoning" else None,
        tool_calls=[_call(event)] if event.kind == "tool_call" else None,
        citation=event.citation,
    )
    choice = ChunkChoice(index=event.index, delta=delta, finish_reason=event.finish_reason)
    return Chunk(choices=[choice], model=model, predict_id=predict_id)


def _call(event: StreamEvent) -> dict[str, Any]:
    function = {"name": event.tool_name, "arguments": event.text}
    return {"index": event.tool_index, "id": event.tool_id, "type": "function", "function": function}
