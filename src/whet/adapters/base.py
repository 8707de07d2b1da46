"""What all adapters share: the order of messages, demos, history, defaults for missing outputs.

An adapter is two pure functions: `render` turns a signature, demos and inputs into messages, `parse` turns an answer's text into typed
values.
A format is a subclass that says how fields are laid out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whet.adapters.demos import Demo, DemoCache
from whet.core.exchange import Capabilities, Choice, Request
from whet.core.field import MISSING, Field
from whet.core.flow import Flow, adrive, drive
from whet.core.messages import Message
from whet.core.schema import describe_constraints
from whet.core.signature import Signature
from whet.core.trace import message_dicts
from whet.core.types.history import History
from whet.errors import AdapterParseError, SchemaError, TruncatedError

__all__ = ["Adapter", "Plan", "Reading"]

NOT_SUPPLIED = "(not supplied in this example)"
_PLANS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about rendering and parsing that depends on the signature alone; made once and kept."""

    signature: Signature
    system: str
    reminder: str
    inputs: tuple[tuple[str, Callable[[Any], str]], ...]
    outputs: tuple[tuple[str, Callable[[Any], str]], ...]
    history: str | None
    demos: DemoCache


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer was read as: the outputs, and every repair that was needed, one sentence each."""

    values: dict[str, Any]
    repairs: tuple[str, ...] = ()


class Adapter:
    """Base of all formats. Subclasses say how fields are laid out; any `format_*` part can be overridden on its own."""

    def __init__(self) -> None:
        self._plans: dict[int, Plan] = {}

    # -- rendering -----------------------------------------------------------------------------------------------------

    def render(self, signature: Signature, inputs: Mapping[str, Any], demos: Sequence[Mapping[str, Any]] = ()) -> tuple[Message, ...]:
        """The messages of one call. Pure: the same arguments always give the same messages, and no model is needed."""
        plan = self.plan(signature)
        messages = [Message("system", plan.system), *plan.demos.messages(demos, lambda chosen: self._demo_messages(signature, chosen))]
        if plan.history is not None:
            messages += self._history_messages(signature, plan.history, inputs)
        final = self.format_user_message_content(signature, inputs, main_request=True)
        if final:
            messages.append(Message("user", final))
        return tuple(messages)

    def request(
        self,
        signature: Signature,
        inputs: Mapping[str, Any],
        demos: Sequence[Mapping[str, Any]] = (),
        *,
        options: Mapping[str, Any] | None = None,
        capabilities: Capabilities | None = None,
    ) -> Request:
        """The whole request of one call, for a model with these capabilities."""
        schema = self.response_schema(signature, capabilities or Capabilities())
        return Request(messages=self.render(signature, inputs, demos), options=options or {}, response_schema=schema)

    def response_schema(self, signature: Signature, capabilities: Capabilities) -> Any:
        """The JSON schema that the model is asked to keep to; `None` where the format needs none."""
        return None

    def plan(self, signature: Signature) -> Plan:
        """The kept work for a signature."""
        plan = self._plans.get(id(signature))
        if plan is None or plan.signature is not signature:
            plan = self._make_plan(signature)
            while len(self._plans) >= _PLANS_KEPT:
                self._plans.pop(next(iter(self._plans)), None)
            self._plans[id(signature)] = plan
        return plan

    def _make_plan(self, signature: Signature) -> Plan:
        history = next((f.name for f in signature.input_fields.values() if f.annotation is History), None)
        return Plan(
            signature=signature,
            system=self.format_system_message(signature),
            reminder=self.user_message_output_requirements(signature),
            inputs=tuple((f.name, f.schema.render) for f in signature.input_fields.values() if f.name != history),
            outputs=tuple((f.name, f.schema.render) for f in signature.output_fields.values()),
            history=history,
            demos=DemoCache(signature),
        )

    def _demo_messages(self, signature: Signature, demos: Iterable[Demo]) -> list[Message]:
        messages = []
        for demo in demos:
            prefix = "" if demo.complete else "This is an example of the task, of which some fields are not supplied."
            user = self.format_user_message_content(signature, demo.values, prefix=prefix)
            answer = self.format_assistant_message_content(signature, demo.values, missing_field_message=NOT_SUPPLIED)
            messages += [Message("user", user), Message("assistant", answer)]
        return messages

    def _history_messages(self, signature: Signature, name: str, inputs: Mapping[str, Any]) -> list[Message]:
        history = inputs.get(name)
        turns = history.messages if isinstance(history, History) else (history or {}).get("messages", [])
        messages = []
        for turn in turns:
            if user := self.format_user_message_content(signature, turn, main_request=True):
                messages.append(Message("user", user))
            messages.append(Message("assistant", self.format_assistant_message_content(signature, turn, missing_field_message="None")))
        return messages

    # -- the parts of a prompt -----------------------------------------------------------------------------------------

    def format_system_message(self, signature: Signature) -> str:
        """The system text: fields, structure of an exchange, task."""
        parts = (self.format_field_description(signature), self.format_field_structure(signature), self.format_task_description(signature))
        return "\n".join(parts)

    def format_field_description(self, signature: Signature) -> str:
        """The numbered lists of inputs and outputs."""
        return (
            f"What you are given:\n{_field_list(signature.input_fields.values())}\n"
            f"What you produce:\n{_field_list(signature.output_fields.values())}"
        )

    def format_task_description(self, signature: Signature) -> str:
        """The instructions."""
        return f"Your task:\n{signature.instructions}"

    def format_field_structure(self, signature: Signature) -> str:
        """How an exchange is laid out."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `format_field_structure`.")

    def user_message_output_requirements(self, signature: Signature) -> str:
        """The reminder at the end of the request."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `user_message_output_requirements`.")

    def format_user_message_content(
        self, signature: Signature, inputs: Mapping[str, Any], prefix: str = "", suffix: str = "", main_request: bool = False
    ) -> str:
        """The inputs of a call, of a demo or of an earlier turn; with the reminder at its end when it is the request itself."""
        plan = self.plan(signature)
        blocks = [prefix] if prefix else []
        for name, render in plan.inputs:
            if name in inputs:
                blocks.append(self.format_field(name, render(inputs[name])))
        if main_request and plan.reminder and (blocks or plan.inputs == ()):
            blocks.append(plan.reminder)
        if suffix:
            blocks.append(suffix)
        return "\n\n".join(blocks)

    def format_assistant_message_content(
        self, signature: Signature, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """An answer as the model should write it."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `format_assistant_message_content`.")

    def format_field(self, name: str, text: str) -> str:
        """One field with its text."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `format_field`.")

    def format(self, signature: Signature, demos: Sequence[Mapping[str, Any]], inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The messages as dicts in OpenAI's form."""
        return message_dicts(self.render(signature, inputs, demos))

    # -- parsing -------------------------------------------------------------------------------------------------------

    def parse(self, signature: Signature, completion: str) -> dict[str, Any]:
        """The typed outputs in an answer's text. Pure.

        Raises `AdapterParseError` that names the field, what was there and what would fit.
        """
        return self.read(signature, Choice(text=completion)).values

    def read(self, signature: Signature, choice: Choice) -> Reading:
        """The outputs of one choice of a response, and the repairs they needed."""
        text = choice.text
        if text is None or not text.strip():
            raise self.error(signature, choice, "The LM returned an empty or null response.", reason="the answer is empty")
        repairs: list[str] = []
        found = self.split(signature, choice, repairs)
        values: dict[str, Any] = {}
        for field in signature.output_fields.values():
            values[field.name] = self._value(signature, choice, field, found, repairs, values)
        return Reading(values, tuple(repairs))

    def split(self, signature: Signature, choice: Choice, repairs: list[str]) -> Mapping[str, Any]:
        """The parts of an answer by field name, not yet typed. Text parts are parsed, others coerced."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `split`.")

    def _value(
        self, signature: Signature, choice: Choice, field: Field, found: Mapping[str, Any], repairs: list[str], so_far: dict[str, Any]
    ) -> Any:
        part = found.get(field.name, MISSING)
        if part is MISSING:
            if not field.required:
                return field.default_value()
            if field.schema.nullable:
                return None
            raise self._missing(signature, choice, field, so_far)
        try:
            return self.typed(field, part, repairs)
        except SchemaError as error:
            raise self.error(signature, choice, f"Field `{field.name}`: {error}", so_far, field=field.name, reason=str(error)) from error

    def typed(self, field: Field, part: Any, repairs: list[str]) -> Any:
        """One field's part of an answer as a value of its type."""
        return field.schema.parse(part, repairs) if isinstance(part, str) else field.schema.coerce(part, repairs)

    def _missing(self, signature: Signature, choice: Choice, field: Field, so_far: dict[str, Any]) -> AdapterParseError:
        fix = (
            "raise `max_tokens`"
            if choice.finish_reason == "length"
            else "try another adapter, a demo, or `retries=1` to show the model its answer"
        )
        message = f"Field `{field.name}` ({field.schema.name}) is missing in the answer. What may help: {fix}."
        return self.error(signature, choice, message, so_far, field=field.name, reason="missing")

    def error(
        self, signature: Signature, choice: Choice, message: str, parsed: dict[str, Any] | None = None, **details: Any
    ) -> AdapterParseError:
        """The error for an answer that cannot be read; a `TruncatedError` when the model ran into its token limit."""
        kind = TruncatedError if choice.finish_reason == "length" else AdapterParseError
        if kind is TruncatedError:
            message = f"The answer was cut off at the token limit. {message}"
        return kind(type(self).__name__, signature, choice.text, message, parsed, finish_reason=choice.finish_reason, **details)

    # -- calling a model with it ---------------------------------------------------------------------------------------

    def flow(
        self, lm: Any, lm_kwargs: Mapping[str, Any], signature: Signature, demos: Sequence[Any], inputs: Mapping[str, Any]
    ) -> Flow[Any]:
        """Render, ask, parse: one dict of outputs per completion."""
        response = yield from lm.flow(self.request(signature, inputs, demos, options=lm_kwargs, capabilities=lm.capabilities))
        return [self.read(signature, choice).values for choice in response.choices]

    def __call__(
        self, lm: Any, lm_kwargs: Mapping[str, Any], signature: Signature, demos: Sequence[Any], inputs: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Render, ask the model, parse: one dict of outputs per completion."""
        return drive(self.flow(lm, lm_kwargs, signature, demos, inputs))

    async def acall(
        self, lm: Any, lm_kwargs: Mapping[str, Any], signature: Signature, demos: Sequence[Any], inputs: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """The same as calling it, from async code."""
        return await adrive(self.flow(lm, lm_kwargs, signature, demos, inputs))


def _field_list(fields: Iterable[Field]) -> str:
    return "\n".join(f"{i}. `{f.name}` ({f.schema.name}): {f.desc}{_constraint_line(f)}" for i, f in enumerate(fields, 1))


def _constraint_line(field: Field) -> str:
    return f"\nConstraints: {describe_constraints(field.constraints)}" if field.constraints else ""
