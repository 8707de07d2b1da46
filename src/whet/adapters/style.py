"""The parts of a prompt that can be replaced by argument, without a subclass."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal

from whet.errors import ConfigurationError

if TYPE_CHECKING:
    from whet.core.signature import Signature

__all__ = ["Style", "filled", "style_of"]

_SLOT: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What of a prompt is not as usual.

    `system` is the system text: a function of the signature, or a template with `{inputs}`, `{outputs}`, `{structure}`, `{instructions}`.
    `field` is the layout of an input, such as `"{name}: {value}"`; `reminder` the end of the request (`""`: none; `{outputs}` is the usual
    text). `marker` is what begins a section of `ChatAdapter`, such as `"### {name}"`. `demos` says where examples stand: as turns of their
    own, in the system text, or in the request.

    `demo_tokens` is how many tokens (estimated) the demos may take. `overflow` is what happens when a prompt is longer than the model's
    context: `"send"` it all the same, raise an `"error"` before the call, or `"trim"` demos, then old turns.

    >>> import whet
    >>> adapter = whet.ChatAdapter(marker="### {name}", reminder="")
    >>> print(adapter.format(whet.Signature("question -> answer"), [], {"question": "2+2?"})[-1]["content"])
    ### question
    2+2?
    """

    system: str | Callable[[Signature], str] | None = None
    field: str | None = None
    reminder: str | None = None
    marker: str = "[[ ## {name} ## ]]"
    demos: Literal["turns", "system", "request"] = "turns"
    demo_tokens: int | None = None
    overflow: Literal["send", "error", "trim"] = "send"

    def __post_init__(self) -> None:
        for name, allowed in (("demos", ("turns", "system", "request")), ("overflow", ("send", "error", "trim"))):
            if getattr(self, name) not in allowed:
                raise ConfigurationError(f"`{name}` is one of {', '.join(map(repr, allowed))}, not {getattr(self, name)!r}.")
        if "{name}" not in self.marker or "\n" in self.marker or not self.marker.partition("{name}")[0].strip():
            raise ConfigurationError(
                f"`marker` is one line that begins with a sign and holds `{{name}}`, such as '## {{name}}'; got {self.marker!r}."
            )
        if self.field is not None and ("{value}" not in self.field or "{name}" not in self.field):
            raise ConfigurationError(f"`field` must hold `{{name}}` and `{{value}}`; got {self.field!r}.")


_USUAL: Final = Style()


def style_of(given: Mapping[str, Any]) -> Style:
    """The style with these parts replaced. Raises `ConfigurationError` for a part that does not exist."""
    if not given:
        return _USUAL
    known = [f.name for f in fields(Style)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise ConfigurationError(f"An adapter has no argument `{name}`.{hint} Parts of the prompt that fit: {', '.join(known)}.")
    return Style(**given)


def filled(template: str, slots: Mapping[str, str]) -> str:
    """A template with its slots filled in one pass: braces in what is put in are left alone.

    >>> filled("{a} and {b} and {c}", {"a": "{b}", "b": "2"})
    '{b} and 2 and {c}'
    """
    return _SLOT.sub(lambda found: slots.get(found.group(1), found.group(0)), template)
