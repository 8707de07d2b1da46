"""Tells a listener of an answer that is already there, in the events that it would have come in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from whet.core.exchange import Response, StreamEvent

__all__ = ["events_of", "replay"]


def events_of(response: Response) -> Iterator[StreamEvent]:
    """The events of a whole answer: reasoning, text, calls, citations; then usage; then the end of each choice.

    >>> from whet.core.exchange import Choice
    >>> [event.kind for event in events_of(Response(choices=(Choice(text="Hi"),)))]
    ['text', 'done']
    """
    event = partial(StreamEvent, whole=True)
    for index, choice in enumerate(response.choices):
        if choice.reasoning:
            yield event(kind="reasoning", text=choice.reasoning, index=index)
        if choice.text:
            yield event(kind="text", text=choice.text, index=index)
        for place, call in enumerate(choice.tool_calls):
            yield event(kind="tool_call", text=call.arguments, index=index, tool_index=place, tool_id=call.id, tool_name=call.name)
        for citation in choice.citations:
            yield event(kind="citation", index=index, citation=citation)
    if response.usage.total_tokens:
        yield event(kind="usage", usage=response.usage)
    for index, choice in enumerate(response.choices):
        yield event(kind="done", index=index, finish_reason=choice.finish_reason)


def replay(response: Response, listener: Callable[[StreamEvent], None]) -> None:
    """Tell the listener of the whole answer."""
    for event in events_of(response):
        listener(event)
