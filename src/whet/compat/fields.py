"""How programs with an adapter of their own name a field beside its value."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

__all__ = ["COMMENT_SYMBOL", "INDENTATION", "FieldInfoWithName"]

# How `BAMLAdapter` writes remarks and depth.
COMMENT_SYMBOL: Final = "#"
INDENTATION: Final = "  "


class FieldInfoWithName(NamedTuple):
    """A field by name, as `adapter.format_field_with_value({field: value})` takes it.

    >>> from whet.core.field import OutputField
    >>> FieldInfoWithName(name="answer", info=OutputField()).name
    'answer'
    """

    name: str
    info: Any
