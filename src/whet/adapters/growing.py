"""What an unfinished text of a type says so far: finished parts typed and checked, the last one as far as it has come."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from whet.adapters.elements import Child, Misshapen, is_nested, read_element, shape_of, split_children, unescape
from whet.core.schema import Schema
from whet.core.schema.container import DictOf, ListOf, TupleOf
from whet.core.schema.reading import MISSING
from whet.core.schema.record import Record
from whet.core.schema.union import UnionOf
from whet.errors import SchemaError

__all__ = ["Grown", "grown"]

_DECODER: Final = json.JSONDecoder(strict=False)
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_CUT_ESCAPE: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3}|u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?$")
_DEEPEST: Final = 64


class Grown(NamedTuple):
    """What has come of a value, `None` where nothing can be told yet; and what of it does not fit its type, if anything."""

    value: Any
    problem: str | None = None


def grown(schema: Schema, text: str) -> Grown:
    """What an unfinished text of a type says so far.

    Parts that are whole are typed, and checked against their types; of the last part there is what has come of it. A record that lacks
    fields is a dict of those that it has. Numbers, dates and choices are told when they are whole.

    >>> from whet.core.schema import schema_of
    >>> grown(schema_of(list[int]), "[1, 2, 3").value
    [1, 2]
    >>> grown(schema_of(dict[str, int]), '{"a": 1, "b": "x", "c').problem
    "`b`: 'x' does not fit, expected a whole number such as 42."
    """
    if schema.is_text:
        return Grown(text)
    reader = _Reader()
    begun = text.lstrip()[:1]
    if begun == "<":
        value = reader.inside_element(schema, text)
    else:
        start = min((place for sign in "[{" if (place := text.find(sign)) >= 0), default=-1)
        value = reader.json(schema, text, start)[0] if start >= 0 else MISSING
    return Grown(None if value is MISSING else value, reader.problem)


class _Odd(Exception):
    """The text is no clean JSON; nothing is told before it is whole."""


class _Reader:
    """One reading; `path` is the way to the part now read."""

    def __init__(self) -> None:
        self.path: list[str | int] = []
        self.problem: str | None = None

    def whole(self, read: Callable[[], Any], plain: Any) -> Any:
        """A finished part, typed; as it is where it does not fit."""
        try:
            return read()
        except (SchemaError, Misshapen) as error:
            if self.problem is None:
                where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).removeprefix(".")
                said = str(error)
                self.problem = said if not where else f"`{where}`: {said}"
            return plain

    # -- JSON ----------------------------------------------------------------------------------------------------------

    def json(self, schema: Schema, text: str, at: int) -> tuple[Any, int]:
        """The value that begins at a place, and where it ends (-1: not yet)."""
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            value, end = MISSING, -1
        if end >= 0 and not (end == len(text) and isinstance(value, (int, float)) and not isinstance(value, bool)):
            return self.whole(lambda: schema.coerce(value), value), end
        try:
            return self._unfinished(schema, text, at), -1
        except _Odd:
            return MISSING, -1

    def _unfinished(self, schema: Schema, text: str, at: int) -> Any:
        if len(self.path) > _DEEPEST:
            return MISSING
        sign = text[at : at + 1]
        shape = _member(shape_of(schema), sign)
        if sign == '"':
            return _begun_text(text[at + 1 :]) if shape is None or shape.is_text else MISSING
        if sign == "{":
            return self._object(shape, text, at + 1)
        return self._array(shape, text, at + 1) if sign == "[" else MISSING

    def _object(self, shape: Schema | None, text: str, at: int) -> Any:
        found: dict[Any, Any] = {}
        while (at := _after(text, at)) < len(text) and text[at] != "}":
            try:
                key, at = _DECODER.raw_decode(text, at)
            except ValueError:
                break
            at = _after(text, at)
            if text[at : at + 1] != ":" or not isinstance(key, str):
                if at < len(text):
                    raise _Odd
                break
            name, part = _part(shape, key)
            self.path.append(key)
            value, at = self.json(part, text, _after(text, at + 1)) if part is not None else _plain(text, _after(text, at + 1))
            self.path.pop()
            if value is not MISSING:
                found[name] = value
            if at < 0:
                break
            at = _past_comma(text, at, "}")
        return found

    def _array(self, shape: Schema | None, text: str, at: int) -> Any:
        found: list[Any] = []
        while (at := _after(text, at)) < len(text) and text[at] != "]":
            part = _item(shape, len(found))
            self.path.append(len(found))
            value, at = self.json(part, text, at) if part is not None else _plain(text, at)
            self.path.pop()
            if value is not MISSING:
                found.append(value)
            if at < 0:
                break
            at = _past_comma(text, at, "]")
        return found

    # -- elements ------------------------------------------------------------------------------------------------------

    def inside_element(self, schema: Schema, text: str) -> Any:
        """What stands in an element that is not closed yet."""
        shape = shape_of(schema)
        if schema.is_text:
            cut = max(text.rfind("<"), text.rfind("&"))
            return unescape(text[:cut] if cut >= 0 and not {">", ";"} & set(text[cut:]) else text).lstrip()
        if not is_nested(schema) or len(self.path) > _DEEPEST:
            return MISSING
        closed, last = split_children(text)
        if isinstance(shape, (ListOf, TupleOf)):
            items = [self._child(_item(shape, place), one, place) for place, one in enumerate([*closed, *([last] if last else [])])]
            return [item for item in items if item is not MISSING]
        found: dict[Any, Any] = {}
        for one in (*closed, *([last] if last else [])):
            name, part = _part(shape, one.name)
            value = self._child(part, one, one.name)
            if value is not MISSING:
                found[name] = [*found[name], *value] if isinstance(found.get(name), list) and isinstance(value, list) else value
        return found

    def _child(self, schema: Schema | None, one: Child, step: str | int) -> Any:
        if schema is None:
            return unescape(one.inner) if one.closed else MISSING
        self.path.append(step)
        try:
            if not one.closed:
                return self.inside_element(schema, one.inner)
            return self.whole(lambda: schema.coerce(read_element(schema, one, [])), unescape(one.inner))
        finally:
            self.path.pop()


def _member(shape: Schema, sign: str) -> Schema | None:
    """The member of a union that a value which begins so must be of; None where several could be."""
    if not isinstance(shape, UnionOf):
        return shape
    kind = {"{": "object", "[": "array"}.get(sign, "string")
    fitting = [shape_of(member) for member in shape.members if kind in member.shapes]
    return fitting[0] if len(fitting) == 1 else None


def _part(shape: Schema | None, key: str) -> tuple[Any, Schema | None]:
    if isinstance(shape, Record):
        field = shape._known.get(key)
        return (key, None) if field is None else (field.name, field.schema)
    if isinstance(shape, DictOf):
        try:
            return shape.key.parse(key), shape.value
        except SchemaError:
            return key, shape.value
    return key, None


def _item(shape: Schema | None, place: int) -> Schema | None:
    if isinstance(shape, ListOf):
        return shape.item
    return shape.children[place] if isinstance(shape, TupleOf) and place < len(shape.children) else None


def _plain(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except ValueError:
        return MISSING, -1


def _after(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _past_comma(text: str, at: int, closer: str) -> int:
    at = _after(text, at)
    if at < len(text) and text[at] not in ("," + closer):
        raise _Odd
    return at + 1 if text[at : at + 1] == "," else at


def _begun_text(text: str) -> Any:
    try:
        return json.loads(f'"{_CUT_ESCAPE.sub(lambda found: found.group(1), text)}"', strict=False)
    except ValueError:
        return MISSING
