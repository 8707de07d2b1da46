"""The request of an agent's step for a model that calls tools by itself: tools as tools, the trajectory as turns of the conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whet.adapters.base import Adapter, Reading
from whet.adapters.budget import Sections
from whet.adapters.overflow import fitting
from whet.adapters.plan import Plan
from whet.core.events import handlers_of, observing
from whet.core.exchange import Capabilities, Choice, Request, ToolSpec
from whet.core.messages import Message, TextPart, ToolCallPart
from whet.core.schema import one_line, plain, read_object
from whet.core.signature import Signature
from whet.core.trace import message_dicts
from whet.core.types.tools import ToolCall, ToolCalls
from whet.errors import SchemaError
from whet.modules.trajectory import UNREADABLE, ToolUse, Trajectory, Turn, shown

__all__ = ["NativeTools", "tool_message"]

_END = "(Here the example ends.)"


class NativeTools(Adapter):
    """Shows the inputs in the format of `base`, and reads calls of tools instead of fields.

    The signature is that of the step in text form (`trajectory`, `next_thought`, `next_tool_name`, `next_tool_args`), so that what is
    learnt with one kind of model serves the other.
    """

    def __init__(self, base: Adapter, task: Signature, tools: Sequence[ToolSpec], instructions: Mapping[str, str]) -> None:
        super().__init__()
        self.base, self.task, self.tools = base, task, tuple(tools)
        self.style = base.style
        # The text for models with tools in the place of the text that tells others how to write a call.
        self.instructions = instructions

    def __deepcopy__(self, memo: dict[int, Any]) -> NativeTools:
        return self  # it keeps nothing of a program

    def native(self, signature: Signature, inputs: Any, options: Any, capabilities: Any, lm: Any = None) -> None:
        """Nothing that `Predict` needs to know of."""

    def plan(self, signature: Signature) -> Plan:
        """The kept work for the inputs of the task, which the format of `base` writes."""
        return self.base.plan(self.task)

    def sections(self, signature: Signature, inputs: Any, demos: Any = (), *, native: bool = True) -> Sections:
        """The parts of the prompt: the trajectory counts as the request."""
        shown = [message for number, demo in enumerate(demos) for message in self._example(demo, number)]
        history = self.base.sections(self.task, inputs, (), native=True).history
        system = Message("system", self._system(signature))
        return Sections((system,), tuple(shown), history, tuple(self._conversation(inputs, "call")))

    def request(
        self,
        signature: Signature,
        inputs: Mapping[str, Any],
        demos: Sequence[Mapping[str, Any]] = (),
        *,
        options: Mapping[str, Any] | None = None,
        capabilities: Capabilities | None = None,
        native: Any = None,
    ) -> Request:
        """System text, examples, the inputs, and the trajectory as assistant and tool messages."""
        if not handlers_of(self.base, "adapter_format"):
            messages = self._shown(signature, inputs, demos, capabilities)
        else:
            with observing("adapter_format", self.base, {"signature": signature, "demos": demos, "inputs": inputs}) as call:
                messages = self._shown(signature, inputs, demos, capabilities)
                call.outputs = message_dicts(messages)
        return Request(messages=messages, options=options or {}, tools=self.tools)

    def _shown(self, signature: Signature, inputs: Any, demos: Sequence[Any], can: Capabilities | None) -> tuple[Message, ...]:
        if self.style.overflow == "send" or can is None or not can.context_window:
            return self.sections(signature, inputs, demos).messages
        return fitting(self, signature, inputs, demos, can, self.tools)

    def _system(self, signature: Signature) -> str:
        text = self.instructions.get(signature.instructions, signature.instructions)
        described = [f"- `{f.name}`: {f.desc}" for f in self.task.input_fields.values() if f.desc]
        return "\n".join([text, "", "What you are given:", *described]) if described else text

    def _conversation(self, inputs: Mapping[str, Any], prefix: str) -> list[Message]:
        content = self.base.format_user_message_content(self.task, inputs)
        messages = [Message("user", content)]
        trajectory = Trajectory.validated(inputs.get("trajectory") or Trajectory())
        if trajectory.summary:
            messages.append(Message("user", f"What was done so far, in short: {trajectory.summary}"))
        for turn in trajectory.turns:
            messages += _turn_messages(turn, prefix)
        return messages

    def _example(self, demo: Mapping[str, Any], number: int) -> list[Message]:
        name, args = demo.get("next_tool_name"), demo.get("next_tool_args")
        messages = self._conversation({k: v for k, v in demo.items() if v is not None}, f"example_{number}")
        if not name:
            return messages
        use = ToolUse(index=-1, name=str(name), args=dict(args or {}), id=f"example_{number}", observation=_END, done=True)
        return messages + _turn_messages(Turn(thought=str(demo.get("next_thought") or ""), uses=[use]), "")

    def read(self, signature: Signature, choice: Choice, native: Any = None) -> Reading:
        """The calls that the model made, the first of them also under the names of the text form; without a call, what it said."""
        if not handlers_of(self.base, "adapter_parse"):
            return self._read(signature, choice)
        with observing("adapter_parse", self.base, {"signature": signature, "completion": choice.text}) as call:
            reading = self._read(signature, choice)
            call.outputs = reading.values
        return reading

    def _read(self, signature: Signature, choice: Choice) -> Reading:
        thought = choice.text or choice.reasoning or ""
        calls = [ToolCall(name=call.name, args=_arguments(call.arguments), id=call.id, signed=call.signed) for call in choice.tool_calls]
        values: dict[str, Any] = {"next_thought": thought, "next_tool_name": None, "next_tool_args": {}, "tool_calls": ToolCalls(calls)}
        if calls:
            values["next_tool_name"], values["next_tool_args"] = calls[0].name, calls[0].args
        if not thought.strip() and not calls:
            raise self.empty(signature, choice)
        return Reading(values)


def _arguments(text: str) -> dict[str, Any]:
    """The arguments of a call, damage repaired; what cannot be read is handed on as it is, under a name that no tool has."""
    if not (text or "").strip():
        return {}
    try:
        return read_object(text)
    except SchemaError:
        return {UNREADABLE: text}


def _turn_messages(turn: Turn, prefix: str) -> list[Message]:
    named = [use for use in turn.uses if use.name]
    ids = [use.id or f"{prefix}_{use.index}" for use in named]
    calls = tuple(
        ToolCallPart(id=id_, name=use.name, arguments=one_line(plain(use.args)), signed=use.signed)
        for id_, use in zip(ids, named, strict=True)
    )
    messages = [Message("assistant", turn.thought, tool_calls=calls)] if calls or turn.thought else []
    messages += [tool_message(use, id_) for id_, use in zip(ids, named, strict=True)]
    return messages + [Message("user", str(use.observation)) for use in turn.uses if not use.name]


def tool_message(use: ToolUse, id_: str) -> Message:
    """What a tool gave, as the message that answers a call."""
    content = shown(use.observation)
    if not isinstance(content, str) and all(isinstance(part, TextPart) for part in content):
        content = "".join(part.text for part in content)
    return Message("tool", content, tool_call_id=id_, name=use.name)
