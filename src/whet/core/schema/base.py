"""What every schema is and does: write a value into a prompt, and read text or JSON back as a typed value."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from typing import Any, Final

from whet.core.schema.naming import type_name
from whet.core.schema.reading import MISSING, Reading
from whet.errors import SchemaError

__all__ = ["Schema", "load", "one_line", "same"]

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False)
_EVERY_SHAPE: Final = frozenset({"object", "array", "string", "number", "boolean", "null"})
_NO_JSON: Final = frozenset(string.ascii_letters) - frozenset("tfnNI")


def one_line(data: Any) -> str:
    """Plain data as JSON on one line, non-ASCII kept.

    >>> print(one_line({"name": "Zoë", "tags": [1, True, None]}))
    {"name": "Zoë", "tags": [1, true, null]}
    """
    return _ENCODER.encode(data)


def load(text: str) -> Any:
    """The JSON in `text`, or `MISSING` where it is no clean JSON (or is nested too deeply, or holds a giant number)."""
    if text[:1] in _NO_JSON:
        return MISSING
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return MISSING


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal and of one type, so that `1`, `True` and `1.0` differ."""
    return type(left) is type(right) and bool(left == right)


class Schema:
    """One type, compiled once: how its values are written into prompts and read back.

    `annotation` is the type, `name` what prompts call it, `is_text` whether it is plain `str`, `nullable` whether None is one
    of its values. A subclass says how a value is read (`fit`, and `fit_text` for the text of a field), written (`dump`) and
    described (`emit`, `expected`). `shapes` names the JSON kinds its values may have, `kind` the Python class of its values
    where there is one, `children` the schemas it is made of; `pydantic_reads` and `pydantic_writes` say whether pydantic's
    own JSON for this type is the same as ours, so that its faster machinery may be used.
    """

    is_text: bool = False
    shapes: frozenset[str] = _EVERY_SHAPE
    kind: type[Any] | None = None
    expected: str = "a value of this type"
    pydantic_reads: bool = True
    pydantic_writes: bool = True

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        self.name = type_name(annotation)
        self.nullable = False
        self.children: tuple[Schema, ...] = ()

    def __repr__(self) -> str:
        return f"Schema({self.name})"

    def parse(self, text: str, repairs: list[str] | None = None) -> Any:
        """The typed value that the text of one field means.

        Damage with one possible meaning is repaired, and a sentence about it is appended to `repairs`.

        Raises:
            SchemaError: the text does not mean a value of this type, or could mean several.
        """
        reading = Reading(repairs, size=len(text))
        try:
            return self.fit_text(text, reading)
        except RecursionError:
            raise reading.misfit(text, "a value that is less deeply nested") from None
        except SchemaError:
            tree = MISSING if "array" in self.shapes or text.strip()[:1] != "[" else load(text.strip())
            if tree is MISSING:
                raise
            return self.single(tree, reading)

    def coerce(self, value: Any, repairs: list[str] | None = None, *, strict: bool = False) -> Any:
        """The typed value that a Python or JSON value means; the rules are those of `parse`, `strict` forbids every repair.

        Raises:
            SchemaError: the value does not fit.
        """
        reading = Reading(repairs, strict=strict)
        try:
            return self.fit(value, reading)
        except RecursionError:
            raise reading.misfit(value, "a value that is less deeply nested") from None

    def fit(self, value: Any, reading: Reading) -> Any:
        """Read a Python or JSON value inside a reading; raises SchemaError."""
        raise NotImplementedError

    def fit_text(self, text: str, reading: Reading) -> Any:
        """Read the text of a field inside a reading; raises SchemaError."""
        return self.fit(text, reading)

    def render(self, value: Any) -> str:
        """The value as prompts show it: strings verbatim, compound values as JSON on one line, others as text."""
        if isinstance(value, str) and self.kind is not str:
            return str.__str__(value)
        data = self.dump(value)
        return data if isinstance(data, str) else one_line(data) if isinstance(data, (dict, list)) else str(data)

    def dump(self, value: Any) -> Any:
        """The value as plain data that JSON can hold."""
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        """A plain JSON schema for this type; definitions of nested types stand under `$defs`."""
        definitions: dict[str, Any] = {}
        schema = self.emit(definitions)
        name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
        if name and not _refers(definitions, f"#/$defs/{name}"):
            schema = definitions.pop(name)
        return {**schema, "$defs": definitions} if definitions else schema

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        """This type's part of a JSON schema; types with a name of their own are put into `definitions`."""
        raise NotImplementedError

    def note(self) -> str:
        """What a valid value is, in a few words for the prompt; empty for plain text."""
        return f"must be JSON that fits this schema: {one_line(self.json_schema())}"

    def accepts(self, value: Any) -> bool:
        """Whether an input value is of this type, looking into containers; None always is."""
        return value is None or self.kind is None or isinstance(value, self.kind)

    def rank(self, value: Any) -> int:
        """How well the value looks like one of this type at first sight; alternatives are tried from high to low."""
        return int(self.kind is not None and isinstance(value, self.kind))

    def single(self, value: Any, reading: Reading, hint: str = "") -> Any:
        """Read the one element of a list that stands where a single value was asked; raises for anything else."""
        if isinstance(value, (list, tuple)) and len(value) == 1 and not isinstance(value[0], (list, tuple)):
            reading.mend("took the only element of a list", value, self.expected)
            return self.fit(value[0], reading)
        raise reading.misfit(value, self.expected, hint)

    def family(self) -> Iterator[Schema]:
        """This schema and everything it is made of, each once, also where types are recursive."""
        seen: set[int] = set()
        waiting: list[Schema] = [self]
        while waiting:
            schema = waiting.pop()
            if id(schema) not in seen:
                seen.add(id(schema))
                yield schema
                waiting.extend(schema.children)


def _refers(definitions: Any, reference: str) -> bool:
    """Whether a reference is used anywhere in the definitions."""
    if isinstance(definitions, dict):
        return definitions.get("$ref") == reference or any(_refers(part, reference) for part in definitions.values())
    return isinstance(definitions, list) and any(_refers(part, reference) for part in definitions)
