"""What kind of value a field takes, read from the type text, the note or the JSON schema in a prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

__all__ = ["TEXT", "Option", "Shape", "of_schema", "of_type", "split_outside"]

Option: TypeAlias = str | int | float | bool | None
Kind: TypeAlias = Literal["text", "int", "float", "bool", "options", "list", "dict", "object", "date", "datetime", "any", "null"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The kind of a value; `options` of a choice, `item` of a list or dict, `parts` (name, shape, description) of an object or of a
    list with fixed places."""

    kind: Kind = "text"
    options: tuple[Option, ...] = ()
    item: Shape | None = None
    parts: tuple[tuple[str, Shape, str], ...] = ()
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    least: int = 0
    longest: int | None = None


TEXT: Final = Shape()
_PLAIN: Final[Mapping[str, Kind]] = {
    "str": "text", "string": "text", "int": "int", "integer": "int", "float": "float", "number": "float", "bool": "bool",
    "boolean": "bool", "date": "date", "datetime": "datetime", "dict": "dict", "Any": "any", "NoneType": "null", "None": "null",
    "null": "null", "object": "dict",
}  # fmt: skip
_LISTS: Final = frozenset({"list", "List", "set", "Set", "tuple", "Tuple", "frozenset", "Sequence", "array"})
_DICTS: Final = frozenset({"dict", "Dict", "Mapping"})
_UNIONS: Final = frozenset({"Union", "UnionType", "Optional"})
_QUOTED: Final = re.compile(r"""^(['"`])(.*)\1$""", re.S)
_ONE_OF: Final = re.compile(r"\bone of\b[^:\n]*:\s*([^\n]+)", re.I)
_HEAD: Final = re.compile(r"^([A-Za-z_][\w.]*)\s*\[(.*)\]$", re.S)
_LOW: Final = re.compile(r"(?:>=?|at least|greater than(?: or equal to)?|minimum(?: of)?|not below)\W{0,3}(-?\d+(?:\.\d+)?)", re.I)
_HIGH: Final = re.compile(r"(?:<=?|at most|less than(?: or equal to)?|maximum(?: of)?|not above)\W{0,3}(-?\d+(?:\.\d+)?)", re.I)
_RANGE: Final = re.compile(r"(?:\b(?:between|from)\s+)?(-?\d+(?:\.\d+)?)\s*(?:-|–|to|and)\s*(-?\d+(?:\.\d+)?)", re.I)
_DEEPEST: Final = 6


def split_outside(text: str, separator: str) -> list[str]:
    """The parts of a text between separators that stand outside quotes and brackets.

    >>> split_outside("'a, b', list[int, str], 3", ",")
    ["'a, b'", 'list[int, str]', '3']
    """
    parts, start, depth, quote, position = [], 0, 0, "", 0
    while position < len(text):
        char = text[position]
        if quote:
            position += char == "\\"
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "[({":
            depth += 1
        elif char in "])}":
            depth -= 1
        elif char == separator and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
        position += 1
    return [*parts, text[start:].strip()]


def _option(text: str) -> Option:
    quoted = _QUOTED.match(text)
    if quoted:
        return re.sub(r"\\(['\"\\])", r"\1", quoted.group(2))
    if text in ("True", "False"):
        return text == "True"
    if text in ("None", "null"):
        return None
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def _choice(options: list[Option]) -> Shape:
    kept = tuple(option for option in options if option is not None)
    return Shape(kind="options", options=kept, nullable=len(kept) < len(options)) if kept else TEXT


def of_type(text: str, note: str = "", about: str = "") -> Shape:
    """The shape behind a type as prompts write it; a `note` (members, JSON schema) helps where the type is only a name.

    >>> of_type("Literal['a', 'b']").options, of_type("list[int]").item.kind, of_type("Union[str, NoneType]").nullable
    (('a', 'b'), 'int', True)
    """
    shape = _of_type(text.strip(), note)
    if shape.kind in ("int", "float"):
        return _bounded(shape, f"{about} {note}")
    if shape.kind == "text":
        listed = _listed(about)
        return listed or shape
    return shape


def _of_type(text: str, note: str) -> Shape:
    if text in _PLAIN:
        return Shape(kind=_PLAIN[text])
    union = split_outside(text, "|")
    if len(union) > 1:
        return _union(union, note)
    head = _HEAD.match(text)
    if head:
        return _generic(head.group(1).rsplit(".", 1)[-1], head.group(2), note)
    if text in _LISTS:
        return Shape(kind="list", item=TEXT)
    return _named(note)


def _generic(name: str, inside: str, note: str) -> Shape:
    if name == "Literal":
        return _choice([_option(part) for part in split_outside(inside, ",")])
    if name in _UNIONS:
        return _union(split_outside(inside, ",") + ["None"] * (name == "Optional"), note)
    if name in _LISTS:
        shape = _of_schema_in(note)
        return shape if shape and shape.kind == "list" else _list_of(name, split_outside(inside, ","))
    if name in _DICTS:
        shape = _of_schema_in(note)
        if shape and shape.kind in ("dict", "object"):
            return shape
        return Shape(kind="dict", item=_of_type(split_outside(inside, ",")[-1], ""))
    return _named(note)


