"""Messages that come again with each call, such as a system text and demos, and what is written of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from whet.core.messages import Message

__all__ = ["LONGEST_KEPT", "Repeated"]

# The texts of so many messages are kept, of those that are no longer than this.
MESSAGES_KEPT, LONGEST_KEPT = 128, 8192


class Repeated:
    """Writes messages as texts, and keeps what it wrote: of all but the last of each request, which is another one each time.

    >>> texts = Repeated(lambda message: f"{message.role}: {message.content}")
    >>> texts((Message("system", "Be brief."), Message("user", "Hello")))
    ['system: Be brief.', 'user: Hello']
    """

    __slots__ = ("kept", "write")

    def __init__(self, write: Callable[[Message], str]) -> None:
        self.write, self.kept = write, lru_cache(MESSAGES_KEPT)(write)

    def __call__(self, messages: Sequence[Message]) -> list[str]:
        """The text of each message."""
        texts, kept, write = [], self.kept, self.write
        for message in messages[:-1]:
            plain = isinstance(message.content, str) and len(message.content) <= LONGEST_KEPT and not message.tool_calls
            texts.append(kept(message) if plain else write(message))
        texts += map(write, messages[-1:])
        return texts
