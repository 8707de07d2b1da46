"""How a list is shown where text was asked: one item per line between guillemets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["listed"]

_BLOCK: Final = re.compile(r"[\n«»]")


def listed(items: Sequence[Any]) -> str:
    """A list in the place of text: `N/A` when empty, `«item»` for one, a numbered line for each of several.

    >>> print(listed(["a", "b"]))
    [1] «a»
    [2] «b»
    """
    if not items:
        return "N/A"
    if len(items) == 1:
        return _item(items[0])
    return "\n".join(f"[{number}] {_item(item)}" for number, item in enumerate(items, 1))


def _item(item: Any) -> str:
    text = str(item)
    if not _BLOCK.search(text):
        return f"«{text}»"
    indented = text.replace("\n", "\n    ")
    return f"«««\n    {indented}\n»»»"
