"""Any Python value as plain data that JSON can hold, whatever its declared type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from whet.errors import SignatureError

__all__ = ["ordered", "plain"]

_AS_IS: Final = frozenset({str, int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """`value` as plain data: models and dataclasses as dicts, sets in a fixed order, dates as ISO text, enums by value.

    What whet cannot write otherwise becomes its `str`.

    >>> plain({"when": [(1, None)], "tags": {"b", "a"}})
    {'when': [[1, None]], 'tags': ['a', 'b']}
    """
    cls = type(value)
    if cls in _AS_IS:
        return value
    if cls is dict:
        return {_key(key): plain(part) for key, part in value.items()}
    if cls is list or cls is tuple:
        return [plain(part) for part in value]
    if cls is set or cls is frozenset:
        return ordered([plain(part) for part in value])
    return _by_type(value, cls)


def ordered(items: list[Any]) -> list[Any]:
    """Plain items of a set in an order that is the same in every process."""
    return sorted(items, key=lambda item: (type(item).__name__, item) if isinstance(item, (str, int, float)) else ("~", repr(item)))


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    data = plain(key)
    return data if isinstance(data, str) else repr(data)


def _by_type(value: Any, cls: type[Any]) -> Any:
    from whet.core.schema.build import schema_of  # noqa: PLC0415 - the builder imports every kind of schema, and they import this

    if cls is object:
        return str(value)
    try:
        return schema_of(cls).dump(value)
    except SignatureError:
        pass
    for base in (str, int, float):
        if isinstance(value, base):
            return base(value)
    if isinstance(value, Mapping):  # an `Example`, for one
        return plain(dict(value))
    return plain(list(value)) if isinstance(value, (list, tuple, set, frozenset)) else str(value)
