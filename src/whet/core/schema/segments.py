"""Find JSON in what a model wrote around it, and read it, damaged or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from whet.core.schema.base import load, one_line
from whet.core.schema.damaged import Damaged, DamagedJson
from whet.core.schema.reading import MISSING
from whet.core.schema.wrapping import fenced

__all__ = ["read_damaged", "segments", "unfenced"]

_FENCES: Final = re.compile(r"```[ \t]*[\w+.#-]*[ \t]*\r?\n(.*?)```", re.DOTALL)
# A long string that is never closed is taken as one too: else each of its quotes would be tried to its end.
_MARKS: Final = re.compile(
    r"""[\[\]{}]|"(?:[^"\\\n]|\\.){0,200}+"|"(?:[^"\\\n]|\\.){200,}+"?|(?<=[\[{,:(\s])'(?:[^'\\\n]|\\.){0,200}+'(?=\s{0,9}[,:\]})])"""
)
_WRITTEN: Final = re.compile(r"[^\w%$€£.+\-]+")
_MOST: Final = 16
_LONGEST: Final = 4_000
# From each of these signs the library may look on to the end of the text, and more than once.
_COSTLY: Final = re.compile(r"""["'“”\]}]""")
_MOST_WORK: Final = 300_000
_DEEPEST: Final = 32


def read_damaged(text: str, *, words: bool = True) -> tuple[Any, list[str]]:
    """The JSON value that `text` is, damaged or not, and what was mended; `MISSING` where it has no single meaning."""
    tree = load(text)
    if tree is not MISSING:
        return tree, []
    reader = DamagedJson(text, words=words)
    try:
        return reader.whole(), reader.notes
    except (Damaged, RecursionError):
        return _by_library(text)


def segments(text: str) -> Iterator[tuple[str, str]]:
    """The parts of `text` that may be its JSON, with a note each: what stands in code fences, else in balanced brackets.

    A bracket that is never closed reaches to the end of the text. At most 16 parts are given.
    """
    fences = [found.group(1).strip() for found in _FENCES.finditer(text)][:_MOST]
    for part in fences:
        yield part, "took the content of the code fence"
    if fences:
        return
    for start, end in _balanced(text):
        yield text[start:end], "dropped the prose around the JSON"


def _balanced(text: str) -> Iterator[tuple[int, int]]:
    start = depth = count = 0
    for found in _MARKS.finditer(text):
        mark = found.group()
        if mark in "[{":
            start = start if depth else found.start()
            depth += 1
        elif mark in "]}" and depth:
            depth -= 1
            if not depth:
                yield start, found.end()
                count += 1
                if count >= _MOST:
                    return
    if depth:
        yield start, len(text)


def _by_library(text: str) -> tuple[Any, list[str]]:
    """Let json_repair try, on texts it reads fast; what it read counts only if it dropped and added nothing."""
    if len(text) > _LONGEST or not text.startswith(("{", "[")) or _depth(text) > _DEEPEST:
        return MISSING, []
    if len(_COSTLY.findall(text)) * len(text) > _MOST_WORK:
        return MISSING, []
    import json_repair  # noqa: PLC0415 - rarely needed, and slow to import

    try:
        tree = json_repair.loads(text, skip_json_loads=True, strict=True)
    except (ValueError, RecursionError):
        return MISSING, []
    if not tree or not isinstance(tree, (dict, list)):
        return MISSING, []
    line = one_line(tree)
    if _written(line) != _written(text) or line.count('""') > text.count('""') + text.count("''"):
        return MISSING, []
    return tree, ["repaired the punctuation of the JSON"]


def _written(text: str) -> str:
    return _WRITTEN.sub("", text)


def _depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        if char in "[{(":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]})" and depth:
            depth -= 1
    return deepest


def unfenced(text: str) -> tuple[str, list[str]]:
    """`text` without blanks and a code fence around it, and what was dropped."""
    text = text.strip()
    inner = fenced(text)
    return (text, []) if inner is None else (inner.strip(), ["took the content of the code fence"])
