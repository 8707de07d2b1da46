"""pydantic models: our tolerance for their keys and leaves, pydantic's validators, constraints and JSON for the rest."""

from __future__ import annotations

import warnings
from typing import Any

from pydantic import ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import ErrorDetails

from whet.core.schema.base import Schema, load
from whet.core.schema.plain import plain
from whet.core.schema.reading import MISSING, Reading
from whet.core.schema.record import Form, Record
from whet.core.schema.structured import Structured
from whet.errors import SchemaError, SignatureError

__all__ = ["Checked", "ModelRecord", "Opaque", "RootRecord", "embed", "validated"]


def validated(validator: Any, value: Any, reading: Reading, expected: str) -> Any:
    """`value` through a pydantic validator; what it objects to becomes a SchemaError with the path of the part."""
    try:
        return validator.validate_python(value, by_alias=True, by_name=True)
    except ValidationError as error:
        first: ErrorDetails = error.errors(include_url=False)[0]
        reading.path.extend(step for step in first["loc"] if isinstance(step, (str, int)))
        if not first["loc"]:
            raise reading.misfit(first["input"], expected, f"{first['msg']}.") from error
        raise reading.misfit(first["input"], first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")) from error
    except SchemaError:
        raise
    except Exception as error:
        raise reading.misfit(value, expected, str(error)) from error


def embed(adapter: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """A type's JSON schema as pydantic writes it, its definitions moved into ours.

    Raises:
        SignatureError: the type has none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schema: dict[str, Any] = adapter.json_schema(by_alias=False)
    except PydanticInvalidForJsonSchema as error:
        raise SignatureError(f"A type in this signature has no JSON schema, so no model could be told what it is: {error}") from error
    for name, part in schema.pop("$defs", {}).items():
        definitions.setdefault(name, _type_first(part))
    typed: dict[str, Any] = _type_first(schema)
    return typed


def _type_first(part: Any) -> Any:
    """The same schema with `type` in front everywhere, as people read it."""
    if isinstance(part, list):
        return [_type_first(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    kind = {"type": part["type"]} if isinstance(part.get("type"), str) else {}
    return kind | {name: inner if name in ("default", "examples", "const", "enum") else _type_first(inner) for name, inner in part.items()}


class ModelRecord(Record):
    """A pydantic model or dataclass.

    `raw` is set when the class has validators that want to see the input before anything else reads it; `extras` is its
    own word on unknown keys ("ignore", "forbid" or "allow").
    """

    uses_pydantic = True

    def __init__(self, annotation: Any, form: Form, *, raw: bool, extras: str, written: bool) -> None:
        super().__init__(annotation, form)
        self.raw = raw
        self.extras = extras
        self._own_writer = written
        self._validator: Any = annotation.__pydantic_validator__
        self._serializer: Any = annotation.__pydantic_serializer__

    def fit(self, value: Any, reading: Reading) -> Any:
        if self.raw and not self.form.test(value):
            ready = reading.attempt(lambda part, inner: validated(self._validator, part, inner, self.expected), value, strict=False)[0]
            if ready is not MISSING:
                return ready
        return super().fit(value, reading)

    def fit_text(self, text: str, reading: Reading) -> Any:
        if not self.raw or load(text) is not MISSING:
            return super().fit_text(text, reading)
        value, notes = reading.attempt(super().fit_text, text, strict=False)
        if value is MISSING:
            return self.fit(text, reading)
        self._mend(notes, text, reading)
        return value

    def made(self, fields: dict[str, Any], value: Any, reading: Reading) -> Any:
        return validated(self._validator, fields, reading, self.expected)

    def otherwise(self, value: Any, reading: Reading) -> Any:
        if isinstance(value, list) and len(value) == 1:
            return self.single(value, reading)
        return validated(self._validator, value, reading, self.expected)

    def extra(self, key: str, part: Any, given: dict[str, Any], reading: Reading) -> None:
        if self.extras == "allow":
            given[key] = part
        elif self.extras == "forbid":
            reading.mend(f"dropped the unknown key {key!r}", part, self.expected)

    def keep_extras(self, typed: dict[str, Any], given: dict[str, Any]) -> None:
        if self.extras == "allow":
            typed.update({key: part for key, part in given.items() if key not in self.fields})

    def dump(self, value: Any) -> Any:
        if type(value) is not self.annotation:
            return super().dump(value) if isinstance(value, dict) else plain(value)
        if self._own_writer or self.serializer is not None:
            try:
                return self._serializer.to_python(value, mode="json", by_alias=False)
            except (ValueError, TypeError):
                if self._own_writer:
                    raise
        return super().dump(value)

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        from pydantic import TypeAdapter  # noqa: PLC0415 - a JSON schema is asked for once, often never

        part = embed(TypeAdapter(self.annotation), definitions)
        if "$ref" in part:
            return part
        name = str(part.get("title", self.name))
        definitions.setdefault(name, part)
        return {"$ref": f"#/$defs/{name}"}


class RootRecord(Structured):
    """A pydantic RootModel: read and written as what it wraps."""

    uses_pydantic = True

    def __init__(self, annotation: Any) -> None:
        super().__init__(annotation)
        self.kind = annotation
        self.inner: Schema = self

    def wrap(self, inner: Schema) -> None:
        """Set the schema of what it wraps."""
        self.inner = inner
        self.children = (inner,)
        self.shapes = inner.shapes
        self.expected = inner.expected

    def fit(self, value: Any, reading: Reading) -> Any:
        if isinstance(value, self.annotation):
            return value
        return validated(self.annotation.__pydantic_validator__, self.inner.fit(value, reading), reading, self.expected)

    def fit_text(self, text: str, reading: Reading) -> Any:
        return validated(self.annotation.__pydantic_validator__, self.inner.fit_text(text, reading), reading, self.expected)

    def render(self, value: Any) -> str:
        return self.inner.render(value.root) if isinstance(value, self.annotation) else super().render(value)

    def dump(self, value: Any) -> Any:
        return self.inner.dump(value.root) if isinstance(value, self.annotation) else plain(value)

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        from pydantic import TypeAdapter  # noqa: PLC0415 - a JSON schema is asked for once, often never

        return embed(TypeAdapter(self.annotation), definitions)


class Opaque(Structured):
    """A type that only pydantic knows, such as a URL, or one with `__get_pydantic_core_schema__`.

    Read as JSON; if that fails, its own validator sees the text as it is.
    """

    uses_pydantic = True
    expected = "a value that its validator accepts"

    def __init__(self, annotation: Any, adapter: Any) -> None:
        super().__init__(annotation)
        self.adapter = adapter
        self.kind = annotation if isinstance(annotation, type) else None
        self.expected = f"a value of the type {self.name}"

    def fit_text(self, text: str, reading: Reading) -> Any:
        tree = load(text)
        for value in (tree, text):
            if value is not MISSING:
                found = reading.attempt(self.fit, value, strict=False)[0]
                if found is not MISSING:
                    return found
        if reading.strict or tree is not MISSING:
            return self.fit(text if tree is MISSING else tree, reading)
        return self._recovered(text, reading)

    def fit(self, value: Any, reading: Reading) -> Any:
        return validated(self.adapter.validator, value, reading, self.expected)

    def dump(self, value: Any) -> Any:
        return self.adapter.serializer.to_python(value, mode="json", by_alias=False, warnings=False, fallback=str)

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return embed(self.adapter, definitions)


class Checked(Structured):
    """A type with validators attached (`Annotated[...]`): read by our rules, then checked by pydantic.

    `raw` says that a validator wants to see the input first.
    """

    uses_pydantic = True
    pydantic_reads = False

    def __init__(self, annotation: Any, inner: Schema, adapter: Any, *, raw: bool) -> None:
        super().__init__(annotation)
        self.inner = inner
        self.adapter = adapter
        self.raw = raw
        self.nullable = inner.nullable
        self.children = (inner,)
        self.shapes, self.kind, self.expected = inner.shapes, inner.kind, inner.expected

    def fit(self, value: Any, reading: Reading) -> Any:
        return self._checked(self.inner.fit, value, reading)

    def fit_text(self, text: str, reading: Reading) -> Any:
        return self._checked(self.inner.fit_text, text, reading)

    def _checked(self, read: Any, value: Any, reading: Reading) -> Any:
        if self.raw:
            ready = reading.attempt(self._validated, value, strict=False)[0]
            if ready is not MISSING:
                return ready
        return self._validated(read(value, reading), reading)

    def _validated(self, value: Any, reading: Reading) -> Any:
        return validated(self.adapter.validator, value, reading, self.expected)

    def render(self, value: Any) -> str:
        return self.inner.render(value)

    def dump(self, value: Any) -> Any:
        return self.inner.dump(value)

    def accepts(self, value: Any) -> bool:
        return self.inner.accepts(value)

    def note(self) -> str:
        return self.inner.note()

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return embed(self.adapter, definitions)
