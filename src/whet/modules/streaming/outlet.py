"""Where a running program puts what happens, and the watch over one call of a model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from itertools import count
from typing import Any

from whet.adapters.base import Adapter
from whet.adapters.native import Native
from whet.core.context import context, current
from whet.core.exchange import StreamEvent
from whet.core.flow import Flow
from whet.core.signature import Signature
from whet.errors import SchemaError
from whet.modules.streaming.event import Event

__all__ = ["Outlet", "Stopped", "Watch"]


class Stopped(BaseException):
    """Nobody wants more of the stream: ends the call of the model that is under way."""


class _Sent:
    """What `send` gives back: it may be awaited."""

    def __await__(self) -> Generator[None, None, None]:
        return iter(())  # type: ignore[return-value]


class Outlet:
    """The setting `send_stream` while a program streams. `send(value)` puts something on the stream; it may be awaited."""

    def __init__(
        self, put: Callable[[Any], None], names: Mapping[int, str], signatures: Mapping[int, str], *, chunks: bool = False
    ) -> None:
        self.put = put
        self.names, self.signatures = names, signatures
        self.chunks = chunks
        self.stopped = False
        self.calls = count(1)
        self.fields: dict[str, Any] = {}

    @classmethod
    def for_program(cls, program: Any, put: Callable[[Any], None], *, chunks: bool = False) -> Outlet:
        """An outlet that knows the predictors of a program by name."""
        found = named_predictors(program)
        signatures = {id(p.signature): name for name, p in found}
        return cls(put, {id(p): name for name, p in found}, signatures, chunks=chunks)

    def send(self, value: Any) -> _Sent:
        """Put a value on the stream."""
        self.put(value)
        return _Sent()

    send_nowait = send

    def glance(self) -> None:
        """Raises `Stopped` when nobody wants more: for a call that hears nothing from its server."""
        if self.stopped:
            raise Stopped

    def path(self, predictor: Any) -> str:
        """The predictor's name in the program; of a copy made while it runs, that of the original."""
        known = self.names.get(id(predictor)) or self.signatures.get(id(predictor.signature))
        return known or type(predictor).__name__

    def watch(self, predictor: Any, adapter: Adapter, signature: Signature, native: Native | None) -> Watch:
        """A watch over one call of a model."""
        return Watch(self, self.path(predictor), adapter, signature, native)


def named_predictors(program: Any) -> list[tuple[str, Any]]:
    """The predictors of a program with their names."""
    return list(program.named_predictors()) if hasattr(program, "named_predictors") else []


class Watch:
    """Reads the fields of one answer while it comes."""

    __slots__ = (
        "_before",
        "_grown",
        "_heard",
        "_native",
        "_number",
        "_opening",
        "_outlet",
        "_path",
        "_scanner",
        "_schemas",
        "done",
        "signature",
    )

    def __init__(self, outlet: Outlet, path: str, adapter: Adapter, signature: Signature, native: Native | None) -> None:
        self._outlet, self._path = outlet, path
        self._number = next(outlet.calls)
        self._native = dict(native.fields) if native is not None else {}
        shown = native.signature if native is not None else signature
        self.signature = signature
        self._scanner = adapter.scanner(shown)
        self._schemas = {name: field.schema for name, field in signature.output_fields.items()}
        self._grown: dict[str, list[str]] = {}
        self._before: Any = None
        self._heard: set[str] = set()
        self._opening = True
        self.done: set[str] = set()

    def around(self, flow: Flow[Any]) -> Flow[Any]:
        """The call, with this watch listening to the model."""
        self._before = current().listener
        with context(listener=self.hear):
            return (yield from flow)

    def hear(self, event: StreamEvent) -> None:
        """Take an event of the model. Raises `Stopped` when nobody wants more."""
        outlet = self._outlet
        outlet.glance()
        if self._before is not None:
            self._before(event)
        if outlet.chunks:
            outlet.put(event)
        kind = event.kind
        self._opening = kind not in self._heard
        self._heard.add(kind)
        if kind == "text":
            if event.index == 0 and self._scanner is not None:
                for field, text, done in self._scanner.feed(event.text):
                    self._tell(field, text, done)
        elif kind == "reasoning" and event.index == 0 and (name := self._native.get("reasoning")):
            self._tell(name, event.text, False)
        elif kind == "citation" and (name := self._native.get("citations")):
            value = self._schemas[name].coerce([event.citation])
            self._grown.setdefault(name, [])
            outlet.put(Event("field_delta", path=self._path, field=name, value=value, call=self._number, opening=self._opening))
        elif kind == "usage":
            outlet.put(Event("usage", path=self._path, value=event.usage, call=self._number))

    def finished(self, values: Any) -> Any:
        """The answer was read: tell what the pieces did not. Gives the prediction back."""
        for piece in self._scanner.finish() if self._scanner is not None else ():
            self._tell(*piece)
        self._opening = True
        for name, value in values.items():
            schema = self._schemas.get(name)
            if name in self.done or schema is None:
                continue
            if name not in self._grown and value is not None:
                self._tell(name, schema.render(value), False)
            self._end(name, value)
        return values

    def _tell(self, field: str, text: str, done: bool) -> None:
        if field in self.done:
            return
        grown = self._grown.get(field)
        if grown is None:
            grown = self._grown[field] = []
        if text:
            grown.append(text)
            self._outlet.put(
                Event(
                    "field_delta",
                    path=self._path,
                    field=field,
                    text=text,
                    call=self._number,
                    schema=self._schemas[field],
                    so_far=grown,
                    last=done,
                    opening=self._opening,
                )
            )
        if done:
            self._end(field, self._typed(field, "".join(grown)))

    def _typed(self, field: str, text: str) -> Any:
        schema = self._schemas[field]
        try:
            if "<" in text and not schema.is_text:
                return self._from_elements(field, text)
            return schema.parse(text)
        except SchemaError:
            return None  # reading the whole answer says what is wrong

    def _from_elements(self, field: str, text: str) -> Any:
        from whet.adapters.elements import Child, Misshapen, is_nested, read_element  # noqa: PLC0415 - only elements need it

        schema = self._schemas[field]
        if not is_nested(schema) or text.lstrip()[:1] in "[{":
            return schema.parse(text)
        try:
            return schema.coerce(read_element(schema, Child(field, text), []))
        except Misshapen:
            return None

    def _end(self, field: str, value: Any) -> None:
        self.done.add(field)
        self._outlet.fields[field] = value
        text = "".join(self._grown.get(field, ()))
        self._outlet.put(Event("field_done", path=self._path, field=field, text=text, value=value, call=self._number))
