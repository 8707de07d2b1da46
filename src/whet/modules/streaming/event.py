"""`Event`: something that happened while a program ran."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from whet.adapters.growing import Grown, grown
from whet.core.schema import Schema

__all__ = ["Event", "EventKind"]

EventKind: TypeAlias = Literal["field_delta", "field_done", "tool_start", "tool_end", "status", "usage", "value", "done"]


class Event:
    """Something that happened while a program ran.

    `kind` says what: `field_delta` (more `text` of an output), `field_done` (the output is complete, `value` is typed), `tool_start` and
    `tool_end` (`name`, and in `value` the arguments or what it gave), `status` (`text`), `usage` (`value`, tokens of one call), `value`
    (something that the program put on the stream), `done` (`value` is the prediction). `path` names the predictor in the program, `field`
    the output, `call` numbers the calls of models, so that side-by-side calls of one predictor can be told apart. `last` is true of a
    `field_delta` that completes its output, `opening` of one that came with the first piece of the answer, which may be all of it.

    >>> Event("field_delta", path="predict", field="answer", text="Par")
    Event('field_delta', path='predict', field='answer', text='Par')
    """

    __slots__ = ("_grown", "_schema", "call", "field", "kind", "last", "name", "opening", "path", "text", "value")

    def __init__(  # noqa: PLR0913 - one record for all kinds of event
        self,
        kind: EventKind,
        *,
        path: str = "",
        field: str = "",
        text: str = "",
        value: Any = None,
        name: str = "",
        call: int = 0,
        schema: Schema | None = None,
        so_far: list[str] | None = None,
        last: bool = False,
        opening: bool = False,
    ) -> None:
        self.kind = kind
        self.path = path
        self.field = field
        self.text = text
        self.value = value
        self.name = name
        self.call = call
        self.last = last
        self.opening = opening
        self._schema = schema
        self._grown = (so_far, len(so_far)) if so_far is not None else None

    @property
    def partial(self) -> Any:
        """The output so far: text, or for structured types what has come of the value, its finished parts typed.

        A record that lacks fields is a dict of those that it has. `None` where nothing can be told yet, as for half a number.
        """
        return self._so_far().value

    @property
    def problem(self) -> str | None:
        """What of the output so far does not fit its type, if anything: no more of it can mend that."""
        return self._so_far().problem

    def _so_far(self) -> Grown:
        if self._grown is None or self._schema is None:
            return Grown(self.value)
        pieces, count = self._grown
        return grown(self._schema, "".join(pieces[:count]))

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in ("path", "field", "name", "text", "value", "call")}
        return f"Event({self.kind!r}, {', '.join(f'{k}={v!r}' for k, v in shown.items() if v not in (None, '', 0))})"
