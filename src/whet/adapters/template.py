"""A format of your own: two pure functions and a template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from whet.adapters.base import Adapter
from whet.adapters.chat import shown_output
from whet.core.exchange import Choice
from whet.core.signature import Signature

__all__ = ["TemplateAdapter"]


class TemplateAdapter(Adapter):
    """A format made of `write`, `read` and a system template; types, demos, history, defaults and errors are taken care of.

    `write` takes the outputs as texts by name and gives an answer as the model should write it; it also writes the demos. `read` takes an
    answer and gives the texts by name; it may leave names out. `system` is a template with `{inputs}`, `{outputs}`, `{instructions}` and
    `{structure}` (an answer with placeholders); `field` the layout of an input, `reminder` what ends the request. What `write` gives must
    be read back by `read`.

    >>> lines = TemplateAdapter(
    ...     write=lambda texts: "\\n".join(f"{name}: {text}" for name, text in texts.items()),
    ...     read=lambda answer: dict(line.split(": ", 1) for line in answer.splitlines() if ": " in line),
    ...     system="{instructions}\\nAnswer in this form:\\n{structure}",
    ... )
    >>> signature = Signature("question -> score: float, sure: bool", "Rate it.")
    >>> print(lines.render(signature, {"question": "Good?"})[0].text)
    Rate it.
    Answer in this form:
    score: {score}
    sure: {sure}
    >>> lines.parse(signature, "score: 0.5\\nsure: yes")
    {'score': 0.5, 'sure': True}
    """

    def __init__(
        self,
        *,
        write: Callable[[Mapping[str, str]], str],
        read: Callable[[str], Mapping[str, str]],
        system: str | Callable[[Signature], str],
        field: str = "{name}: {value}",
        reminder: str = "",
        **more: Any,
    ) -> None:
        super().__init__(system=system, field=field, reminder=reminder, **more)
        self._write, self._take = write, read

    def format_field(self, name: str, text: str) -> str:
        """One input in the layout given."""
        return self.format_input(name, text)

    def format_field_structure(self, signature: Signature) -> str:
        """An answer with placeholders."""
        return self._write({name: f"{{{name}}}" for name in signature.output_fields})

    def user_message_output_requirements(self, signature: Signature) -> str:
        """An answer with placeholders."""
        return self.format_field_structure(signature)

    def format_assistant_message_content(
        self, signature: Signature, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """The outputs as `write` lays them out."""
        outputs_of = self.plan(signature).outputs
        return self._write({name: shown_output(signature, outputs, name, render, missing_field_message) for name, render in outputs_of})

    def split(self, signature: Signature, choice: Choice, repairs: list[str]) -> Mapping[str, Any]:
        """What `read` finds."""
        return self._take(choice.text or "")
