"""The two-step format: a first model answers in free text, a second one takes the fields out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whet.adapters.base import Adapter
from whet.adapters.chat import ChatAdapter
from whet.adapters.layout import field_list
from whet.adapters.turns import NOT_SUPPLIED
from whet.core.context import context
from whet.core.exchange import Choice
from whet.core.field import InputField
from whet.core.flow import Flow
from whet.core.signature import Signature
from whet.errors import AdapterParseError, ConfigurationError
from whet.lm.base import BaseLM, answering
from whet.lm.borrowed import as_model

__all__ = ["TwoStepAdapter"]


class TwoStepAdapter(Adapter):
    """For reasoning models that do better without a format: they answer in plain words, and `extraction_model` reads the fields out.

    Each prediction costs two calls. Raises `ConfigurationError` (a `ValueError`) when `extraction_model` is no model.

    >>> import whet.testing
    >>> thinker = whet.testing.ScriptedLM(["Two and two make four."], adapter=whet.ChatAdapter())
    >>> reader = whet.testing.ScriptedLM([{"answer": 4}], adapter=whet.ChatAdapter())
    >>> with whet.context(lm=thinker, adapter=TwoStepAdapter(reader)):
    ...     whet.Predict("question -> answer: int")(question="2+2?").answer
    4
    """

    def __init__(self, extraction_model: Any, **more: Any) -> None:
        if not isinstance(extraction_model, BaseLM):
            raise ConfigurationError(f"`extraction_model` must be a `whet.BaseLM`, not {extraction_model!r}.")
        super().__init__(**more)
        self.extraction_model = extraction_model
        self._extraction = ChatAdapter()

    def format_system_message(self, signature: Signature) -> str:
        """The task in plain words."""
        if self.style.system is not None:
            return super().format_system_message(signature)
        lines = [
            "You are a helpful assistant that can solve tasks based on user input.",
            f"As input, you will be provided with:\n{field_list(signature.input_fields.values())}",
            f"Your outputs must contain:\n{field_list(signature.output_fields.values())}",
            "You should lay out your outputs in detail so that your answer can be understood by another agent",
        ]
        if signature.instructions:
            lines.append(f"Specific instructions: {signature.instructions}")
        return "\n".join(lines)

    def format_field_structure(self, signature: Signature) -> str:
        """No structure is asked for."""
        return ""

    def user_message_output_requirements(self, signature: Signature) -> str:
        """No reminder is needed."""
        return ""

    def format_field(self, name: str, text: str) -> str:
        """One field on a line of its own."""
        return f"{name}: {text}"

    def format_assistant_message_content(
        self, signature: Signature, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """The outputs, one after the other."""
        shown = []
        for name, render in self.plan(signature).outputs:
            value = outputs.get(name)
            shown.append(self.format_field(name, render(value) if name in outputs else str(missing_field_message or NOT_SUPPLIED)))
        return "\n\n".join(shown)

    def flow(
        self, lm: Any, lm_kwargs: Mapping[str, Any], signature: Signature, demos: Sequence[Any], inputs: Mapping[str, Any]
    ) -> Flow[Any]:
        """Ask in plain words, then have the fields taken out: one dict of outputs per completion."""
        lm = as_model(lm)
        native = self.native(signature, inputs, lm_kwargs, lm.capabilities, lm)
        request = self.request(signature, inputs, demos, options=lm_kwargs, capabilities=lm.capabilities, native=native)
        with context(listener=None):  # who listens waits for the fields, not for the free text
            response = yield from answering(lm, request)
        found = []
        for choice in response.choices:
            values = yield from self._extracted(signature, choice)
            found.append(values if choice.logprobs is None else {**values, "logprobs": choice.logprobs})
        return found

    def _extracted(self, signature: Signature, choice: Choice) -> Flow[dict[str, Any]]:
        extraction = self._extraction_signature(signature)
        model = self.extraction_model
        try:
            values = yield from self._extraction.flow(model, {}, extraction, [], {"text": choice.text or ""})
        except AdapterParseError as error:
            message = f"Failed to parse response from the original completion: {error.reason or error}"
            raise self.error(signature, choice, message, error.parsed_result, field=error.field, reason=error.reason) from error
        only: dict[str, Any] = values[0]
        return only

    def scanner(self, signature: Signature) -> Any:
        """Reads the answer of the extraction model while it comes."""
        return self._extraction.scanner(signature)

    def _extraction_signature(self, signature: Signature) -> Signature:
        kept = self.plan(signature).kept
        if "extraction" not in kept:
            outputs = ", ".join(f"`{name}`" for name in signature.output_fields)
            text = InputField(desc="an answer in free text").evolve(name="text", annotation=str)
            told = f"Take the fields {outputs} out of the text, as it states them. The task that it answers was:\n{signature.instructions}"
            kept["extraction"] = Signature._make([text, *signature.output_fields.values()], told)
        return kept["extraction"]  # type: ignore[no-any-return]

    def parse(self, signature: Signature, completion: str) -> dict[str, Any]:
        """The fields in a free text, taken out by the extraction model."""
        from whet.core.flow import drive  # noqa: PLC0415 - the only place here that runs a flow itself

        return drive(self._extracted(signature, Choice(text=completion)))
