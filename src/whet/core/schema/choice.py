"""Literal and Enum: one of a few members, known by value, by name, and by what models make of their spelling."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, get_args

from whet.core.schema.base import Schema
from whet.core.schema.naming import quoted
from whet.core.schema.plain import plain
from whet.core.schema.reading import MISSING, Reading
from whet.core.schema.wrapping import bare, near
from whet.errors import SignatureError

__all__ = ["Choice", "enum_choice", "literal_choice"]

_WRAPPED: Final = re.compile(r"(?:Literal|str)\[(.*)\]", re.DOTALL)
_SHOWN: Final = 8
_PLAIN: Final = (str, int, float, bool, type(None))
_JSON_WORDS: Final = {True: "true", False: "false", None: "null"}
_AMBIGUOUS: Final = object()
_KINDS: Final = {int: "integer", float: "number", bool: "boolean", type(None): "null"}


def _identity(member: Any) -> Any:
    """What tells members apart: `1`, `True` and `"1"` differ, and an Enum's member is itself alone, hashable or not."""
    return id(member) if isinstance(member, enum.Enum) else (type(member), member)


class Choice(Schema):
    """One of the `members`; `wires` are the plain values that stand for them in text and JSON, in the same order.

    `names` are further names by which members are known (those of an Enum).
    """

    shapes = frozenset({"string", "number", "boolean", "null"})

    def __init__(self, annotation: Any, members: Iterable[Any], wires: Iterable[Any], names: Mapping[str, Any] | None = None) -> None:
        super().__init__(annotation)
        self.members = tuple(members)
        self.wires = tuple(wires)
        self.names = dict(names or {})
        self.nullable = None in self.wires
        self.expected = f"one of {self._listing(_SHOWN)}"
        self._exact: dict[str, Any] = {}
        self._texts: dict[tuple[type[Any], Any], str] = {}
        self._by_wire = {(type(wire), wire): member for wire, member in zip(self.wires, self.members, strict=True)}
        self._wires = {_identity(member): wire for wire, member in zip(self.wires, self.members, strict=True)}
        self._index()
        self._folded = self._fold(str.casefold)
        self._near = self._fold(near)

    def _index(self) -> None:
        pairs = list(zip(self.wires, self.members, strict=True))
        spoken = [(wire, member) for wire, member in pairs if not isinstance(wire, str)]
        for wire, member in spoken:
            self._exact.setdefault(str(wire), member)
        for wire, member in pairs:
            text = wire if isinstance(wire, str) else str(wire)
            if isinstance(wire, str) and text in self._exact:
                text = json.dumps(wire)
            self._exact.setdefault(text, member)
            self._texts[type(wire), wire] = text
        for wire, member in spoken:
            self._exact.setdefault(_JSON_WORDS.get(wire, "") if isinstance(wire, (bool, type(None))) else str(wire), member)
        for wire, member in pairs:
            if isinstance(wire, str):
                self._exact.setdefault(json.dumps(wire, ensure_ascii=False), member)

    def _fold(self, fold: Callable[[str], str]) -> dict[str, Any]:
        """Members by folded spelling: values first, then names; a spelling that means two of them is marked."""
        table: dict[str, Any] = {}
        for spellings in (list(zip(map(str, self.wires), self.members, strict=True)), list(self.names.items())):
            level: dict[str, Any] = {}
            for spelling, member in spellings:
                key = fold(spelling)
                level[key] = member if key not in level or level[key] is member else _AMBIGUOUS
            table = {**level, **table}
        table.pop("", None)
        return table

    def _listing(self, limit: int) -> str:
        shown = [quoted(wire) if isinstance(wire, str) else str(wire) for wire in self.wires[:limit]]
        more = len(self.wires) - limit
        return ", ".join(shown) + (f" and {more} more" if more > 0 else "")

    def parse(self, text: str, repairs: list[str] | None = None) -> Any:
        found = self._exact.get(text, MISSING)
        return found if found is not MISSING else super().parse(text, repairs)

    def fit_text(self, text: str, reading: Reading) -> Any:
        found = self._exact.get(text, MISSING)
        found = self._exact.get(text.strip(), MISSING) if found is MISSING else found
        return found if found is not MISSING else self._by_spelling(text, reading)

    def fit(self, value: Any, reading: Reading) -> Any:
        if isinstance(value, enum.Enum) and id(value) in self._wires:
            return value
        if isinstance(value, _PLAIN):
            found = self._by_wire.get((type(value), value), MISSING)
            if found is not MISSING:
                return found
            if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
                value = int(value)
            return self._by_spelling(value if isinstance(value, str) else str(value), reading)
        return self.single(value, reading)

    def _by_spelling(self, text: str, reading: Reading) -> Any:
        core = bare(text[:2000])
        wrapped = _WRAPPED.fullmatch(core)
        core = bare(wrapped.group(1)) if wrapped else core
        prefix, dot, name = core.rpartition(".")
        if dot and self.names and prefix.rpartition(".")[2] == getattr(self.annotation, "__name__", ""):
            core = name
        for table, key in ((self._exact, core), (self.names, core), (self._folded, core.casefold()), (self._near, near(core))):
            found = table.get(key, MISSING)
            if found is _AMBIGUOUS:
                raise reading.misfit(text, self.expected, "It could mean more than one of them.")
            if found is not MISSING:
                reading.mend(f"read {text!r} as {self.render(found)!r}", text, self.expected)
                return found
        raise reading.misfit(text, self.expected, "" if reading.quiet else self._closest(core))

    def _closest(self, text: str) -> str:
        import difflib  # noqa: PLC0415 - only wanted when an error is worded

        known = [str(wire) for wire in self.wires[:300]]
        close = difflib.get_close_matches(text[:100], known, n=1)
        return f"Did you mean {close[0]!r}?" if close else ""

    def _wire(self, value: Any) -> Any:
        if isinstance(value, (*_PLAIN, enum.Enum)):
            return self._wires.get(_identity(value), MISSING)
        return MISSING

    def render(self, value: Any) -> str:
        wire = self._wire(value)
        if wire is not MISSING:
            return self._texts[type(wire), wire]
        return super().render(value) if not isinstance(value, enum.Enum) else str(value.value)

    def dump(self, value: Any) -> Any:
        wire = self._wire(value)
        if wire is not MISSING:
            return wire
        return plain(value.value if isinstance(value, enum.Enum) else value)

    def accepts(self, value: Any) -> bool:
        return value is None or self._wire(value) is not MISSING

    def rank(self, value: Any) -> int:
        return int(isinstance(value, _PLAIN) and (type(value), value) in self._by_wire)

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        kinds = {_KINDS.get(type(wire), "string") for wire in self.wires}
        part: dict[str, Any] = {"type": kinds.pop()} if len(kinds) == 1 else {}
        return {**part, "enum": list(self.wires)}

    def note(self) -> str:
        return f"must be exactly one of: {'; '.join(wire if isinstance(wire, str) else str(wire) for wire in self.wires)}"


