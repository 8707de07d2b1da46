"""The chat format: every field is a section under a marker, `[[ ## name ## ]]`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from whet.adapters.base import Adapter
from whet.adapters.scanner import MarkerScanner, Scanner
from whet.adapters.style import filled
from whet.core.exchange import Choice
from whet.core.field import Field
from whet.core.schema import read_object
from whet.core.signature import Signature
from whet.errors import SchemaError

__all__ = ["ChatAdapter", "Marks", "marks_of", "short_type", "shown_output"]

_LONGEST_TYPE = 60
_EDGES = frozenset("\n\\")


@dataclass(frozen=True, slots=True)
class Marks:
    """The markers of sections, and the patterns that find them, and text that looks like them."""

    template: str
    lead: str
    found: re.Pattern[str]
    alike: re.Pattern[str]
    escaped: re.Pattern[str]
    word: re.Pattern[str] = re.compile(r"\w*")

    @property
    def closed(self) -> bool:
        """Whether a marker ends with a sign of its own, so that its name cannot go on."""
        return bool(self.template.partition("{name}")[2].strip())

    def could_grow(self, line: str) -> bool:
        """Whether a line that begins as a marker does could still become one."""
        name = line[len(self.lead) :]
        word = self.word.match(name)
        end = self.template.partition("{name}")[2]
        tail = name[word.end() if word else 0 :]
        return end.startswith(tail) if end.strip() else not tail.strip(" \t")

    def of(self, name: str) -> str:
        """The marker of a section."""
        return self.template.replace("{name}", name)


@lru_cache(maxsize=64)
def marks_of(template: str) -> Marks:
    """The markers that a template such as `[[ ## {name} ## ]]` stands for."""
    before, _, after = template.partition("{name}")
    # A marker that ends with its name needs an end of its own, or the first word of a text would lengthen it.
    end = re.escape(after) if after.strip() else r"[ \t]*$"
    sign = rf"{re.escape(before)}(\w+){end}"
    alike = rf"{re.escape(before)}\w+{end}"
    return Marks(
        template=template,
        lead=before,
        found=re.compile(rf"^[ \t]*{sign}", re.MULTILINE),
        alike=re.compile(rf"^([ \t]*\\*)({alike})", re.MULTILINE),
        escaped=re.compile(rf"^([ \t]*\\*)\\({alike})", re.MULTILINE),
    )


class ChatAdapter(Adapter):
    """Sections marked `[[ ## name ## ]]`, ended by `[[ ## completed ## ]]`; works with any model.

    Text that looks like a marker is escaped with a backslash when it is rendered, and given back as it was when it is parsed. With
    `use_json_adapter_fallback` an answer that cannot be read is asked for once more by `JSONAdapter`. Other arguments are those of
    `Adapter`.

    >>> ChatAdapter().parse(Signature("question -> answer: float"), "[[ ## answer ## ]]\\n0.5\\n\\n[[ ## completed ## ]]")
    {'answer': 0.5}
    """

    def __init__(
        self,
        callbacks: Sequence[Any] | None = None,
        use_native_function_calling: bool | None = None,
        native_response_types: Sequence[type] | None = None,
        use_json_adapter_fallback: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(callbacks, use_native_function_calling, native_response_types, **more)
        self.use_json_adapter_fallback = use_json_adapter_fallback
        self.marks = marks_of(self.style.marker)
        self.end = self.marks.of("completed")
        self._lead, _, self._tail = self.style.marker.partition("{name}")

    def format_field(self, name: str, text: str) -> str:
        """A section: its marker, then its text."""
        if self._lead in text or text[:1] in _EDGES or text[-1:] in _EDGES:
            text = self.escape(text)
        return f"{self._lead}{name}{self._tail}\n{text}"

    def format_field_structure(self, signature: Signature) -> str:
        """The sections of an exchange, with what a value of each output must look like."""
        mark = self.marks.of
        inputs = [self._input_shape(name) for name in signature.input_fields]
        outputs = [f"{mark(f.name)}\n{{{f.name}}}{_note(f.schema.note())}" for f in signature.output_fields.values()]
        sections = "\n\n".join([*inputs, *outputs, self.end])
        return f"An exchange has these sections, each under its marker, in this order:\n\n{sections}\n"

    def _input_shape(self, name: str) -> str:
        if self.style.field is not None:
            return filled(self.style.field, {"name": name, "value": f"{{{name}}}"})
        return f"{self.marks.of(name)}\n{{{name}}}"

    def user_message_output_requirements(self, signature: Signature) -> str:
        """Which sections to write, in which order."""
        sections = [f"`{self.marks.of(f.name)}`{short_type(f)}" for f in signature.output_fields.values()]
        return f"Write the sections {', then '.join(sections)}, and close with `{self.end}`."

    def format_assistant_message_content(
        self, signature: Signature, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """The outputs as sections, ended by the completion marker."""
        sections = [
            self.format_field(name, shown_output(signature, outputs, name, render, missing_field_message))
            for name, render in self.plan(signature).outputs
        ]
        return "\n\n".join([*sections, f"{self.end}\n"])

    def split(self, signature: Signature, choice: Choice, repairs: list[str]) -> Mapping[str, Any]:
        """The text under each marker; the first section of a name counts."""
        text, wanted = choice.text or "", signature.output_fields
        found: dict[str, str] = {}
        name, begin = "", 0
        for marker in self.marks.found.finditer(text):
            if name in wanted and name not in found:
                found[name] = self.unescape(_body(text[begin : marker.start()], False))
            name, begin = marker[1], marker.end()
        if name in wanted and name not in found:
            found[name] = self.unescape(_body(text[begin:], True))
        return found or self._of_object(signature, text.strip(), repairs)

    def _of_object(self, signature: Signature, text: str, repairs: list[str]) -> Mapping[str, Any]:
        """The values of an answer that has no marker, and is one JSON object with all the outputs."""
        if not text.startswith(("{", "```")):
            return {}
        notes: list[str] = []
        try:
            found = read_object(text, notes)
        except SchemaError:
            return {}
        if any(field.required and name not in found for name, field in signature.output_fields.items()):
            return {}
        repairs += ["the answer was a JSON object instead of sections", *notes]
        return {name: value for name, value in found.items() if name in signature.output_fields}

    def escape(self, text: str) -> str:
        """Text in which no line looks like a marker, and whose blank lines at the ends are kept."""
        text = self.guard(text)
        if text.startswith(("\n", "\\\n")):
            text = "\\\n" + text
        return text + "\n\\" if text.endswith(("\n", "\n\\")) else text

    def guard(self, text: str) -> str:
        """Text in which no line looks like a marker."""
        return self.marks.alike.sub(r"\1\\\2", text) if self.marks.lead in text else text

    def unescape(self, text: str) -> str:
        """Text as it was before `escape`."""
        if "\\" not in text:
            return text
        text = text.removeprefix("\\\n").removesuffix("\n\\")
        return self.marks.escaped.sub(r"\1\2", text) if "\\" + self.marks.lead in text else text

    def scanner(self, signature: Signature) -> Scanner | None:
        """Reads the sections of an answer while it comes."""
        return MarkerScanner(signature, self.marks, lambda rest, last: self.unescape(_body(rest, last)))

    def anchor(self, name: str) -> str:
        """The marker."""
        return self.marks.of(name)


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


def shown_output(signature: Signature, outputs: Mapping[str, Any], name: str, render: Any, missing: str | None) -> str:
    """An output of an example as text; the missing text where it has none."""
    value = outputs.get(name)
    absent = value is None and (name not in outputs or not signature.output_fields[name].schema.nullable)
    return str(missing) if absent else render(value)
