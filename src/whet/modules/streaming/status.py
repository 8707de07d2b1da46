"""Messages about what a program is doing, made from its callbacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whet.core.events import BaseCallback
from whet.modules.streaming.event import Event

__all__ = ["StatusMessage", "StatusMessageProvider", "Teller"]


@dataclass(frozen=True)
class StatusMessage:
    """A message about what a program is doing.

    >>> StatusMessage("Looking it up").message
    'Looking it up'
    """

    message: str


class StatusMessageProvider:
    """Words for what a program is doing. Override what you want said; `None` says nothing.

    >>> class Told(StatusMessageProvider):
    ...     def tool_start_status_message(self, instance, inputs):
    ...         return f"Looking up {inputs['kwargs']}"
    >>> Told().tool_end_status_message(3)
    'Tool calling finished! Querying the LLM with tool calling results...'
    """

    def tool_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str | None:
        """Before a tool is called."""
        return f"Calling tool {instance.name}..."

    def tool_end_status_message(self, outputs: Any) -> str | None:
        """After a tool was called."""
        return "Tool calling finished! Querying the LLM with tool calling results..."

    def module_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str | None:
        """Before a module runs."""
        return None

    def module_end_status_message(self, outputs: Any) -> str | None:
        """After a module ran."""
        return None

    def lm_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str | None:
        """Before a model is asked."""
        return None

    def lm_end_status_message(self, outputs: Any) -> str | None:
        """After a model answered."""
        return None


class Teller(BaseCallback):
    """Puts status messages and, with `events`, what tools do on a stream."""

    def __init__(self, put: Callable[[Any], None], provider: StatusMessageProvider | None, *, events: bool) -> None:
        self._put, self._provider, self._events = put, provider or StatusMessageProvider(), events
        self._tools: dict[str, str] = {}

    def _say(self, message: str | None) -> None:
        if message:
            self._put(Event("status", text=message) if self._events else StatusMessage(message))

    def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A tool is called; the one that ends an agent's loop is not worth a word."""
        name = getattr(instance, "name", "")
        if name == "finish":
            return
        self._tools[call_id] = name
        if self._events:
            self._put(Event("tool_start", name=name, value=inputs))
        self._say(self._provider.tool_start_status_message(instance, inputs))

    def on_tool_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """A tool has given something, or failed."""
        name = self._tools.pop(call_id, None)
        if name is None:
            return
        if self._events:
            self._put(Event("tool_end", name=name, value=exception if exception is not None else outputs))
        self._say(self._provider.tool_end_status_message(outputs))

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A module runs."""
        self._say(self._provider.module_start_status_message(instance, inputs))

    def on_module_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """A module ran."""
        self._say(self._provider.module_end_status_message(outputs))

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A model is asked."""
        self._say(self._provider.lm_start_status_message(instance, inputs))

    def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """A model answered."""
        self._say(self._provider.lm_end_status_message(outputs))
