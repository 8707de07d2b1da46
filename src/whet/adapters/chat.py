"""The chat format: every field is a section under a marker, `[[ ## name ## ]]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from whet.adapters.base import Adapter
from whet.core.exchange import Choice
from whet.core.field import Field
from whet.core.signature import Signature

__all__ = ["ChatAdapter", "short_type"]

_MARKER = re.compile(r"^[ \t]*\[\[ ## (\w+) ## \]\]", re.MULTILINE)
_LOOKS_LIKE_MARKER = re.compile(r"^([ \t]*\\*)(\[\[ ## \w+ ## \]\])", re.MULTILINE)
_ESCAPED_MARKER = re.compile(r"^([ \t]*\\*)\\(\[\[ ## \w+ ## \]\])", re.MULTILINE)
_LONGEST_TYPE = 60
_END = "[[ ## completed ## ]]"


class ChatAdapter(Adapter):
    """Sections marked `[[ ## name ## ]]`, ended by `[[ ## completed ## ]]`; works with any model.

    Text that looks like a marker is escaped with a backslash when it is rendered, and given back as it was when it is parsed.

    >>> ChatAdapter().parse(Signature("question -> answer: float"), "[[ ## answer ## ]]\\n0.5\\n\\n[[ ## completed ## ]]")
    {'answer': 0.5}
    """

    def __init__(self, use_json_adapter_fallback: bool = False) -> None:
        super().__init__()
        self.use_json_adapter_fallback = use_json_adapter_fallback

    def format_field(self, name: str, text: str) -> str:
        """A section: its marker, then its text."""
        return f"[[ ## {name} ## ]]\n{_escape(text)}"

    def format_field_structure(self, signature: Signature) -> str:
        """The sections of an exchange, with what a value of each output must look like."""
        inputs = [f"[[ ## {name} ## ]]\n{{{name}}}" for name in signature.input_fields]
        outputs = [f"[[ ## {f.name} ## ]]\n{{{f.name}}}{_note(f.schema.note())}" for f in signature.output_fields.values()]
        sections = "\n\n".join([*inputs, *outputs, _END])
        return f"An exchange has these sections, each under its marker, in this order:\n\n{sections}\n"

    def user_message_output_requirements(self, signature: Signature) -> str:
        """Which sections to write, in which order."""
        sections = [f"`[[ ## {f.name} ## ]]`{short_type(f)}" for f in signature.output_fields.values()]
        return f"Write the sections {', then '.join(sections)}, and close with `{_END}`."

    def format_assistant_message_content(
        self, signature: Signature, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """The outputs as sections, ended by the completion marker."""
        sections = []
        for name, render in self.plan(signature).outputs:
            value = outputs.get(name)
            missing = value is None and (name not in outputs or not signature.output_fields[name].schema.nullable)
            sections.append(self.format_field(name, str(missing_field_message) if missing else render(value)))
        return "\n\n".join([*sections, f"{_END}\n"])

    def split(self, signature: Signature, choice: Choice, repairs: list[str]) -> Mapping[str, Any]:
        """The text under each marker; the first section of a name counts."""
        text = choice.text or ""
        found: dict[str, str] = {}
        markers = list(_MARKER.finditer(text))
        for i, marker in enumerate(markers):
            name = marker.group(1)
            if name in signature.output_fields and name not in found:
                last = i + 1 == len(markers)
                body = text[marker.end() : len(text) if last else markers[i + 1].start()]
                found[name] = _unescape(_body(body, last))
        return found

    def format_finetune_data(
        self, signature: Signature, demos: Any, inputs: Mapping[str, Any], outputs: Mapping[str, Any]
    ) -> dict[str, list[dict[str, Any]]]:
        """A training row: the messages of a call and the answer wanted."""
        answer = {"role": "assistant", "content": self.format_assistant_message_content(signature, outputs)}
        return {"messages": [*self.format(signature, demos, inputs), answer]}


def short_type(field: Field) -> str:
    """A reminder of the type; long ones are described above and not worth their tokens twice."""
    name = field.schema.name
    return "" if field.schema.is_text or len(name) > _LONGEST_TYPE else f" ({name})"


def _note(note: str) -> str:
    return f"        # {note}" if note else ""


def _body(text: str, last: bool) -> str:
    # In the exact layout blanks around the text belong to it; extra blank lines are the model's, unless they are protected.
    exact = text.startswith("\n") and text.endswith("\n\n") and not last
    return text[1:-2].strip("\n") if exact else text.strip()


def _escape(text: str) -> str:
    if "[[ ## " in text:
        text = _LOOKS_LIKE_MARKER.sub(r"\1\\\2", text)
    if text.startswith(("\n", "\\\n")):
        text = "\\\n" + text
    return text + "\n\\" if text.endswith(("\n", "\n\\")) else text


def _unescape(text: str) -> str:
    text = text.removeprefix("\\\n").removesuffix("\n\\")
    return _ESCAPED_MARKER.sub(r"\1\2", text) if "\\[[ ## " in text else text
