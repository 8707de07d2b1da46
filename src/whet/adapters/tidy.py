"""Reads tidy elements fast: one pass of a pattern over the answer, then readers made once for the types. Anything else is left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from whet.adapters.elements import is_nested, shape_of, unescape
from whet.core.schema import Schema
from whet.core.schema.container import DictOf, ListOf, TupleOf
from whet.core.schema.record import Record
from whet.core.schema.scalar import Bool, Float, Int
from whet.core.signature import Signature

__all__ = ["TidyReader", "Untidy"]

_BOOLS: Final = {"true": True, "True": True, "false": False, "False": False}
# What stands between `<` and `>`, the `>`, and the text after it.
Token: TypeAlias = tuple[str, str, str]
# Reads the element whose opening tag is at a place; gives the value and the place after its end.
Read: TypeAlias = Callable[[list[Token], int], tuple[Any, int]]


class Untidy(Exception):
    """The answer is to be read with more care."""


class TidyReader:
    """Reads the outputs of a signature where every element is closed, known, and holds a clean value.

    `whole` is pydantic's reader of all outputs where there is one; it makes the models.
    """

    def __init__(self, signature: Signature, whole: Any) -> None:
        self._readers: dict[str, Read] = {name: _reader(f.schema) for name, f in signature.output_fields.items()}
        self._nested = [(name, f.schema) for name, f in signature.output_fields.items() if is_nested(f.schema)]
        self._whole = whole

    def read(self, text: str) -> dict[str, Any]:
        """The typed outputs. Raises `Untidy` for an answer that is not tidy."""
        tokens = [part.partition(">") for part in text.split("<")]
        try:
            return self._typed(self._values(tokens))
        except (IndexError, KeyError, ValueError, RecursionError) as error:
            raise Untidy from error

    def _values(self, tokens: list[Token]) -> dict[str, Any]:
        readers, last, place = self._readers, len(tokens), 1
        values: dict[str, Any] = {}
        while place < last:
            name = tokens[place][0]
            if name in values:
                raise Untidy
            values[name], place = readers[name](tokens, place)
        if len(values) != len(readers):
            raise Untidy
        return values

    def _typed(self, values: dict[str, Any]) -> dict[str, Any]:
        if self._whole is not None:
            return self._whole.validate_python(values, strict=True, by_alias=True, by_name=True)  # type: ignore[no-any-return]
        for name, schema in self._nested:
            repairs: list[str] = []
            values[name] = schema.coerce(values[name], repairs)
            if repairs:
                raise Untidy
        return {name: values[name] for name in self._readers}


def _reader(schema: Schema, depth: int = 0) -> Read:
    shape = shape_of(schema)
    if depth > 8:
        return _refuse
    if isinstance(shape, Record):
        inner = _record(shape, depth)
    elif isinstance(shape, ListOf):
        inner = _items(shape, depth)
    elif isinstance(shape, DictOf) and shape.key.is_text:
        inner = _entries(shape, depth)
    elif isinstance(shape, (DictOf, TupleOf)):
        return _refuse
    else:
        return _leaf(schema)
    return inner


def _refuse(tokens: list[Token], place: int) -> tuple[Any, int]:
    raise Untidy


def _leaf(schema: Schema) -> Read:
    convert: Callable[[str], Any] = _exact(schema)

    def read(tokens: list[Token], place: int) -> tuple[Any, int]:
        name, _, text = tokens[place]
        if tokens[place + 1][0] != "/" + name:
            raise Untidy
        text = text.strip()
        return convert(unescape(text) if "&" in text else text), place + 2

    return read


def _exact(schema: Schema) -> Callable[[str], Any]:
    if schema.is_text and schema.kind is str:
        return str
    for kind, convert in ((Int, int), (Float, float)):
        if type(schema) is kind:
            return _digits(convert)
    if type(schema) is Bool:
        return _BOOLS.__getitem__

    def parse(text: str) -> Any:
        repairs: list[str] = []
        value = schema.parse(text, repairs)
        if repairs:
            raise Untidy
        return value

    return parse


def _digits(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        # What Python reads as a number and people do not (`1_0`, `infinity`) is left to the careful reading.
        if "_" in text or not text or len(text) > 300 or text[-1] not in "0123456789." or not text.isascii():
            raise Untidy
        return convert(text)

    return number


def _end(tokens: list[Token], place: int) -> str:
    """The end tag of an element with children. Raises `Untidy` for one with text of its own, or nothing in it."""
    name, _, text = tokens[place]
    end = "/" + name
    if tokens[place + 1][0] == end or not (text == "" or text.isspace()):
        raise Untidy
    return end


def _record(shape: Record, depth: int) -> Read:
    readers: dict[str, Read] = {}

    def read(tokens: list[Token], place: int) -> tuple[Any, int]:
        if not readers:
            readers.update({name: _reader(field.schema, depth + 1) for name, field in shape.fields.items()})
        found: dict[str, Any] = {}
        end, place = _end(tokens, place), place + 1
        while (name := tokens[place][0]) != end:
            if name in found:
                raise Untidy
            found[name], place = readers[name](tokens, place)
        return found, place + 1

    return read


def _items(shape: ListOf, depth: int) -> Read:
    item = _reader(shape.item, depth + 1)

    def read(tokens: list[Token], place: int) -> tuple[Any, int]:
        found: list[Any] = []
        end, place = _end(tokens, place), place + 1
        while tokens[place][0] != end:
            value, place = item(tokens, place)
            found.append(value)
        return found, place + 1

    return read


def _entries(shape: DictOf, depth: int) -> Read:
    entry = _reader(shape.value, depth + 1)

    def read(tokens: list[Token], place: int) -> tuple[Any, int]:
        found: dict[str, Any] = {}
        end, place = _end(tokens, place), place + 1
        while (name := tokens[place][0]) != end:
            if name in found or not name.isidentifier():
                raise Untidy
            found[name], place = entry(tokens, place)
        return found, place + 1

    return read
