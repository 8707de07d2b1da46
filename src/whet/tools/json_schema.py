"""Whether a value fits a JSON schema, for tools that come with a schema and no Python types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["misfit"]

_KINDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool) or (isinstance(v, float) and v.is_integer()),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "array": lambda v: isinstance(v, list | tuple),
    "object": lambda v: isinstance(v, Mapping) or hasattr(v, "model_fields"),
    "null": lambda v: v is None,
}
_BOUNDS: Final[tuple[tuple[str, Callable[[Any, Any], bool], str], ...]] = (
    ("minimum", lambda v, b: v >= b, "at least"),
    ("maximum", lambda v, b: v <= b, "at most"),
    ("exclusiveMinimum", lambda v, b: v > b, "more than"),
    ("exclusiveMaximum", lambda v, b: v < b, "less than"),
)


def misfit(value: Any, schema: Any, path: str = "") -> str:
    """Why `value` does not fit `schema`, as a sentence without its end; empty when it fits. Keywords that it does not know are let through.

    >>> misfit({"n": "x"}, {"type": "object", "properties": {"n": {"type": "integer"}}})
    "`n` is 'x', expected integer"
    """
    if not isinstance(schema, Mapping):
        return ""
    for check in (_kind, _options, _bounds, _alternatives, _items, _properties):
        if found := check(value, schema, path):
            return found
    return ""


def _at(path: str) -> str:
    return f"`{path}`" if path else "it"


def _kind(value: Any, schema: Mapping[str, Any], path: str) -> str:
    wanted = schema.get("type")
    kinds = [wanted] if isinstance(wanted, str) else list(wanted or ())
    if schema.get("nullable"):
        kinds.append("null")
    if not kinds or any(kind not in _KINDS or _KINDS[kind](value) for kind in kinds):
        return ""
    return f"{_at(path)} is {value!r:.200}, expected {' or '.join(kinds)}"


def _options(value: Any, schema: Mapping[str, Any], path: str) -> str:
    options = [schema["const"]] if "const" in schema else schema.get("enum")
    if options is None or any(value == option and type(value) is type(option) for option in options):
        return ""
    return f"{_at(path)} is {value!r:.200}, expected one of {', '.join(map(repr, options))}"


def _bounds(value: Any, schema: Mapping[str, Any], path: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        for key, holds, words in _BOUNDS:
            if key in schema and not holds(value, schema[key]):
                return f"{_at(path)} is {value!r}, expected {words} {schema[key]}"
    sizes = ("minLength", "maxLength") if isinstance(value, str) else ("minItems", "maxItems") if isinstance(value, list) else ()
    if sizes and not schema.get(sizes[0], 0) <= len(value) <= schema.get(sizes[1], len(value)):
        return f"{_at(path)} has length {len(value)}, expected {schema.get(sizes[0], 0)} to {schema.get(sizes[1], 'any')}"
    if isinstance(value, str) and "pattern" in schema and not _matches(schema["pattern"], value):
        return f"{_at(path)} is {value!r:.200}, expected a match of {schema['pattern']!r}"
    return ""


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value[:10_000]) is not None
    except re.error:
        return True


def _alternatives(value: Any, schema: Mapping[str, Any], path: str) -> str:
    for part in schema.get("allOf") or ():
        if found := misfit(value, part, path):
            return found
    either = schema.get("anyOf") or schema.get("oneOf")
    if not either:
        return ""
    reasons = [misfit(value, part, path) for part in either]
    return "" if "" in reasons else reasons[0]


def _items(value: Any, schema: Mapping[str, Any], path: str) -> str:
    if not isinstance(value, list | tuple):
        return ""
    for index, item in enumerate(value):
        if found := misfit(item, schema.get("items"), f"{path}[{index}]"):
            return found
    return ""


def _properties(value: Any, schema: Mapping[str, Any], path: str) -> str:
    if not isinstance(value, Mapping):
        return ""
    known = schema.get("properties") or {}
    for name in schema.get("required") or ():
        if name not in value:
            return f"{_at(path)} lacks `{name}`"
    for name, part in value.items():
        where = f"{path}.{name}" if path else str(name)
        if name in known:
            if found := misfit(part, known[name], where):
                return found
        elif schema.get("additionalProperties") is False:
            return f"{_at(path)} has `{name}`, which is not among {', '.join(map(repr, known))}"
    return ""
