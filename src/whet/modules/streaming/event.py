"""`Event`: something that happened while a program ran."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from whet.core.schema import Schema
from whet.errors import SchemaError

__all__ = ["Event", "EventKind"]

EventKind: TypeAlias = Literal["field_delta", "field_done", "tool_start", "tool_end", "status", "usage", "value", "done"]


class Event:
    """Something that happened while a program ran.

    `kind` says what: `field_delta` (more `text` of an output), `field_done` (the output is complete, `value` is typed), `tool_start` and
    `tool_end` (`name`, and in `value` the arguments or what it gave), `status` (`text`), `usage` (`value`, tokens of one call), `value`
    (something that the program put on the stream), `done` (`value` is the prediction). `path` names the predictor in the program, `field`
    the output, `call` numbers the calls of models, so that side-by-side calls of one predictor can be told apart. `last` is true of a
    `field_delta` that completes its output, `opening` of one that came with the first piece of the answer, which may be all of it.
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
        grown: list[str] | None = None,
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
        self._grown = (grown, len(grown)) if grown is not None else None

    @property
    def partial(self) -> Any:
        """The output so far: text, or for structured types what has come of the value, typed as far as it is whole already.

        `None` where nothing can be told yet.
        """
        if self._grown is None or self._schema is None:
            return self.value
        pieces, count = self._grown
        return partial_value(self._schema, "".join(pieces[:count]))

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in ("path", "field", "name", "text", "value", "call")}
        return f"Event({self.kind!r}, {', '.join(f'{k}={v!r}' for k, v in shown.items() if v not in (None, '', 0))})"


def partial_value(schema: Schema, text: str) -> Any:
    """What an unfinished text of a type says so far: the typed value where it is one already, else plain data, else None.

    >>> from whet.core.schema import schema_of
    >>> partial_value(schema_of(list[int]), "[1, 2, 3")
    [1, 2, 3]
    """
    if schema.is_text:
        return text
    begun = text.lstrip()[:1]
    try:
        if begun == "<":
            return _elements(schema, text)
        tree = _plain(text) if begun in ("[", "{") else None
        return schema.parse(text) if begun not in ("[", "{") else tree if tree is None else schema.coerce(tree)
    except SchemaError:
        return _plain(text) if begun in ("[", "{") else None


def _plain(text: str) -> Any:
    """The unfinished JSON, closed where it ends or a little before."""
    from whet.core.schema import read_json  # noqa: PLC0415 - only who asks for unfinished values needs it

    for end in range(len(text), max(0, len(text) - 200), -1):
        if text[end - 1] not in ",:":
            try:
                return read_json(text[:end])
            except SchemaError:
                continue
    return None


def _elements(schema: Schema, text: str) -> Any:
    from whet.adapters.elements import Child, Misshapen, closed, read_element  # noqa: PLC0415 - only elements need it

    try:
        return schema.coerce(read_element(schema, Child("", closed(text)), []))
    except Misshapen:
        return None
