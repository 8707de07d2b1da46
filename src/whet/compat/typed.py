"""Names that DSPy 3.3 had for typed requests: whet's `Request`, `Response` and `Message`, and short ways to write a message.

>>> [m.role for m in (System("Be brief."), User("Hello"), Assistant("Hi"))]
['system', 'user', 'assistant']

Give them to a model as `lm(messages=[System(...), User(...)])`, or whole as `lm(LMRequest(messages=(...)))`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from whet.adapters.turns import beside
from whet.core.context import SettingsDict
from whet.core.exchange import Request, Response
from whet.core.messages import Message, Part, Role, TextPart
from whet.core.types.kind import parts_of
from whet.core.types.tools import ToolCall
from whet.lm.asking import messages_of

__all__ = ["Assistant", "Developer", "LMConfig", "LMMessage", "LMRequest", "LMResponse", "System", "ToolResult", "User"]

LMRequest: TypeAlias = Request
LMResponse: TypeAlias = Response
LMMessage: TypeAlias = Message


class LMConfig(SettingsDict):
    """Request parameters by name, readable as attributes; a parameter that is `None` is not there.

    >>> LMConfig(temperature=0.2, stop=None)
    {'temperature': 0.2}
    """

    def __init__(self, **parameters: Any) -> None:
        super().__init__({name: value for name, value in parameters.items() if value is not None})


def System(*content: Any) -> Message:
    """A system message: texts, media and content blocks in order.

    >>> System("Be brief.").role
    'system'
    """
    return _turn("system", content)


def Developer(*content: Any) -> Message:
    """A developer message: texts, media and content blocks in order.

    >>> Developer("Be brief.").role
    'developer'
    """
    return _turn("developer", content)


def User(*content: Any) -> Message:
    """A message of the user: texts, media (`Image`, `Audio`, `File`, ...) and content blocks in order.

    >>> User("Hello").content
    'Hello'
    """
    return _turn("user", content)


def Assistant(*content: Any) -> Message:
    """A message of the model: texts, and the tools that it called.

    >>> Assistant(ToolCall(name="add", args={"x": 1}, id="1")).tool_calls[0].arguments
    '{"x": 1}'
    """
    said = _turn("assistant", [one for one in content if not isinstance(one, ToolCall)])
    return Message("assistant", said.content, tuple(one.part() for one in content if isinstance(one, ToolCall)))


def ToolResult(*content: Any, call_id: str | None = None, name: str | None = None) -> Message:
    """What the tool `name` gave for the call `call_id`.

    >>> ToolResult("3", call_id="1", name="add").tool_call_id
    '1'
    """
    return Message("tool", _turn("tool", content).content, tool_call_id=call_id, name=name)


def _turn(role: Role, content: Iterable[Any]) -> Message:
    parts: list[Part] = []
    for one in content:
        if isinstance(one, str):
            parts.append(TextPart(one, apart=bool(parts)))
        elif hasattr(one, "whet_parts"):
            parts += parts_of(one)
        else:
            block = messages_of([{"role": role, "content": [one]}])[0].content
            parts += block if isinstance(block, tuple) else ()
    return Message(role, beside(parts) if parts else "")
