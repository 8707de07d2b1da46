"""From an answer to typed outputs: what all formats share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whet.adapters.native import Native, left_empty, native_values
from whet.core.events import handlers_of, observing
from whet.core.exchange import Choice
from whet.core.field import MISSING, Field
from whet.core.signature import Signature
from whet.core.types.kind import core_type
from whet.errors import AdapterParseError, SchemaError, TruncatedError

if TYPE_CHECKING:
    from whet.adapters.plan import Plan
    from whet.adapters.scanner import Scanner

__all__ = ["Reader", "Reading", "whole_reader"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer was read as: the outputs, and every repair that was needed, one sentence each.

    >>> import whet
    >>> from whet.core.exchange import Choice
    >>> answer = Choice(text='{"n": 4,}')
    >>> reading = whet.JSONAdapter().read(whet.Signature("question -> n: int"), answer)
    >>> reading.values, len(reading.repairs)
    ({'n': 4}, 1)
    """

    values: dict[str, Any]
    repairs: tuple[str, ...] = ()


class Reader:
    """Reads answers. Formats override `split`, and what else is different."""

    callbacks: list[Any]

    if TYPE_CHECKING:

        def plan(self, signature: Signature) -> Plan:
            """The kept work for a signature."""

        def anchor(self, name: str) -> str:
            """What stands before a field's value in an answer."""

    @property
    def _own_parse(self) -> bool:
        # A subclass's own, or one that a test put there.
        return getattr(self.parse, "__func__", None) is not Reader.parse

    def parse(self, signature: Signature, completion: str) -> dict[str, Any]:
        """The typed outputs in an answer's text. Pure.

        Raises `AdapterParseError` that names the field, what was there and what would fit.
        """
        choice = Choice(text=completion)
        if self._own_parse:  # a subclass's `parse` asks for ours: `read` would call the subclass's again
            return self._with_native(signature, choice, None, self._read_text).values
        return self.read(signature, choice).values

    def read(self, signature: Signature, choice: Choice, native: Native | None = None) -> Reading:
        """The outputs of one choice of a response, and the repairs they needed. `native` is what the model did by itself."""
        if self._own_parse:
            return self._with_native(signature, choice, native, self._read_by_own_parse)
        if handlers_of(self, "adapter_parse"):
            with observing("adapter_parse", self, {"signature": signature, "completion": choice.text}) as call:
                reading = self._with_native(signature, choice, native, self._read_text)
                call.outputs = reading.values
            return reading
        if native is None and not choice.tool_calls and not choice.logprobs:
            return self._read_text(signature, choice)
        return self._with_native(signature, choice, native, self._read_text)

    def _read_by_own_parse(self, signature: Signature, choice: Choice) -> Reading:
        return Reading(self.parse(signature, choice.text or ""))

    def _with_native(
        self, signature: Signature, choice: Choice, native: Native | None, read: Callable[[Signature, Choice], Reading]
    ) -> Reading:
        plan = self.plan(signature)
        called = bool(choice.tool_calls) and "tools" in plan.native
        if native is not None or called:
            kinds = {**({"tools": plan.native["tools"]} if called else {}), **(native.fields if native is not None else {})}
            reading = self._read_around(signature, choice, kinds, called, read)
        else:
            reading = read(signature, choice)
        if plan.likely and choice.logprobs:
            self._weigh(plan.likely, reading.values, choice.logprobs)
        return reading

    def _read_around(
        self, signature: Signature, choice: Choice, kinds: Mapping[str, str], called: bool, read: Callable[[Signature, Choice], Reading]
    ) -> Reading:
        values = native_values(signature, choice, kinds)
        rest = signature._with_fields(f for f in signature.fields.values() if f.name not in values)
        reading = Reading({})
        if rest.output_fields:
            try:
                reading = read(rest, choice)
            except AdapterParseError:
                if not called:
                    raise
                reading = Reading({f.name: _beside_calls(f, choice) for f in rest.output_fields.values()})
        merged = {**reading.values, **values}
        return Reading({name: merged[name] for name in signature.output_fields}, reading.repairs)

    def _weigh(self, names: Iterable[str], values: dict[str, Any], logprobs: Any) -> None:
        tokens = list((logprobs.get("content") if isinstance(logprobs, Mapping) else logprobs) or ())
        text = "".join(str(token.get("token")) for token in tokens)
        for name in names:
            place = text.find(self.anchor(name))
            if place >= 0 and hasattr(values.get(name), "with_logprobs"):
                after = place + len(self.anchor(name))
                start = after + len(text[after:]) - len(text[after:].lstrip(' \t\r\n":'))
                values[name] = values[name].with_logprobs(tokens, start)

    def _read_text(self, signature: Signature, choice: Choice) -> Reading:
        text = choice.text
        if text is None or not text.strip():
            raise self.empty(signature, choice)
        repairs: list[str] = []
        found = self.split(signature, choice, repairs)
        values: dict[str, Any] = {}
        for field in signature.output_fields.values():
            values[field.name] = self._value(signature, choice, field, found, repairs, values)
        return Reading(values, tuple(repairs))

    def scanner(self, signature: Signature) -> Scanner | None:
        """Reads an answer while it comes; `None` for a format that can only be read as a whole."""
        return None

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
            raise self.misfit(signature, choice, field, error, so_far) from error

    def misfit(self, signature: Signature, choice: Choice, field: Field, error: SchemaError, so_far: dict[str, Any]) -> AdapterParseError:
        """The error for a part of an answer that is no value of its field."""
        message = f"Field `{field.name}`: {error} {_advice(choice)}"
        return self.error(signature, choice, message, so_far, field=field.name, reason=str(error))

    def typed(self, field: Field, part: Any, repairs: list[str]) -> Any:
        """One field's part of an answer as a value of its type."""
        return field.schema.parse(part, repairs) if isinstance(part, str) else field.schema.coerce(part, repairs)

    def _missing(self, signature: Signature, choice: Choice, field: Field, so_far: dict[str, Any]) -> AdapterParseError:
        message = f"Field `{field.name}` ({field.schema.name}) is missing in the answer. {_advice(choice)}"
        return self.error(signature, choice, message, so_far, field=field.name, reason=f"`{field.name}` is missing")

    def empty(self, signature: Signature, choice: Choice) -> AdapterParseError:
        """The error for an answer without a word."""
        first = next(iter(signature.output_fields), None)
        message = f"The LM returned an empty or null response. {_advice(choice)}"
        return self.error(signature, choice, message, field=first, reason="the answer is empty")

    def error(
        self, signature: Signature, choice: Choice, message: str, parsed: dict[str, Any] | None = None, **details: Any
    ) -> AdapterParseError:
        """The error for an answer that cannot be read; a `TruncatedError` when the model ran into its token limit."""
        kind = TruncatedError if choice.finish_reason == "length" else AdapterParseError
        if kind is TruncatedError:
            message = f"The answer was cut off at the token limit. {message}"
        return kind(type(self).__name__, signature, choice.text, message, parsed, finish_reason=choice.finish_reason, **details)