class EnumChoice(Choice):
    """An Enum; its definition has a name of its own in a JSON schema."""

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        name = self.annotation.__name__
        definitions.setdefault(name, {**super().emit(definitions), "title": name})
        return {"$ref": f"#/$defs/{name}"}


def literal_choice(annotation: Any) -> Choice:
    """The schema of a `Literal`; raises SignatureError for members that text cannot name."""
    members = get_args(annotation)
    wires = [member.value if isinstance(member, enum.Enum) else member for member in members]
    for wire in wires:
        if not isinstance(wire, _PLAIN):
            raise SignatureError(f"`Literal` cannot hold {wire!r} here. Its members must be strings, ints, bools or None.")
    schema = Choice(annotation, members, wires)
    schema.pydantic_reads = schema.pydantic_writes = not any(isinstance(member, enum.Enum) for member in members)
    return schema


def enum_choice(annotation: type[enum.Enum]) -> Choice:
    """The schema of an Enum: by value, or by name where the values are no plain data.

    An Enum without members raises SignatureError.
    """
    members = list(annotation)
    if not members:
        raise SignatureError(f"The Enum `{annotation.__name__}` has no members, so no value could fit. Give it some.")
    by_value = all(isinstance(member.value, _PLAIN) for member in members)
    wires = [_plain_value(member.value) if by_value else member.name for member in members]
    schema = EnumChoice(annotation, members, wires, annotation.__members__)
    schema.kind = annotation
    schema.pydantic_reads = schema.pydantic_writes = by_value and all(type(wire) in (str, int) for wire in wires)
    return schema


def _plain_value(value: Any) -> Any:
    """A member's value as an exact plain type: an int enum's value may be of a subclass."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, float) else value
