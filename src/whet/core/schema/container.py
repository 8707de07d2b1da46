"""Lists, sets, tuples and dicts of any other type."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from whet.core.schema.base import Schema
from whet.core.schema.plain import ordered, plain
from whet.core.schema.reading import MISSING, Reading
from whet.core.schema.structured import Structured

__all__ = ["DictOf", "ListOf", "SetOf", "TupleOf"]

_SEPARATORS: Final = frozenset(",;\n")
_BULLET: Final = re.compile(r"\s*(?:[-*•]|\d{1,4}[.)])\s+(\S.*?)\s*")


def _bulleted(value: Any) -> list[str] | None:
    """The items of a list that is written with a bullet or a number on each line."""
    if not isinstance(value, str) or "\n" not in value.strip():
        return None
    rows = [_BULLET.fullmatch(line) for line in value.strip().splitlines() if line.strip()]
    return [row.group(1) for row in rows if row] if all(rows) else None


class ListOf(Structured):
    """`list[item]`, and what else is a row of equal things: sets and `tuple[item, ...]`, by `kind`."""

    shapes = frozenset({"array"})

    def __init__(self, annotation: Any, item: Schema, kind: type[Any] = list) -> None:
        super().__init__(annotation)
        self.item = item
        self.kind = kind
        self.children = (item,)
        self.expected = f"a JSON list, each item {item.expected}"

    def fit(self, value: Any, reading: Reading) -> Any:
        if isinstance(value, (list, tuple, set, frozenset)):
            return self.gather(self.items(value, reading), value, reading)
        tree = self.inside(value, reading)
        if tree is not MISSING:
            return self.fit(tree, reading)
        if isinstance(value, dict) and "object" not in self.item.shapes and len(value) == 1:
            (inner,) = value.values()
            if isinstance(inner, list):
                reading.mend("took the list out of an object around it", value, self.expected)
                return self.fit(inner, reading)
        rows = _bulleted(value)
        if rows is not None:
            reading.mend("read a bulleted list", value, self.expected)
            return self.fit(rows, reading)
        self._refuse_many(value, reading)
        items = [self.item.fit(value, reading)]
        reading.mend("made a list of the single value", value, self.expected)
        return self.gather(items, value, reading)

    def gather(self, items: list[Any], value: Any, reading: Reading) -> Any:
        """The container that holds the typed items."""
        return items if self.kind is list else (self.kind or list)(items)

    def items(self, values: Iterable[Any], reading: Reading) -> list[Any]:
        """Every item, typed."""
        if reading.quiet:
            reading.spend(1, values)
        path, fit = reading.path, self.item.fit
        items = []
        path.append(0)
        for index, value in enumerate(values):
            path[-1] = index
            items.append(fit(value, reading))
        path.pop()
        return items

    def _refuse_many(self, value: Any, reading: Reading) -> None:
        """One value may be the only item, but not a text that looks like several, nor an object where none was asked."""
        if value is None or (isinstance(value, dict) and "object" not in self.item.shapes):
            raise reading.misfit(value, self.expected)
        if isinstance(value, str) and (not value.strip() or not _SEPARATORS.isdisjoint(value.strip())):
            raise reading.misfit(value, self.expected)

    def dump(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple, set, frozenset)):
            return plain(value)
        serializer = self.serializer
        if serializer is not None and type(value) is self.kind:
            try:
                return serializer.to_python(value, mode="json", by_alias=False, warnings="error")
            except ValueError:
                pass
        dump = self.item.dump
        return [dump(item) for item in value]

    def accepts(self, value: Any) -> bool:
        return value is None or (isinstance(value, self.kind or list) and all(map(self.item.accepts, value)))

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"type": "array", "items": self.item.emit(definitions)}


class SetOf(ListOf):
    """`set[item]` and `frozenset[item]`; written in an order that is the same in every process."""

    pydantic_writes = False

    def gather(self, items: list[Any], value: Any, reading: Reading) -> Any:
        try:
            return (self.kind or set)(items)
        except TypeError:
            raise reading.misfit(value, "items that can stand in a set") from None

    def dump(self, value: Any) -> Any:
        data = super().dump(value)
        return ordered(data) if isinstance(value, (set, frozenset)) else data

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {**super().emit(definitions), "uniqueItems": True}


class TupleOf(Structured):
    """`tuple[a, b, c]`: a list of fixed length."""

    shapes = frozenset({"array"})
    kind = tuple

    def __init__(self, annotation: Any, items: tuple[Schema, ...]) -> None:
        super().__init__(annotation)
        self.children = items
        self.expected = f"a JSON list of {len(items)} items" + (f": {', '.join(item.expected for item in items)}" if items else "")

    def fit(self, value: Any, reading: Reading) -> Any:
        if not isinstance(value, (list, tuple)):
            tree = self.inside(value, reading)
            if tree is MISSING:
                raise reading.misfit(value, self.expected)
            return self.fit(tree, reading)
        if len(value) != len(self.children):
            raise reading.misfit(value, self.expected, f"There are {len(value)}.")
        path, items = reading.path, []
        path.append(0)
        for index, (schema, part) in enumerate(zip(self.children, value, strict=True)):
            path[-1] = index
            items.append(schema.fit(part, reading))
        path.pop()
        return tuple(items)

    def dump(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) != len(self.children):
            return plain(value)
        return [schema.dump(part) for schema, part in zip(self.children, value, strict=True)]

    def accepts(self, value: Any) -> bool:
        return value is None or (
            isinstance(value, tuple)
            and len(value) == len(self.children)
            and all(schema.accepts(part) for schema, part in zip(self.children, value, strict=True))
        )

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        parts = [schema.emit(definitions) for schema in self.children]
        size = {"minItems": len(parts), "maxItems": len(parts)}
        return {"type": "array", "prefixItems": parts, **size} if parts else {"type": "array", **size}


class DictOf(Structured):
    """`dict[key, value]`: an object; keys that are no text are written as the text of a field would be."""

    shapes = frozenset({"object"})
    kind = dict
    expected = "a JSON object"

    def __init__(self, annotation: Any, key: Schema, value: Schema) -> None:
        super().__init__(annotation)
        self.key = key
        self.value = value
        self.children = (key, value)
        self.pydantic_reads = self.pydantic_writes = key.kind in (str, int)

    def fit(self, value: Any, reading: Reading) -> Any:
        if not isinstance(value, dict):
            tree = self.inside(value, reading)
            return self.fit(tree, reading) if tree is not MISSING else self.single(value, reading)
        path, found = reading.path, {}
        plain_keys = self.key.is_text
        path.append("")
        for name, part in value.items():
            path[-1] = str(name)
            key = name if plain_keys and type(name) is str else self._key(name, reading)
            if key in found:
                raise reading.misfit(name, "keys that differ")
            found[key] = self.value.fit(part, reading)
        path.pop()
        return found

    def _key(self, name: Any, reading: Reading) -> Any:
        key = self.key.fit_text(name, reading) if isinstance(name, str) else self.key.fit(name, reading)
        try:
            hash(key)
        except TypeError:
            raise reading.misfit(name, "a key that can stand in a dict") from None
        return key

    def dump(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return plain(value)
        serializer = self.serializer
        if serializer is not None and type(value) is dict:
            try:
                return serializer.to_python(value, mode="json", by_alias=False, warnings="error")
            except ValueError:
                pass
        key, part = self.key.render, self.value.dump
        return {key(name): part(inner) for name, inner in value.items()}

    def accepts(self, value: Any) -> bool:
        return value is None or (
            isinstance(value, dict) and all(self.key.accepts(key) and self.value.accepts(part) for key, part in value.items())
        )

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        part = self.value.emit(definitions)
        return {"type": "object", "additionalProperties": part or True}
