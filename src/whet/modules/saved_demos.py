"""Demos read back from a file: plain data becomes the types of the signature, also where DSPy wrote a prompt's text instead of the data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from whet.core.records import Example
from whet.core.schema.document import read_json
from whet.core.signature import Signature
from whet.errors import SchemaError, StateError
from whet.tools.tool import Tool

__all__ = ["restored_demos"]

# DSPy saves a picture, a sound or a file as what its prompts have for it: blocks of the wire format (2.6 wrote them as Python does)
# between markers, and in 2.5 the URL alone.
_BLOCKS: Final = re.compile(r"\A<<CUSTOM-TYPE-START-IDENTIFIER>>(.*)<<CUSTOM-TYPE-END-IDENTIFIER>>\Z", re.DOTALL)
_URL: Final = re.compile(r"\A<DSPY_(?:IMAGE|AUDIO)_START>(.*)<DSPY_(?:IMAGE|AUDIO)_END>\Z", re.DOTALL)


def restored_demos(signature: Signature, demos: Sequence[Mapping[str, Any]], left_out: list[str] | None = None) -> list[Example]:
    """The demos with values of the signature's types. One that does not fit is told in `left_out`, or raises `StateError` without it.

    >>> restored_demos(Signature("n: int -> answer"), [{"n": "1", "answer": "one"}])
    [Example({'n': 1, 'answer': 'one'}) (input_keys=None)]
    """
    restored = []
    for number, demo in enumerate(demos, 1):
        try:
            restored.append(Example({name: _value(signature, name, value) for name, value in demo.items()}))
        except StateError as error:
            if left_out is None:
                raise StateError(f"Saved demo {number} does not fit: {error} Pass `force=True` to load without it.") from error
            left_out.append(f"demo {number} was left out: {error}")
    return restored


def _value(signature: Signature, name: str, value: Any) -> Any:
    field = signature.fields.get(name)
    if field is None or value is None or field.annotation is str or _describes_tools(field.annotation, value):
        return value
    try:
        return field.schema.coerce(_unmarked(value))
    except SchemaError as error:
        raise StateError(f"field `{name}`: {error}") from error


def _describes_tools(annotation: Any, value: Any) -> bool:
    """Whether this is the text of tools, of which a file has no more: it stands in the prompt as it is."""
    if annotation is Tool:
        return isinstance(value, str)
    return annotation == list[Tool] and isinstance(value, list) and all(isinstance(item, str) for item in value)


def _unmarked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unmarked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    if not isinstance(value, str):
        return value
    if url := _URL.match(value):
        return url[1]
    blocks = _BLOCKS.match(value)
    return value if blocks is None else _of_blocks(blocks[1], value)


def _of_blocks(text: str, whole: str) -> Any:
    try:
        blocks = read_json(text)
    except SchemaError:
        return whole
    if not isinstance(blocks, list) or not all(isinstance(block, Mapping) for block in blocks):
        return whole
    return _of_block(blocks[0]) if len(blocks) == 1 else blocks


def _of_block(block: Mapping[str, Any]) -> Any:
    kind = block.get("type")
    inside = block.get(kind) if isinstance(kind, str) else None
    match kind:
        case "image_url" if isinstance(inside, Mapping):
            return inside.get("url")
        case "input_audio" if isinstance(inside, Mapping):
            return {"data": inside.get("data"), "audio_format": inside.get("format")}
        case "file" if isinstance(inside, Mapping):
            return inside
        case "document" if isinstance(source := block.get("source"), Mapping):
            about = {name: block[name] for name in ("title", "context") if name in block}
            return {"data": source.get("data"), "media_type": source.get("media_type"), **about}
        case _:
            return [block]
