"""Marks for a provider's prompt cache, where models that need them are asked through a gateway in OpenAI's form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whet.core.messages import Message, RawPart
from whet.lm.facts import ModelFacts

__all__ = ["marked", "needs_marks"]

MARK = {"type": "ephemeral"}


def needs_marks(facts: ModelFacts) -> bool:
    """Whether this gateway hands the marks on, and the model behind it caches nothing without them."""
    return "cache_marks" in facts.quirks and "claude" in facts.name.lower()


def marked(messages: Sequence[Message]) -> list[Message]:
    """The messages with marks at the end of the instructions and before the question: what does not change from call to call.

    >>> [message.content for message in marked([Message("system", "Be brief."), Message("user", "Hello")])]
    [(RawPart(block={'type': 'text', 'text': 'Be brief.', 'cache_control': {'type': 'ephemeral'}}),), 'Hello']
    """
    instructions = [place for place, message in enumerate(messages[:-1]) if message.role in ("system", "developer")]
    places = {*instructions[-1:], len(messages) - 2}
    return [_marked(message) if place in places else message for place, message in enumerate(messages)]


def _marked(message: Message) -> Message:
    if not isinstance(message.content, str) or not message.content:
        return message
    return replace(message, content=(RawPart({"type": "text", "text": message.content, "cache_control": MARK}),))
