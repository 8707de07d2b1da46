"""Unions and Optional: which of several types a value means, and how `None` and the text `None` stay apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

from whet.core.schema.base import Schema, load, one_line, same
from whet.core.schema.choice import Choice
from whet.core.schema.plain import plain
from whet.core.schema.reading import MISSING, Reading
from whet.core.schema.scalar import NONE_TEXTS, NONE_WORDS, AnyValue, Bool, Float, Int, Null, Text
from whet.core.schema.structured import Structured
from whet.core.schema.wrapping import fenced

__all__ = ["UnionOf", "union_of"]

_SHAPES: Final = {dict: "object", list: "array", tuple: "array", bool: "boolean", int: "number", float: "number"}
_ORDER: Final = (Null, Bool, Int, Float, Choice, Schema)
_NOTHING: Final = re.compile(r"[nN]\w{2,3}|[nN]/[aA]|")


def union_of(annotation: Any, members: tuple[Schema, ...]) -> Schema:
    """The schema of a union of these members; a member that takes anything swallows the others."""
    if any(type(member) is AnyValue for member in members):
        return AnyValue(annotation)
    return UnionOf(annotation, members)


class UnionOf(Structured):
    """A value of one of several types.

    Clean values come before repaired ones, and of the repaired readings all must agree, else the value is ambiguous. With
    `str` among the members, text is text unless it is cleanly a value of another one; text that would be taken for such a
    value is written in double quotes, and read back without them.
    """

    def __init__(self, annotation: Any, members: tuple[Schema, ...]) -> None:
        super().__init__(annotation)
        self.members = members
        self.children = members
        self.nullable = any(member.nullable for member in members)
        self.text = any(isinstance(member, Text) for member in members)
        others = [member for member in members if not isinstance(member, (Null, Text))]
        self.others = tuple(sorted(others, key=lambda member: next(place for place, kind in enumerate(_ORDER) if isinstance(member, kind))))
        self.shapes = frozenset().union(*(member.shapes for member in members))
        self.expected = " or ".join(member.expected for member in members[:6])
        alike = [shape for shape in ("object", "array") if sum(shape in member.shapes for member in others) > 1]
        self._alike = bool(alike)
        self._only = self.others[0] if len(self.others) == 1 and not self.text else None

    @cached_property
    def pydantic_reads(self) -> bool:  # type: ignore[override]
        """Not where members look alike and contain the union again: pydantic's time grows exponentially with the depth.

        Nor where a number could be a Decimal's or another member's: pydantic prefers the Decimal, we the exact type.
        """
        numbers = [member for member in self.others if "number" in member.shapes]
        if len(numbers) > 1 and any(getattr(member.kind, "__name__", "") == "Decimal" for member in numbers):
            return False
        return not (self._alike and any(part is self for member in self.members for part in member.family()))

    def parse(self, text: str, repairs: list[str] | None = None) -> Any:
        if self._only is not None and text[:1].isalnum() and text[0] not in "nN":
            return self._only.parse(text, repairs)
        return Schema.parse(self, text, repairs) if self.text or text in NONE_TEXTS else super().parse(text, repairs)

    def fit_text(self, text: str, reading: Reading) -> Any:
        clean = text.strip()
        if clean in NONE_TEXTS and self.nullable:
            return None
        if self.text:
            return self._text_or_other(text, clean, reading)
        if self.nullable and _NOTHING.fullmatch(clean) and clean.casefold() in NONE_WORDS:
            return self._nothing(lambda member, inner: member.fit_text(text, inner), text, reading)
        if self._only is not None:
            return self._only.fit_text(text, reading)
        tree = load(clean)
        if tree is not MISSING:
            value = self._first(lambda member, inner: member.fit(tree, inner), tree, reading)
            if value is not MISSING:
                return value
        return self._chosen(lambda member, inner: member.fit_text(text, inner), text, reading)

    def _text_or_other(self, text: str, clean: str, reading: Reading) -> Any:
        """Text of a union with `str`: another member's clean value, text in quotes that need be, or the text as it is."""
        if clean[:1] == '"':
            content = load(clean)
            return content if isinstance(content, str) and self.mistakable(content) else text
        if not self.others:
            return text
        tree = load(clean)
        value = MISSING if tree is MISSING else self._first(lambda member, inner: member.fit(tree, inner), tree, reading)
        if value is MISSING:
            value = self._first(lambda member, inner: member.fit_text(text, inner), clean, reading)
        inner_text = fenced(clean) if value is MISSING and not reading.strict else None
        if inner_text is None:
            return text if value is MISSING else value
        tree = load(inner_text)
        value = self._first(lambda member, inner: member.fit(tree, inner), tree, reading) if isinstance(tree, (dict, list)) else MISSING
        if value is MISSING:
            return text
        reading.mend("took the content of the code fence", text, self.expected)
        return value

    def mistakable(self, text: str) -> bool:
        """Whether a text would be read as something else than itself, so that it must be quoted."""
        return Reading().attempt(self.fit_text, text, strict=False)[0] is not text

    def fit(self, value: Any, reading: Reading) -> Any:
        if value is None and self.nullable:
            return None
        if isinstance(value, str):
            return self._from_string(value, reading)
        if self._only is not None:
            return self._only.fit(value, reading)
        shape = _SHAPES.get(type(value))
        plausible = [member for member in self.others if shape in member.shapes]
        if shape in ("object", "array") and len(plausible) == 1:
            return plausible[0].fit(value, reading)
        return self._chosen(lambda member, inner: member.fit(value, inner), value, reading)

    def _from_string(self, value: str, reading: Reading) -> Any:
        """A JSON string: text where `str` is a member, unless a Literal or Enum knows it exactly."""
        if self.text:
            choices = [member for member in self.others if isinstance(member, Choice) and member.rank(value)]
            return choices[0].fit(value, reading) if choices else value
        if self.nullable and _NOTHING.fullmatch(value.strip()) and value.strip().casefold() in NONE_WORDS:
            return self._nothing(lambda member, inner: member.fit(value, inner), value, reading)
        if self._only is not None:
            return self._only.fit(value, reading)
        return self._chosen(lambda member, inner: member.fit(value, inner), value, reading)

    def _nothing(self, read: Callable[[Schema, Reading], Any], value: str, reading: Reading) -> Any:
        """A word for nothing is null, unless it is exactly a value of another member."""
        found = self._first(read, value, reading)
        if found is not MISSING:
            return found
        reading.mend(f"read {value!r} as null", value, self.expected)
        return None

    def _ranked(self, value: Any) -> list[Schema]:
        return sorted(self.others, key=lambda member: -member.rank(value))

    def _first(self, read: Callable[[Schema, Reading], Any], value: Any, reading: Reading) -> Any:
        """The value of the best member that reads it cleanly; `MISSING` if none does."""
        for member in self._ranked(value):
            found = reading.attempt(read_with(read, member), value, strict=True)[0]
            if found is not MISSING:
                return found
        return MISSING

    def _chosen(self, read: Callable[[Schema, Reading], Any], value: Any, reading: Reading) -> Any:
        """A clean reading, else the one repaired reading that the members agree on."""
        found = self._first(read, value, reading)
        if found is not MISSING or reading.strict:
            if found is MISSING:
                raise reading.misfit(value, self.expected)
            return found
        tries = [reading.attempt(read_with(read, member), value, strict=False) for member in self._ranked(value)]
        fits = [(result, notes) for result, notes in tries if result is not MISSING]
        if self.text and not fits:
            return Text(str).fit(value, reading)
        if not fits or any(bool(result != fits[0][0]) for result, _ in fits):
            raise reading.misfit(value, self.expected, "It could mean several of these." if fits else "")
        if reading.repairs is not None:
            reading.repairs.extend(fits[0][1])
        return fits[0][0]

    def render(self, value: Any) -> str:
        if value is None:
            return "None"
        if isinstance(value, str) and self.text and not any(isinstance(m, Choice) and m.accepts(value) for m in self.others):
            return one_line(value) if self.mistakable(value) else str.__str__(value)
        member = self._member(value)
        text = member.render(value)
        if self._only is not None and text.strip() not in NONE_TEXTS:
            return text
        back = Reading().attempt(self.fit_text, text, strict=False)[0]
        return text if same(back, value) else one_line(member.dump(value))

    def _member(self, value: Any) -> Schema:
        """The member that this value belongs to; Any where it belongs to none."""
        for member in self._ranked(value):
            if member.accepts(value):
                return member
        return AnyValue(Any)

    def dump(self, value: Any) -> Any:
        if value is None or type(value) is str:
            return value
        if self._only is not None:
            return self._only.dump(value)
        return self._member(value).dump(value) if self.others else plain(value)

    def accepts(self, value: Any) -> bool:
        return value is None or any(member.accepts(value) for member in self.members)

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [member.emit(definitions) for member in self.members]}

    def note(self) -> str:
        if not self.others and self.text:
            return "plain text, or null when there is none"
        if self._only is not None and self.nullable and not isinstance(self._only, Structured):
            return f"{self._only.note()}, or null when there is none"
        if not self.text:
            return super().note()
        definitions: dict[str, Any] = {}
        parts = [member.emit(definitions) for member in self.members if not isinstance(member, Text)]
        schema = (parts[0] if len(parts) == 1 else {"anyOf": parts}) | ({"$defs": definitions} if definitions else {})
        return f"plain text without quotes, or JSON that fits this schema: {one_line(schema)}"


def read_with(read: Callable[[Schema, Reading], Any], member: Schema) -> Callable[[Any, Reading], Any]:
    """`read` for one member, in the form that a reading tries."""
    return lambda _value, reading: read(member, reading)
