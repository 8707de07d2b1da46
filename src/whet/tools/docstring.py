"""What a docstring says about each argument, in the Google, NumPy and Sphinx styles."""

from __future__ import annotations

import inspect
import re
from typing import Final

__all__ = ["argument_texts"]

_SPHINX: Final = re.compile(r"^\s*:param\s+(?:[^:\n]*\s)?\*{0,2}(?P<name>\w+)\s*:\s*(?P<text>.*(?:\n[ \t]+(?!:).*)*)", re.M)
_GOOGLE: Final = re.compile(
    r"^(?P<indent>[ \t]*)(?:Args|Arguments|Parameters)[ \t]*:[ \t]*\n(?P<body>(?:(?P=indent)[ \t]+.*\n?|[ \t]*\n)+)", re.M
)
_NUMPY: Final = re.compile(
    r"^(?P<indent>[ \t]*)Parameters[ \t]*\n[ \t]*-{3,}[ \t]*\n(?P<body>(?:.*\n?)*?)(?=^[ \t]*\w[^\n]*\n[ \t]*-{3,}|\Z)", re.M
)
_ENTRY: Final = re.compile(r"^\*{0,2}(?P<name>\w+)[ \t]*(?:\([^)\n]*\))?[ \t]*:[ \t]*(?P<text>.*)$")
_NUMPY_ENTRY: Final = re.compile(r"^\*{0,2}(?P<name>\w+)[ \t]*(?::.*)?$")


def argument_texts(docstring: str | None) -> dict[str, str]:
    """The description of each argument that a docstring has, on one line each.

    >>> argument_texts("Add.\\n\\nArgs:\\n    x: the first\\n        number\\n    y (int): the second")
    {'x': 'the first number', 'y': 'the second'}
    """
    if not docstring:
        return {}
    text = inspect.cleandoc(docstring) + "\n"
    if section := _GOOGLE.search(text):
        return _entries(section["body"], _ENTRY)
    if section := _NUMPY.search(text):
        return _entries(section["body"], _NUMPY_ENTRY)
    return {found["name"]: _line(found["text"]) for found in _SPHINX.finditer(text)}


def _entries(body: str, pattern: re.Pattern[str]) -> dict[str, str]:
    """Entries stand at the section's own depth, their continuation lines deeper."""
    lines = inspect.cleandoc("\n" + body).split("\n")
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        entry = pattern.match(line)
        if entry:
            name = entry["name"]
            found[name] = [entry.groupdict().get("text") or ""]
        elif name and line[:1] in (" ", "\t"):
            found[name].append(line)
        elif line.strip():
            name = ""
    return {name: text for name, parts in found.items() if (text := _line(" ".join(parts)))}


def _line(text: str) -> str:
    return " ".join(text.split())
