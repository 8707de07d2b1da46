"""Earlier turns of a conversation, as a field type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from whet.core.schema import one_line, plain

__all__ = ["History"]


@dataclass(frozen=True, kw_only=True)
class History:
    """Earlier turns: each is a dict of the signature's field values. Frozen; `append` makes a longer one.

    A turn may hold `ToolCalls` with their results; they are shown as the model made them.

    >>> History(messages=[{"question": "2+2?", "answer": "4"}]).append(question="3+3?", answer="6").messages[1]["answer"]
    '6'
    """

    messages: list[dict[str, Any]] = field(default_factory=list)

    def append(self, **turn: Any) -> History:
        """A history with one more turn at its end."""
        return History(messages=[*self.messages, turn])

    def to_dict(self) -> dict[str, Any]:
        """The history as plain data, with the ids and results of tool calls."""
        return {"messages": [{name: _kept(value) for name, value in turn.items()} for turn in self.messages]}

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """`to_dict()`, as pydantic's models spell it."""
        return self.to_dict()

    def model_dump_json(self, **options: Any) -> str:
        """The same as the text of its JSON."""
        return one_line(self.to_dict())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> History:
        """The same history, with other messages where some are given."""
        return History(**{"messages": list(self.messages), **(update or {})})

    @classmethod
    def model_validate(cls, value: Any) -> History:
        """`of`, as pydantic's models spell it."""
        return cls.of(value)

    @classmethod
    def of(cls, value: Any) -> History:
        """A history from a history, its plain data, or None."""
        if isinstance(value, History):
            return value
        return cls(messages=list((value or {}).get("messages") or ()) if isinstance(value, Mapping) else list(value or ()))


def _kept(value: Any) -> Any:
    return value.to_dict() if hasattr(type(value), "tool_calls") or hasattr(value, "tool_call_results") else plain(value)
