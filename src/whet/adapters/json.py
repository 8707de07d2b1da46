"""The JSON format: inputs as sections, the answer as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from whet.adapters.chat import ChatAdapter, short_type
from whet.adapters.reading import Reading, whole_reader
from whet.adapters.scanner import ObjectScanner, Scanner
from whet.core.exchange import Capabilities, Choice
from whet.core.schema import read_object, strict_schema
from whet.core.signature import Signature
from whet.errors import SchemaError

__all__ = ["JSONAdapter"]

# Where any of these is known, the list of a model's parameters is known.
_NAMED = frozenset({"temperature", "max_tokens", "max_completion_tokens", "stop", "tools"})


class JSONAdapter(ChatAdapter):
    """One JSON object with the outputs. The model's own schema enforcement is used where it has one, its JSON mode where it has only that.

    >>> JSONAdapter().parse(Signature("question -> answer: float"), '```json\\n{"answer": 0.5}\\n```')
    {'answer': 0.5}
    """

    use_native_function_calling = True

    def response_schema(self, signature: Signature, capabilities: Capabilities) -> Any:
        """A strict schema where the model can keep to one, `"json"` where it has a JSON mode, else nothing."""
        if not capabilities.params.isdisjoint(_NAMED) and "response_format" not in capabilities.params:
            return None
        schema = self._schema(signature) if capabilities.json_schema else None
        if schema is not None:
            return schema
        takes = "response_format" in capabilities.params
        return "json" if takes or capabilities.json_mode or capabilities.json_schema else None

    def _schema(self, signature: Signature) -> Mapping[str, Any] | None:
        plan = self.plan(signature)
        if "schema" not in plan.kept:
            plan.kept["schema"] = self._strict_schema(signature)
        return plan.kept["schema"]  # type: ignore[no-any-return]

    def _strict_schema(self, signature: Signature) -> Mapping[str, Any] | None:
        properties = {f.name: f.schema.json_schema() for f in signature.output_fields.values()}
        definitions: dict[str, Any] = {}
        for schema in properties.values():
            definitions.update(schema.pop("$defs", {}))
        whole: dict[str, Any] = {"type": "object", "properties": properties, "required": list(properties)}
        return strict_schema({**whole, "$defs": definitions} if definitions else whole)

    def format_field_structure(self, signature: Signature) -> str:
        """The sections of a request, and the object that answers it."""
        inputs = "\n\n".join(self._input_shape(name) for name in signature.input_fields)
        answer = {
            f.name: f"{{{f.name}}}" + (f"        # {f.schema.note()}" if f.schema.note() else "") for f in signature.output_fields.values()
        }
        return (
            f"A request has these sections, each under its marker:\n\n{inputs}\n\n"
            f"The answer is one JSON object of this form:\n\n{json.dumps(answer, indent=2, ensure_ascii=False)}\n"
        )

    def user_message_output_requirements(self, signature: Signature) -> str:
        """Which keys the object must have, in which order."""
        keys = [f"`{f.name}`{short_type(f)}" for f in signature.output_fields.values()]
        return f"Answer with nothing but a JSON object. Its keys, in this order: {', then '.join(keys)}."

    def format_assistant_message_content(
        self, signature: Signature, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """The outputs as a JSON object."""
        fields = signature.output_fields.values()
        answer = {f.name: f.schema.dump(outputs[f.name]) if f.name in outputs else missing_field_message for f in fields}
        return json.dumps(answer, indent=2, ensure_ascii=False)

    def format_field_with_value(self, fields_with_values: Mapping[Any, Any], role: str = "user") -> str:
        """Fields with their values as sections; with `role="assistant"` as one JSON object."""
        if role == "user":
            return super().format_field_with_value(fields_with_values)
        answer = {key.name: key.info.schema.dump(value) for key, value in fields_with_values.items()}
        return json.dumps(answer, indent=2, ensure_ascii=False)

    def _read_text(self, signature: Signature, choice: Choice) -> Reading:
        kept = self.plan(signature).kept
        quick = kept["quick"] if "quick" in kept else kept.setdefault("quick", whole_reader(signature))
        if quick is not None and choice.text:
            try:
                return Reading(quick.validate_json(choice.text, strict=True, by_alias=True, by_name=True))
            except Exception:  # noqa: BLE001 - whatever it or a user's validator says, the tolerant reading says it better
                pass
        return super()._read_text(signature, choice)

    def split(self, signature: Signature, choice: Choice, repairs: list[str]) -> Mapping[str, Any]:
        """The object in the answer, whatever stands around it."""
        try:
            found = read_object(choice.text or "", repairs)
        except SchemaError as error:
            message = f"LM response cannot be serialized to a JSON object. {error}"
            raise self.error(signature, choice, message, reason=str(error)) from error
        return {name: value for name, value in found.items() if name in signature.output_fields}

    def scanner(self, signature: Signature) -> Scanner | None:
        """Reads the keys of the object while it comes."""
        return ObjectScanner(signature)

    def anchor(self, name: str) -> str:
        """The key."""
        return f'"{name}"'

    def typed(self, field: Any, part: Any, repairs: list[str]) -> Any:
        """One value of the object as a value of the field's type."""
        return field.schema.coerce(part, repairs)

    def format_finetune_data(self, signature: Signature, demos: Any, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
        """Not defined for this format."""
        raise NotImplementedError("Training rows are made with `ChatAdapter`.")
