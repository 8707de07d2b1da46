"""Reads signature strings: `question, context: list[str] -> answer: Literal['yes', 'no']`."""

from __future__ import annotations

import ast
import builtins
import re
import sys
import typing
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from whet.core.field import Field
from whet.errors import SignatureError

__all__ = ["parse_signature"]

_SIMPLE = {"str": str, "int": int, "float": float, "bool": bool, "list[str]": list[str]}


def parse_signature(text: str, names: Mapping[str, Any]) -> list[Field]:
    """The fields that a signature string names; types are looked up in builtins, `typing`, whet's own types and `names`, nowhere else."""
    sides = _cut(text)
    if len(sides) != 2:
        raise SignatureError(
            f"A signature string has exactly one `->` between inputs and outputs, as in 'question -> answer'; got {text!r}."
        )
    takes, gives = sides
    inputs = [_field("input", part, names, text) for part in _split(takes)]
    outputs = [_field("output", part, names, text) for part in _split(gives)]
    if not outputs:
        raise SignatureError(f"The signature {text!r} names no output after `->`.")
    for group in (inputs, outputs):
        seen: set[str] = set()
        for f in group:
            if f.name in seen:
                raise SignatureError(f"The field `{f.name}` stands twice in {text!r}; fields need distinct names.")
            seen.add(f.name)
    return [*inputs, *outputs]


def _cut(text: str) -> list[str]:
    """The text before and after each arrow; one inside of quotes is none."""
    if text.count("->") == 1:
        return text.split("->")
    return re.sub(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|->""", lambda found: found[1] or "\0", text).split("\0")


@lru_cache(maxsize=1024)
def _split(text: str) -> tuple[tuple[str, str], ...]:
    parts: list[tuple[str, str]] = []
    depth, quote, start = 0, "", 0
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote and text[i - 1] != "\\" else quote
        elif char in "'\"":
            quote = char
        elif char in "[(":
            depth += 1
        elif char in "])":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(_name_and_type(text[start:i]))
            start = i + 1
    if text[start:].strip():
        parts.append(_name_and_type(text[start:]))
    return tuple(parts)


def _name_and_type(part: str) -> tuple[str, str]:
    name, _, annotation = part.partition(":")
    return name.strip(), annotation.strip()


def _field(kind: typing.Literal["input", "output"], part: tuple[str, str], names: Mapping[str, Any], text: str) -> Field:
    name, annotation = part
    if not name.isidentifier() or name.startswith("__"):
        raise SignatureError(f"{name!r} in the signature {text!r} is no field name: it must be a Python identifier.")
    if not annotation:
        return Field(name=name, kind=kind, annotation=str, typed=False)
    simple = _SIMPLE.get(annotation)
    field = Field(name=name, kind=kind, annotation=simple if simple is not None else _resolve(annotation, names, text))
    _ = field.schema
    return field


def _resolve(annotation: str, names: Mapping[str, Any], text: str) -> Any:
    try:
        tree = ast.parse(annotation, mode="eval").body
    except SyntaxError as error:
        raise SignatureError(f"The type {annotation!r} in the signature {text!r} is no Python type: {error.msg}.") from None
    return _type_of(tree, names)


def _type_of(node: ast.expr, names: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return _lookup(node.id, names)
    if isinstance(node, ast.Constant):
        return _constant(node.value, names)
    if isinstance(node, ast.Attribute):
        return _attribute(node, names)
    if isinstance(node, ast.Subscript):
        return _subscript(node, names)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return typing.Union[_type_of(node.left, names), _type_of(node.right, names)]  # noqa: UP007 - works for any two values
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_type_of(element, names) for element in node.elts)
    raise SignatureError(
        f"`{ast.unparse(node)}` is no type that a signature string can hold. Pass it with `custom_types={{...}}` under a name."
    )


def _constant(value: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w.\[\], ]*", value):
        return _resolve(value, names, value)
    return value


def _attribute(node: ast.Attribute, names: Mapping[str, Any]) -> Any:
    base = _type_of(node.value, names)
    try:
        return getattr(base, node.attr)
    except AttributeError:
        raise SignatureError(f"Unknown name: {ast.unparse(node)}") from None


def _subscript(node: ast.Subscript, names: Mapping[str, Any]) -> Any:
    base = _type_of(node.value, names)
    elements = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if base is typing.Literal:
        return typing.Literal[tuple(_literal(element) for element in elements)]
    # `Code['python']`, `Score[1, 5]`: types of whet's own take plain values too.
    own = hasattr(base, "__whet_schema__")
    arguments = tuple(_literal(e) if own and isinstance(e, ast.Constant | ast.UnaryOp) else _type_of(e, names) for e in elements)
    try:
        return base[arguments if len(arguments) > 1 or base in (tuple, typing.Tuple) else arguments[0]]  # noqa: UP006 - users write it
    except TypeError as error:
        raise SignatureError(f"`{ast.unparse(node)}` is no type: {error}.") from None


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise SignatureError(
            f"`{ast.unparse(node)}` cannot stand inside of `Literal[...]`; write strings, numbers, booleans or None."
        ) from None


def _lookup(name: str, names: Mapping[str, Any]) -> Any:
    if name in names:
        return names[name]
    for place in (builtins, typing):
        if hasattr(place, name):
            return getattr(place, name)
    own = typing if name == "typing" else _own_type(name)
    if own is not None:
        return own
    raise SignatureError(
        f"Unknown name: {name}. Types in a signature string come from builtins, `typing`, the calling code, "
        f"or `custom_types={{{name!r}: ...}}`."
    )


def _own_type(name: str) -> Any:
    # The public names of whet itself, when the program has imported it; core may not import the package above it.
    root = sys.modules.get("whet")
    if root is None or name in ("dspy", "whet"):
        return root
    return getattr(root, name, None) if name in getattr(root, "__all__", ()) else None