def _beside_calls(field: Field, choice: Choice) -> Any:
    """An output that the model wrote no text for, since it called tools: what it thought, for a field of thoughts."""
    if choice.reasoning and getattr(core_type(field.annotation), "__name__", "") == "Reasoning":
        return field.schema.coerce(choice.reasoning)
    return left_empty(field)


def _advice(choice: Choice) -> str:
    """What may help against an answer that cannot be read."""
    if choice.finish_reason == "length":
        return "What may help: raise `max_tokens`."
    if choice.finish_reason == "content_filter":
        return "The provider's filter stopped the answer: change what is asked, or ask another model."
    return "What may help: another adapter, a demo, or `retries=1` to show the model its answer."


def whole_reader(signature: Signature) -> Any:
    """pydantic's compiled reader of a clean answer, where models are among the outputs and it reads every field as we do; else None."""
    schemas = [f.schema for f in signature.output_fields.values()]
    if not any(getattr(schema, "validator", None) is not None for schema in schemas):
        return None
    if not all(part.pydantic_reads for schema in schemas for part in schema.family()):
        return None
    from pydantic import TypeAdapter  # noqa: PLC0415 - slow to import, and pydantic's models are here already
    from pydantic.errors import PydanticUserError  # noqa: PLC0415 - as above
    from typing_extensions import TypedDict  # noqa: PLC0415 - comes with pydantic

    try:
        make: Any = TypedDict
        return TypeAdapter(make("Answer", {f.name: f.annotation for f in signature.output_fields.values()})).validator
    except (PydanticUserError, NameError, TypeError):
        return None
