"""Earlier turns of a conversation, as a field type."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["History"]


@dataclass(frozen=True, kw_only=True)
class History:
    """Earlier turns: each is a dict of the signature's field values. Frozen; `append` makes a longer one.

    >>> History(messages=[{"question": "2+2?", "answer": "4"}]).append(question="3+3?", answer="6").messages[1]["answer"]
    '6'
    """

    messages: list[dict[str, Any]] = field(default_factory=list)

    def append(self, **turn: Any) -> History:
        """A history with one more turn at its end."""
        return History(messages=[*self.messages, turn])
