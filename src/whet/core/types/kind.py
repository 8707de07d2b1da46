"""`FieldType`: the base of whet's own field types. Each says how it is read, written, described and put into a message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from types import UnionType
from typing import Annotated, Any, ClassVar, TypeAlias, Union, get_args, get_origin

from whet.core.messages import MediaPart, RawPart, TextPart
from whet.core.schema.base import Schema, load, one_line
from whet.core.schema.plain import plain
from whet.core.schema.reading import MISSING, Reading
from whet.core.schema.structured import Structured
from whet.errors import SchemaError

__all__ = ["Blocks", "FieldType", "TypeSchema", "bare", "core_type", "custom_types", "is_custom", "of_schema"]

# What a value puts into a message: text, or parts and content blocks in OpenAI's form.
Blocks: TypeAlias = str | list[Any] | tuple[Any, ...]


class FieldType:
    """A type of whet's own. Subclasses define `validated` and `dumped`, and what else is different.

    `text` says that the text of a field is the value, without JSON around it. `whet_parts()` gives what a value puts into a message.
    pydantic models may hold such values; nothing here does I/O.
    """

    __slots__ = ()
    text: ClassVar[bool] = False
    __whet_parts__: ClassVar[bool] = False

    @classmethod
    def validated(cls, value: Any) -> Any:
        """A value of this type from whatever means one. Raises `ValueError`, which says what would fit."""
        raise NotImplementedError

    def dumped(self) -> Any:
        """The value as plain data that JSON can hold; `validated` reads it back."""
        raise NotImplementedError

    @classmethod
    def description(cls) -> str:
        """What prompts say about the type beside the list of fields; may be empty."""
        return ""

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON schema of the dumped values."""
        return {"type": "string"}

    @classmethod
    def model_validate(cls, value: Any, **options: Any) -> Any:
        """`validated`, as pydantic's models spell it."""
        return cls.validated(value)

    @classmethod
    def model_validate_json(cls, text: str | bytes, **options: Any) -> Any:
        """A value from the text of its JSON."""
        return cls.validated(json.loads(text))

    def model_dump(self, **options: Any) -> Any:
        """`dumped()`, as pydantic's models spell it."""
        return self.dumped()

    def model_dump_json(self, **options: Any) -> str:
        """The same as the text of its JSON."""
        return one_line(self.model_dump())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Any:
        """The same value, with other parts where some are given."""
        return replace(self, **update) if update else copy(self)  # type: ignore[type-var]

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        """`json_schema()`, as pydantic's models spell it."""
        return cls.json_schema()

    def format(self) -> Any:
        """The value as it goes into a message: text, or content blocks in OpenAI's form."""
        return self.dumped()

    def whet_parts(self) -> Blocks:
        """The value as text or message parts."""
        shown = self.format()
        return shown if isinstance(shown, (str, list, tuple)) else str(shown)

    @classmethod
    def is_streamable(cls) -> bool:
        """Whether pieces of a value can be shown before it is whole."""
        return cls.text

    @classmethod
    def __whet_schema__(cls) -> Schema:
        return TypeSchema(cls)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # noqa: PLC0415 - only models that hold such a value need it

        return core_schema.no_info_plain_validator_function(
            cls.validated, serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.dumped())
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> Any:
        return cls.json_schema()


class TypeSchema(Structured):
    """How fields of a `FieldType` are read and written."""

    pydantic_reads = pydantic_writes = False

    def __init__(self, cls: type[Any]) -> None:
        super().__init__(cls)
        self.kind = cls
        self.expected = f"a value of the type {self.name}"
        self.is_text = cls.text and not cls.description()
        if cls.text:
            self.shapes = frozenset({"string", "object"})

    def parse(self, text: str, repairs: list[str] | None = None) -> Any:
        return Schema.parse(self, text, repairs)

    def fit_text(self, text: str, reading: Reading) -> Any:
        if self.annotation.text:
            return self.fit(text, reading)
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
        if isinstance(value, self.annotation):
            return value
        try:
            return self.annotation.validated(value)
        except SchemaError:
            raise
        except (ValueError, TypeError) as error:
            raise reading.misfit(value, self.expected, str(error)) from error

    def render(self, value: Any) -> str:
        if isinstance(value, self.annotation) and self.annotation.text:
            return str(value.dumped())
        return super().render(value)

    def dump(self, value: Any) -> Any:
        return value.dumped() if isinstance(value, self.annotation) else plain(value)

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        part: dict[str, Any] = self.annotation.json_schema()
        definitions.update(part.pop("$defs", {}))
        return part

    def note(self) -> str:
        return "" if self.annotation.text else super().note()


def of_schema(schema: Schema) -> list[Any]:
    """The custom types that a schema is made of, each once, in the order of their names."""
    found = {id(part.annotation): part.annotation for part in schema.family() if is_custom(part.annotation)}
    return sorted(found.values(), key=lambda cls: str(cls.__name__))


def is_custom(annotation: Any) -> bool:
    """Whether a type is one of whet's own or a user's `Type`."""
    return isinstance(annotation, type) and hasattr(annotation, "__whet_schema__")


def custom_types(annotation: Any) -> list[Any]:
    """The custom types in an annotation, at any depth, in order of appearance.

    >>> from whet.core.types.text import Code
    >>> custom_types(list[dict[str, Code]])
    [<class 'whet.core.types.text.Code'>]
    """
    return list(dict.fromkeys(_found(annotation)))


def _found(annotation: Any) -> Iterator[Any]:
    if is_custom(annotation):
        yield annotation
        return
    for inner in (*get_args(annotation), *getattr(annotation, "__annotations__", {}).values()):
        if not isinstance(inner, str) and inner is not annotation:
            yield from _found(inner)


def bare(annotation: Any) -> Any:
    """An annotation without `| None` and without the remarks of `Annotated`.

    >>> from typing import Annotated
    >>> bare(Annotated[list[int], "numbers"] | None)
    list[int]
    """
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return bare(inner[0]) if len(inner) == 1 else annotation
    return annotation


def core_type(annotation: Any) -> Any:
    """The class in an annotation, `T` for `T | None`; None where it is something else."""
    kind = bare(annotation)
    return kind if isinstance(kind, type) and get_origin(kind) is None else None


def parts_of(value: Any) -> Iterator[TextPart | MediaPart | RawPart]:
    """What a custom value puts into a message, as parts."""
    shown = value.whet_parts()
    blocks = not isinstance(shown, (str, Mapping))
    for part in shown if blocks else (shown,):
        if isinstance(part, (TextPart, MediaPart, RawPart)):
            yield part
        elif isinstance(part, str):
            yield TextPart(part)
        elif set(part) == {"type", "text"} and part["type"] == "text":
            yield TextPart(part["text"], apart=blocks)
        else:
            yield RawPart(dict(part))


def joined(parts: Iterable[TextPart | MediaPart | RawPart]) -> tuple[TextPart | MediaPart | RawPart, ...]:
    """Parts in order, neighbouring runs of text made one (unless one stands apart) and empty ones left out."""
    done: list[TextPart | MediaPart | RawPart] = []
    for part in parts:
        if isinstance(part, TextPart):
            if not part.text:
                continue
            if done and isinstance(done[-1], TextPart) and not (part.apart or done[-1].apart):
                done[-1] = TextPart(done[-1].text + part.text)
                continue
        done.append(part)
    return tuple(done)
