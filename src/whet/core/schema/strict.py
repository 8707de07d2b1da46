"""JSON schemas in the form that providers enforce: closed objects, everything required, a small vocabulary."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["strict_schema"]

_DROPPED: Final = frozenset({"default", "discriminator", "uniqueItems", "examples", "minProperties", "maxProperties"})


class _Open(Exception):
    """The schema has a part that a closed schema cannot say."""


def strict_schema(schema: dict[str, Any]) -> dict[str, Any] | None:
    """A copy of a JSON schema in which every object is closed and all its properties are required; `$defs` are kept.

    None where that cannot be: an open mapping such as `dict[str, Any]`, a value of any type, a tuple of fixed length.

    >>> strict_schema({"type": "object", "properties": {"a": {"type": "integer", "default": 1}}})
    {'type': 'object', 'properties': {'a': {'type': 'integer'}}, 'required': ['a'], 'additionalProperties': False}
    """
    try:
        return _closed(schema)
    except _Open:
        return None


def _closed(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, dict) or "prefixItems" in schema or not set(schema) - {"title", "description", "default", "$defs"}:
        raise _Open
    if "$ref" in schema:
        kept = {"$ref": schema["$ref"]}
        return {**kept, "$defs": _each(schema["$defs"])} if "$defs" in schema else kept
    copy = {name: _part(name, part) for name, part in schema.items() if name not in _DROPPED}
    if "oneOf" in copy:
        copy["anyOf"] = copy.pop("oneOf")
    if copy.get("type") == "array" and "items" not in copy:
        raise _Open
    if copy.get("type") == "object":
        if not copy.get("properties") or schema.get("additionalProperties"):
            raise _Open
        copy["required"] = list(copy["properties"])
        copy["additionalProperties"] = False
    return copy


def _each(parts: dict[str, Any]) -> dict[str, Any]:
    return {name: _closed(part) for name, part in parts.items()}


def _part(name: str, part: Any) -> Any:
    if name in ("properties", "$defs"):
        return _each(part)
    if name in ("anyOf", "oneOf", "allOf"):
        return [_closed(inner) for inner in part]
    return _closed(part) if name == "items" else part
