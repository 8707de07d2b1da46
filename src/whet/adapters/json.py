"""The JSON format: inputs as sections, the answer as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from whet.adapters.chat import ChatAdapter, short_type
from whet.core.exchange import Capabilities, Choice
from whet.core.schema import read_object, strict_schema
from whet.core.signature import Signature
from whet.errors import SchemaError

__all__ = ["JSONAdapter"]


class JSONAdapter(ChatAdapter):
    """One JSON object with the outputs. The model's own schema enforcement is used where it has one, its JSON mode where it has only that.

    >>> JSONAdapter().parse(Signature("question -> answer: float"), '```json\\n{"answer": 0.5}\\n```')
    {'answer': 0.5}
    """

    def response_schema(self, signature: Signature, capabilities: Capabilities) -> Any:
        """A strict schema where the model can keep to one, `"json"` where it has a JSON mode, else nothing."""
        if capabilities.json_schema and (schema := self._schema(signature)) is not None:
            return schema
        return "json" if capabilities.json_mode or capabilities.json_schema else None

    def _schema(self, signature: Signature) -> Mapping[str, Any] | None:
        properties = {f.name: f.schema.json_schema() for f in signature.output_fields.values()}
        definitions: dict[str, Any] = {}
        for schema in properties.values():
            definitions.update(schema.pop("$defs", {}))
        whole: dict[str, Any] = {"type": "object", "properties": properties, "required": list(properties)}
        return strict_schema({**whole, "$defs": definitions} if definitions else whole)

    def format_field_structure(self, signature: Signature) -> str:
        """The sections of a request, and the object that answers it."""
        inputs = "\n\n".join(f"[[ ## {name} ## ]]\n{{{name}}}" for name in signature.input_fields)
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

    def split(self, signature: Signature, choice: Choice, repairs: list[str]) -> Mapping[str, Any]:
        """The object in the answer, whatever stands around it."""
        try:
            found = read_object(choice.text or "", repairs)
        except SchemaError as error:
            message = f"LM response cannot be serialized to a JSON object. {error}"
            raise self.error(signature, choice, message, reason=str(error)) from error
        return {name: value for name, value in found.items() if name in signature.output_fields}

    def typed(self, field: Any, part: Any, repairs: list[str]) -> Any:
        """One value of the object as a value of the field's type."""
        return field.schema.coerce(part, repairs)

    def format_finetune_data(self, signature: Signature, demos: Any, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
        """Not defined for this format."""
        raise NotImplementedError("Training rows are made with `ChatAdapter`.")
