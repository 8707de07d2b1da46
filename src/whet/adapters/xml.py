"""The XML format: every field is an element, and structured outputs are elements all the way down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from whet.adapters.base import Adapter
from whet.adapters.chat import short_type, shown_output
from whet.adapters.elements import Child, Misshapen, content, escape, is_nested, legend, read_element, skeleton, unescape
from whet.adapters.reading import Reading, whole_reader
from whet.adapters.scanner import ElementScanner, Scanner
from whet.adapters.style import filled
from whet.adapters.tidy import TidyReader
from whet.core.exchange import Choice
from whet.core.field import Field
from whet.core.signature import Signature
from whet.errors import AdapterParseError, SchemaError

__all__ = ["XMLAdapter"]


class XMLAdapter(Adapter):
    """Fields as elements, `<name>`, value, `</name>`; lists, mappings and models as elements in elements.

    Text of outputs is escaped when it is written and comes back byte for byte; markup that a model writes inside of a text stays text.

    >>> XMLAdapter().parse(Signature("question -> tags: list[str]"), "<tags><item>a</item><item>b &amp; c</item></tags>")
    {'tags': ['a', 'b & c']}
    """

    def format_field(self, name: str, text: str) -> str:
        """An element with its text; the text cannot close it."""
        if "</" in text and f"</{name}" in text:
            text = text.replace(f"</{name}", f"&lt;/{name}")
        return f"<{name}>\n{text}\n</{name}>"

    def format_field_structure(self, signature: Signature) -> str:
        """The elements of an exchange, with what a value of each output must look like."""
        layout = self.style.field or "<{name}>\n{value}\n</{name}>"
        inputs = [filled(layout, {"name": name, "value": f"{{{name}}}"}) for name in signature.input_fields]
        outputs = [self._shown_output(f) for f in signature.output_fields.values()]
        blocks = "\n\n".join([*inputs, *outputs])
        return f"An exchange has these elements, each between its tags, in this order:\n\n{blocks}\n"

    def _shown_output(self, field: Field) -> str:
        if is_nested(field.schema):
            return f"{skeleton(field.name, field.schema)}        # {legend(field.schema)}"
        note = field.schema.note()
        return f"<{field.name}>\n{{{field.name}}}{f'        # {note}' if note else ''}\n</{field.name}>"

    def user_message_output_requirements(self, signature: Signature) -> str:
        """Which elements to write, in which order."""
        shown = [
            f"`{skeleton(f.name, f.schema)}`" if is_nested(f.schema) else f"`<{f.name}>`{short_type(f)}"
            for f in signature.output_fields.values()
        ]
        return f"Write the elements {', then '.join(shown)}, each closed by its end tag. Escape `<` as `&lt;` and `&` as `&amp;` in text."

    def format_assistant_message_content(
        self, signature: Signature, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """The outputs as elements."""
        blocks = []
        for name, render in self.plan(signature).outputs:
            schema = signature.output_fields[name].schema
            value = outputs.get(name)
            if is_nested(schema) and value is not None:
                inner = content(schema, value)
            elif is_nested(schema) and schema.nullable and name in outputs:
                blocks.append(f"<{name} />")
                continue
            else:
                inner = escape(shown_output(signature, outputs, name, render, missing_field_message))
            blocks.append(f"<{name}>\n{inner}\n</{name}>")
        return "\n\n".join(blocks)

    def _read_text(self, signature: Signature, choice: Choice) -> Reading:
        kept = self.plan(signature).kept
        tidy = kept["tidy"] if "tidy" in kept else kept.setdefault("tidy", TidyReader(signature, whole_reader(signature)))
        try:
            return Reading(tidy.read(choice.text or ""))
        except Exception:  # noqa: BLE001 - whatever it or a user's validator says, the careful reading says it better
            return super()._read_text(signature, choice)

    def split(self, signature: Signature, choice: Choice, repairs: list[str]) -> Mapping[str, Any]:
        """What stands between the tags of each output; the first element of a name counts."""
        text = choice.text or ""
        found: dict[str, Any] = {}
        opening = self._opening(signature)
        place = 0
        while tag := opening.search(text, place):
            name, empty = tag.group(1), bool(tag.group(2))
            end = tag.end() if empty else self._end(signature, name, text, tag.end())
            if end < 0:
                raise self._misshapen(signature, choice, f"the element <{name}> is not closed", name)
            inner = "" if empty else text[tag.end() : end]
            place = tag.end() if empty else end + len(name) + 3
            if name not in found:
                found[name] = Child(name, inner, empty)
        if not found:
            tags = ", ".join(f"<{name}>" for name in signature.output_fields)
            raise self._misshapen(signature, choice, f"there is none of the elements {tags}", None)
        return found

    def _opening(self, signature: Signature) -> re.Pattern[str]:
        kept = self.plan(signature).kept
        if "opening" not in kept:
            names = "|".join(re.escape(name) for name in signature.output_fields)
            kept["opening"] = re.compile(rf"<({names})(?:\s[^<>]*?)?(/?)>")
        return kept["opening"]  # type: ignore[no-any-return]

    def _end(self, signature: Signature, name: str, text: str, start: int) -> int:
        end = text.find(f"</{name}>", start)
        if end < 0 or f"<{name}>" not in text[start:end] or not is_nested(signature.output_fields[name].schema):
            return end
        depth = 1  # elements of the same name inside: the field ends with its own end tag
        for tag in re.finditer(rf"<(/?){re.escape(name)}>", text[start:]):
            depth += -1 if tag.group(1) else 1
            if not depth:
                return start + tag.start()
        return -1

    def typed(self, field: Field, part: Any, repairs: list[str]) -> Any:
        """The content of one element as a value of the field's type."""
        schema = field.schema
        if schema.is_text:
            return schema.parse(unescape(part.inner.strip()), repairs)
        try:
            value = read_element(schema, part, repairs)
        except Misshapen as error:
            raise SchemaError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
        return _checked(schema, value, repairs) if is_nested(schema) else value

    def misfit(self, signature: Signature, choice: Choice, field: Field, error: SchemaError, so_far: dict[str, Any]) -> AdapterParseError:
        """The error for an element that holds no value of its field."""
        message = f"Failed to parse field `{field.name}`: {error}"
        return self.error(signature, choice, message, so_far, field=field.name, reason=f"`{field.name}`: {error}")

    def _misshapen(self, signature: Signature, choice: Choice, why: str, name: str | None) -> AdapterParseError:
        return self.error(signature, choice, f"Failed to parse XML: {why}.", field=name, reason=why)

    def scanner(self, signature: Signature) -> Scanner | None:
        """Reads the elements of an answer while it comes."""
        return ElementScanner(signature)

    def anchor(self, name: str) -> str:
        """The opening tag."""
        return f"<{name}>"


def _checked(schema: Any, value: Any, repairs: list[str]) -> Any:
    validator = getattr(schema, "validator", None)
    if validator is not None:
        try:
            return validator.validate_python(value, strict=True, by_alias=True, by_name=True)
        except Exception:  # noqa: BLE001 - whatever it or a user's validator says, the tolerant reading says it better
            pass
    return schema.coerce(value, repairs)
