"""Earlier turns and examples as messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from whet.adapters.demos import Demo
from whet.core.messages import Content, Message, Part, TextPart
from whet.core.schema import one_line
from whet.core.signature import Signature
from whet.core.types.history import History
from whet.core.types.kind import core_type

if TYPE_CHECKING:
    from whet.adapters.base import Adapter

__all__ = ["NOT_SUPPLIED", "as_content", "beside", "demo_messages", "history_messages", "parts_of"]

NOT_SUPPLIED: Final = "(not supplied in this example)"
_RESULTS: Final = "tool_call_results"


def demo_messages(adapter: Adapter, signature: Signature, demos: Iterable[Demo]) -> list[Message]:
    """Examples as pairs of user and assistant messages."""
    messages = []
    for demo in demos:
        prefix = "" if demo.complete else "This is an example of the task, of which some fields are not supplied."
        user = adapter.format_user_message_content(signature, demo.values, prefix=prefix)
        answer = adapter.format_assistant_message_content(signature, demo.values, missing_field_message=NOT_SUPPLIED)
        messages += [Message("user", user), Message("assistant", answer)]
    return messages


def as_content(messages: Iterable[Message]) -> Content:
    """Example turns as the content of one message, for a place where no turns can stand: text, or parts where there are media."""
    said = {"user": "Given", "assistant": "Answer"}
    parts: list[Part] = [TextPart("Examples:")]
    for message in messages:
        parts.append(TextPart(f"\n\n{said.get(message.role, message.role)}:\n"))
        parts += [TextPart(message.content.strip())] if isinstance(message.content, str) else message.content
    return beside(parts)


def beside(parts: Iterable[Part]) -> Content:
    """Parts as the content of a message: one text, where nothing else is among them."""
    from whet.core.types.kind import joined  # noqa: PLC0415 - the types import pydantic when they are used

    whole = joined(parts)
    return whole[0].text if len(whole) == 1 and isinstance(whole[0], TextPart) and not whole[0].apart else whole


def parts_of(content: Content) -> tuple[Part, ...]:
    """The content of a message as parts."""
    return (TextPart(content),) if isinstance(content, str) else content


def history_messages(adapter: Adapter, signature: Signature, history: Any, native: bool) -> list[Message]:
    """Earlier turns as messages; with `native`, calls of tools as the model made them, and a message per result."""
    calls_field = next((f.name for f in signature.output_fields.values() if _is_calls(f.annotation)), None)
    messages: list[Message] = []
    for turn in History.of(history).messages:
        user = adapter.format_user_message_content(signature, turn, main_request=any(name in turn for name in signature.input_fields))
        if user:
            messages.append(Message("user", user))
        calls = _calls_in(turn, calls_field)
        if calls is None:
            messages.append(_answer(adapter, signature, turn))
        elif native:
            messages += _native_turn(adapter, signature, turn, calls)
        else:
            messages += _text_turn(adapter, signature, turn, calls)
    return messages


def _is_calls(annotation: Any) -> bool:
    return getattr(core_type(annotation), "__name__", "") == "ToolCalls"


def _calls_in(turn: Mapping[str, Any], name: str | None) -> Any:
    found = [turn.get(name)] if name is not None else []
    # A history that was saved as JSON holds them as a dict, also where the model calls by itself and no field is named for them.
    found += [value for value in turn.values() if hasattr(value, "tool_calls") or (isinstance(value, Mapping) and "tool_calls" in value)]
    value = next((value for value in found if value is not None), None)
    if value is None or not (hasattr(value, "tool_calls") or (isinstance(value, (Mapping, list)) and value)):
        return None
    from whet.core.types.tools import ToolCalls  # noqa: PLC0415 - only conversations with tools need it

    calls = ToolCalls.validated(value)
    return calls if calls.tool_calls else None


def _answer(adapter: Adapter, signature: Signature, turn: Mapping[str, Any]) -> Message:
    return Message("assistant", adapter.format_assistant_message_content(signature, turn, missing_field_message="None"))


def _native_turn(adapter: Adapter, signature: Signature, turn: Mapping[str, Any], calls: Any) -> list[Message]:
    results = calls.tool_call_results.tool_call_results if calls.tool_call_results is not None else ()
    asked, answered = [call.id for call in calls.tool_calls], [one.call_id for one in results]
    for name in [name for name, output in signature.output_fields.items() if _is_calls(output.annotation)]:
        signature = signature.delete(name)
    others = [name for name in signature.output_fields if turn.get(name) is not None]
    text = adapter.format_assistant_message_content(signature, {f: turn[f] for f in others}, missing_field_message="None") if others else ""
    if not all(asked) or len(set(asked)) < len(asked) or sorted(map(str, asked)) != sorted(map(str, answered)):
        return [Message("assistant", text)] if text else []
    said = Message("assistant", text, tool_calls=tuple(call.part() for call in calls.tool_calls))
    return [said, *(Message("tool", one.text, tool_call_id=one.call_id, name=one.name) for one in results)]


def _text_turn(adapter: Adapter, signature: Signature, turn: Mapping[str, Any], calls: Any) -> list[Message]:
    messages = [_answer(adapter, signature, turn)]
    if calls.tool_call_results is not None and len(calls.tool_call_results):
        messages.append(Message("user", adapter.format_input(_RESULTS, one_line(calls.tool_call_results.dumped()))))
    return messages