def _list_of(name: str, members: list[str]) -> Shape:
    fixed = name in ("tuple", "Tuple") and members[-1] != "..."
    parts = tuple((str(place), _of_type(member, ""), "") for place, member in enumerate(members)) if fixed else ()
    return Shape(kind="list", item=_of_type(members[0], ""), parts=parts)


def _union(members: list[str], note: str) -> Shape:
    solid = [member for member in members if _PLAIN.get(member) != "null"]
    shape = _of_type(solid[0], note) if solid else Shape(kind="null")
    return replace(shape, nullable=shape.nullable or len(solid) < len(members))


def _named(note: str) -> Shape:
    """A type that is only a name: an Enum or a model, told by the note."""
    return _of_schema_in(note) or _listed(note) or TEXT


def _listed(note: str) -> Shape | None:
    found = _ONE_OF.search(note)
    if not found:
        return None
    listed = found.group(1).strip().rstrip(".")
    separator = next((mark for mark in ";|" if mark in listed), ",")
    members = [_option(re.sub(r"^(?:and|or)\s+", "", part)) for part in split_outside(listed, separator) if part]
    return _choice(members) if len(members) > 1 else None


def _of_schema_in(note: str) -> Shape | None:
    for start in (match.start() for match in re.finditer(r"\{", note)):
        try:
            schema, _ = json.JSONDecoder().raw_decode(note, start)
        except ValueError:
            continue
        if isinstance(schema, dict) and schema.keys() & {"type", "properties", "anyOf", "enum", "$ref", "$defs", "oneOf", "items"}:
            return of_schema(schema)
    return None


def _bounded(shape: Shape, text: str) -> Shape:
    low, high, both = _LOW.search(text), _HIGH.search(text), _RANGE.search(text)
    if both and not low and not high:
        first, second = float(both.group(1)), float(both.group(2))
        return replace(shape, low=first, high=second) if first < second else shape
    return replace(shape, low=float(low.group(1)) if low else None, high=float(high.group(1)) if high else None)


def of_schema(schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None, depth: int = 0) -> Shape:
    """The shape that a JSON schema describes; `$ref` into `$defs` is followed, recursion ends in null.

    >>> of_schema({"type": "object", "properties": {"a": {"type": "integer"}}}).parts[0][1].kind
    'int'
    """
    known: Mapping[str, Any] = definitions or schema.get("$defs") or schema.get("definitions") or {}
    if depth > _DEEPEST:
        return Shape(kind="null")
    if "$ref" in schema:
        return of_schema(known.get(str(schema["$ref"]).rsplit("/", 1)[-1], {}), known, depth + 1)
    if "enum" in schema:
        return _choice(list(schema["enum"]))
    if "const" in schema:
        return _choice([schema["const"]])
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _any_of([of_schema(member, known, depth + 1) for member in schema[key]])
    return _of_json_type(schema, known, depth)


def _any_of(members: list[Shape]) -> Shape:
    solid = [member for member in members if member.kind != "null"]
    return replace(solid[0], nullable=len(solid) < len(members)) if solid else Shape(kind="null")


def _of_json_type(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> Shape:
    kind = schema.get("type")
    if isinstance(kind, list):
        return _any_of([of_schema({**schema, "type": member}, definitions, depth + 1) for member in kind])
    if schema.get("properties"):
        parts = tuple(
            (name, of_schema(part, definitions, depth + 1), str(part.get("description", ""))) for name, part in schema["properties"].items()
        )
        return Shape(kind="object", parts=parts)
    if kind == "array":
        places = [of_schema(part, definitions, depth + 1) for part in schema.get("prefixItems", ())]
        fixed = tuple((str(place), part, "") for place, part in enumerate(places))
        item = schema.get("items") or {}
        least = 0 if fixed else int(schema.get("minItems", 0))
        each = of_schema(item if isinstance(item, Mapping) else {}, definitions, depth + 1)
        return Shape(kind="list", item=each, parts=fixed, least=least)
    if kind == "object":
        inside = schema.get("additionalProperties")
        return Shape(kind="dict", item=of_schema(inside, definitions, depth + 1) if isinstance(inside, Mapping) else TEXT)
    dated = {"date": "date", "date-time": "datetime"}.get(str(schema.get("format")), "str")
    return Shape(
        kind="any" if kind is None else _PLAIN.get(dated if kind == "string" else str(kind), "text"),
        low=schema.get("minimum", schema.get("exclusiveMinimum")),
        high=schema.get("maximum", schema.get("exclusiveMaximum")),
        longest=schema.get("maxLength"),
    )
