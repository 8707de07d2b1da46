"""How long a prompt is, by part, and what is left out when it is too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from whet.core.messages import Message, TextPart
from whet.core.schema import one_line

__all__ = ["Sections", "Tokens", "estimate_tokens"]

# What a picture, a sound or a page costs differs by model; this is the middle of what providers state for a picture.
_MEDIA: Final = 800
_FRAME: Final = 4


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is: a quarter of its ASCII characters, and one for each other character.

    An estimate without a tokenizer; for English within some 20 %.

    >>> estimate_tokens("The quick brown fox jumps.")
    7
    """
    wide = 0 if text.isascii() else sum(ord(char) > 127 for char in text)
    return (len(text) - wide + 3) // 4 + wide


def message_tokens(message: Message) -> int:
    """About how many tokens a message is."""
    content = message.content
    if isinstance(content, str):
        size = estimate_tokens(content)
    else:
        size = sum(estimate_tokens(part.text) if isinstance(part, TextPart) else _MEDIA for part in content)
    return size + _FRAME + sum(estimate_tokens(call.name + call.arguments) for call in message.tool_calls)


@dataclass(frozen=True, slots=True)
class Sections:
    """The messages of a prompt by what they are for; `left_out` counts demos and old turns that are not shown."""

    system: tuple[Message, ...]
    demos: tuple[Message, ...]
    history: tuple[Message, ...]
    request: tuple[Message, ...]
    left_out: int = 0

    @property
    def messages(self) -> tuple[Message, ...]:
        """All of them, in order."""
        return (*self.system, *self.demos, *self.history, *self.request)

    def tokens(self, schema: Any = None, tools: Iterable[Any] = ()) -> Tokens:
        """The estimate by part, with the JSON schema and the tools that are sent beside the messages."""
        parts = {name: sum(map(message_tokens, getattr(self, name))) for name in ("system", "demos", "history", "request")}
        if isinstance(schema, Mapping):
            parts["schema"] = estimate_tokens(one_line(dict(schema)))
        if specs := list(tools):
            parts["tools"] = sum(estimate_tokens(t.name + t.description + one_line(dict(t.parameters))) for t in specs)
        return Tokens(parts, left_out=self.left_out)


class Tokens(dict[str, int]):
    """Estimated tokens by part of a prompt; `total` of all, `left_out` the demos and old turns that did not fit."""

    def __init__(self, parts: Mapping[str, int], left_out: int = 0) -> None:
        super().__init__(parts)
        self.left_out = left_out

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(self.values())
