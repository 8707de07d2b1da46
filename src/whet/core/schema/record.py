"""Records: dataclasses, typed dicts, named tuples and pydantic models, read key by key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from whet.core.schema.base import Schema
from whet.core.schema.plain import plain
from whet.core.schema.reading import MISSING, Reading, shorten
from whet.core.schema.structured import Structured
from whet.errors import SchemaError

__all__ = ["Field", "Form", "Record"]

_BETWEEN: Final = re.compile(r"[\s_\-.]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One entry of a record: its name, the other names it answers to, its schema, and whether it must be there.

    `default` is what stands in the JSON schema (`MISSING`: nothing), `about` what the schema says about it.
    """

    name: str
    schema: Schema
    required: bool
    aliases: tuple[str, ...] = ()
    default: Any = MISSING
    about: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """How the values of a record class are made and taken apart.

    `cls` is their Python class, `make` gives a value from typed fields, `take` the fields of a value; `test` tells whether
    something is such a value, `rows` whether a list of all fields in order will do.
    """

    cls: type[Any]
    make: Callable[[dict[str, Any]], Any]
    take: Callable[[Any], Mapping[str, Any]]
    test: Callable[[Any], bool]
    rows: bool = False


def close(name: str) -> str:
    """A key without case and separators: `firstName`, `First Name` and `first_name` are close."""
    return _BETWEEN.sub("", name).casefold()


class Record(Structured):
    """A class whose values are JSON objects with known keys.

    The builder sets `fields` after creation, since a record may contain itself.
    """

    shapes = frozenset({"object"})
    expected = "a JSON object"

    def __init__(self, annotation: Any, form: Form) -> None:
        super().__init__(annotation)
        self.form = form
        self.kind = form.cls
        self.fields: dict[str, Field] = {}
        self._known: dict[str, Field] = {}
        self._close: dict[str, Field | None] = {}

    def fill(self, fields: list[Field]) -> None:
        """Set the fields, in order, and prepare the tables by which keys are found."""
        self.fields = {field.name: field for field in fields}
        self.children = tuple(field.schema for field in fields)
        self._known = {alias: field for field in fields for alias in field.aliases} | self.fields
        for name, field in self._known.items():
            key = close(name)
            self._close[key] = field if self._close.get(key, field) is field else None
        self.expected = f"a JSON object with {', '.join(map(repr, self.fields))}" if fields else "an empty JSON object"

    def fit(self, value: Any, reading: Reading) -> Any:
        if self.form.test(value):
            return value
        if isinstance(value, dict):
            return self.made(self._typed(value, reading), value, reading)
        if self.form.rows and isinstance(value, (list, tuple)) and len(value) == len(self.fields):
            return self.made(self._typed(dict(zip(self.fields, value, strict=True)), reading), value, reading)
        tree = self.inside(value, reading)
        return self.fit(tree, reading) if tree is not MISSING else self.otherwise(value, reading)

    def otherwise(self, value: Any, reading: Reading) -> Any:
        """Read what is neither a value of this type nor an object."""
        return self.single(value, reading)

    def made(self, fields: dict[str, Any], value: Any, reading: Reading) -> Any:
        """The value with these typed fields."""
        try:
            return self.form.make(fields)
        except SchemaError:
            raise
        except Exception as error:
            raise reading.misfit(value, self.expected, str(error)) from error

    def _typed(self, value: dict[Any, Any], reading: Reading) -> dict[str, Any]:
        if reading.quiet:
            reading.spend(len(value), value)
        given = self._sorted(value, reading)
        path, typed = reading.path, {}
        path.append("")
        for name, field in self.fields.items():
            path[-1] = name
            if name in given:
                typed[name] = field.schema.fit(given[name], reading)
            elif field.required:
                if not field.schema.nullable:
                    there = ", ".join(shorten(key) for key in list(value)[:8])
                    hint = f"The keys there are: {there or 'none'}."
                    raise reading.misfit(MISSING, f"a value, {field.schema.expected}", hint)
                reading.mend("took null for a missing value", None, field.schema.expected)
                typed[name] = None
        path.pop()
        self.keep_extras(typed, given)
        return typed

    def _sorted(self, value: dict[Any, Any], reading: Reading) -> dict[str, Any]:
        """The entries by field name: exact keys first, then those that differ in case, separators or are an alias."""
        given: dict[str, Any] = {}
        others: list[str] = []
        for key, part in value.items():
            field = self._known.get(key) if isinstance(key, str) else None
            if field is not None and field.name not in given:
                given[field.name] = part
            elif isinstance(key, str):
                others.append(key)
        for key in others:
            field = self._close.get(close(key))
            if field is not None and field.name not in given:
                reading.mend(f"read the key {key!r} as {field.name!r}", value, self.expected)
                given[field.name] = value[key]
            elif key not in self._known:
                self.extra(key, value[key], given, reading)
        return given

    def extra(self, key: str, part: Any, given: dict[str, Any], reading: Reading) -> None:
        """A key that no field answers to; ignored here."""

    def keep_extras(self, typed: dict[str, Any], given: dict[str, Any]) -> None:
        """Carry extra entries over into the typed fields; none here."""

    def dump(self, value: Any) -> Any:
        if not self.form.test(value):
            return plain(value) if not isinstance(value, dict) else self._entries(value)
        return self._entries(self.form.take(value))

    def _entries(self, taken: Mapping[str, Any]) -> dict[str, Any]:
        fields = self.fields
        return {name: fields[name].schema.dump(part) if name in fields else plain(part) for name, part in taken.items()}

    def accepts(self, value: Any) -> bool:
        return value is None or self.form.test(value) or (self.kind is dict and isinstance(value, dict))

    def rank(self, value: Any) -> int:
        """The more of its keys are there, and the fewer are missing, the better."""
        if self.form.test(value):
            return 1_000
        if not isinstance(value, dict):
            return -1
        missing = sum(field.required and name not in value for name, field in self.fields.items())
        return sum(key in self._known for key in value if isinstance(key, str)) - 2 * missing

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        name = re.sub(r"\W+", "_", self.name)
        if name not in definitions:
            definitions[name] = {}
            definitions[name] = {
                "type": "object",
                "properties": {field.name: dict(self._property(field, definitions)) for field in self.fields.values()},
                "required": [field.name for field in self.fields.values() if field.required],
                "title": self.name,
            }
        return {"$ref": f"#/$defs/{name}"}

    def _property(self, field: Field, definitions: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        yield from field.schema.emit(definitions).items()
        if field.about:
            yield "description", field.about
        if field.default is not MISSING:
            yield "default", field.schema.dump(field.default)
