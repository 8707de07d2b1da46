"""A whole reply read as JSON: damaged, fenced, or with prose around it."""

from __future__ import annotations

from typing import Any

from whet.core.schema.base import load
from whet.core.schema.reading import MISSING, Reading

__all__ = ["read_json", "read_object"]


def read_json(text: str, repairs: list[str] | None = None) -> Any:
    """The JSON value that `text` is, after repair of damage with one possible meaning; `repairs` gets a sentence for each.

    >>> read_json("```json\\n{'a': [1, 2,]}\\n```")
    {'a': [1, 2]}

    Raises:
        SchemaError: the text is no JSON, or none that can be read in one way.
    """
    from whet.core.schema.segments import read_damaged, unfenced  # noqa: PLC0415 - compiles many patterns, wanted for damaged text

    tree = load(text)
    if tree is not MISSING:
        return tree
    body, notes = unfenced(text)
    tree, mended = read_damaged(body)
    if tree is MISSING:
        raise Reading().misfit(text, "JSON")
    if repairs is not None:
        repairs.extend([*notes, *mended])
    return tree


def read_object(text: str, repairs: list[str] | None = None) -> dict[str, Any]:
    """The JSON object in a reply: the whole reply, else the first object in a code fence or in balanced braces in it.

    Raises:
        SchemaError: there is none.
    """
    from whet.core.schema.segments import read_damaged, segments, unfenced  # noqa: PLC0415 - compiles many patterns, as above

    tree = load(text)
    if isinstance(tree, dict):
        return tree
    body, notes = unfenced(text)
    tree, mended = read_damaged(body)
    if not isinstance(tree, dict):
        for part, note in segments(body):
            tree, mended = read_damaged(part, words=False)
            if isinstance(tree, dict):
                notes = [*notes, note]
                break
        else:
            raise Reading().misfit(text, "a JSON object")
    if repairs is not None:
        repairs.extend([*notes, *mended])
    return tree
