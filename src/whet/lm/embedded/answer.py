"""Writes an answer in the layout that the prompt asks for, and its log-probabilities."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from whet.lm.embedded.prompt import Task, as_text
from whet.lm.embedded.values import Value

__all__ = ["Piece", "logprobs", "write_answer"]

_NEVER: Final = -9999.0
_LOOKS_LIKE_MARKER: Final = re.compile(r"^([ \t]*\\*)(\[\[ ## \w+ ## \]\])", re.M)
_XML_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*\Z")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the answer's text; `chances` where it is an option that was chosen among others."""

    text: str
    chances: Mapping[str, float] | None = None


def write_answer(task: Task, values: Mapping[str, Value]) -> list[Piece]:
    """The answer in pieces, in the layout of the task."""
    if task.layout == "json":
        return _as_json(values)
    if task.layout == "xml":
        return _as_xml(values)
    if task.layout == "marker":
        return _as_markers(values, ends=task.ends)
    return [Piece("\n".join(f"{name}: {as_text(value.value)}" for name, value in values.items()))]


def _as_markers(values: Mapping[str, Value], *, ends: bool) -> list[Piece]:
    pieces: list[Piece] = []
    for name, value in values.items():
        pieces.append(Piece(f"{'' if not pieces else chr(10) * 2}[[ ## {name} ## ]]\n"))
        pieces.append(Piece(_LOOKS_LIKE_MARKER.sub(r"\1\\\2", as_text(value.value)), value.chances))
    return [*pieces, Piece("\n\n[[ ## completed ## ]]\n")] if ends else pieces


def _as_json(values: Mapping[str, Value]) -> list[Piece]:
    pieces: list[Piece] = []
    for name, value in values.items():
        text = json.dumps(value.value, ensure_ascii=False, indent=2).replace("\n", "\n  ")
        before = f"{',' if pieces else '{'}\n  {json.dumps(name, ensure_ascii=False)}: "
        if value.chances and isinstance(value.value, str):
            pieces += [Piece(before + '"'), Piece(text[1:-1], value.chances), Piece('"')]
        else:
            pieces += [Piece(before), Piece(text, value.chances)]
    return [*pieces, Piece("\n}")] if pieces else [Piece("{}")]


def _as_xml(values: Mapping[str, Value]) -> list[Piece]:
    pieces: list[Piece] = []
    for name, value in values.items():
        pieces.append(Piece(f"{'' if not pieces else chr(10) * 2}<{name}>\n"))
        inside = _elements(value.value) if isinstance(value.value, list | dict) else _escaped(as_text(value.value))
        pieces += [Piece(inside, value.chances), Piece(f"\n</{name}>")]
    return pieces


def _elements(value: Any) -> str:
    """Nested values as elements: keys as tags, items of lists as `<item>`, nothing as an empty element."""
    if isinstance(value, dict):
        return "".join(_element(str(key), part) for key, part in value.items())
    if isinstance(value, list):
        return "".join(_element("item", part) for part in value)
    return _escaped(as_text(value))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _element(name: str, value: Any) -> str:
    opening, closing = (name, name) if _XML_NAME.match(name) else (f'entry key="{_escaped(name).replace(chr(34), "&quot;")}"', "entry")
    return f"<{opening} />" if value is None or value == [] else f"<{opening}>{_elements(value)}</{closing}>"


def logprobs(pieces: Sequence[Piece], top: int) -> dict[str, Any]:
    """Log-probabilities in OpenAI's form. An option is one token with its probability; what the layout prescribes is certain (0.0)."""
    content = []
    for piece in pieces:
        chances = piece.chances or {}
        chance = chances.get(piece.text, next((value for option, value in chances.items() if option.lower() == piece.text.lower()), 1.0))
        best = sorted(chances.items(), key=lambda entry: -entry[1])[:top]
        content.append({**_token(piece.text, chance), "top_logprobs": [_token(option, value) for option, value in best]})
    return {"content": content, "refusal": None}


def _token(text: str, chance: float) -> dict[str, Any]:
    return {"token": text, "logprob": math.log(chance) if chance > 0 else _NEVER, "bytes": list(text.encode())}
