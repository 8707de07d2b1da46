"""`StreamListener`: the pieces of one output of one predictor, in the form that programs written for DSPy know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whet.errors import ConfigurationError
from whet.modules.streaming.event import Event
from whet.modules.streaming.outlet import named_predictors

__all__ = ["StreamListener", "StreamResponse"]


@dataclass
class StreamResponse:
    """More of an output: which predictor's, which field's, the piece, and whether it is the last.

    >>> StreamResponse("predict", "answer", "Par", is_last_chunk=False).chunk
    'Par'
    """

    predict_name: str
    signature_field_name: str
    chunk: Any
    is_last_chunk: bool


class StreamListener:
    """Listens to one output field, `signature_field_name`, of the predictor `predict`, or of that called `predict_name`. Without either the
    predictor is the only one of the program that has such an output.

    A listener serves one call of its predictor, with `allow_reuse=True` all of them.

    >>> import whet
    >>> listener = StreamListener("answer")
    >>> listener.find(whet.ChainOfThought("question -> answer"))
    >>> listener.predict_name
    'predict'
    """

    def __init__(self, signature_field_name: str, predict: Any = None, predict_name: str | None = None, allow_reuse: bool = False) -> None:
        self.signature_field_name = signature_field_name
        self.predict = predict
        self.predict_name = predict_name
        self.allow_reuse = allow_reuse
        self._call = 0
        self._spent = False
        self._begun = False
        self._ended = False
        self._held: StreamResponse | None = None

    def find(self, program: Any) -> None:
        """Find the predictor in a program. Raises `ConfigurationError` (a `ValueError`) for none and for several."""
        known = named_predictors(program)
        if self.predict is not None:
            self.predict_name = self.predict_name or next((name for name, p in known if p is self.predict), None)
        field = self.signature_field_name
        having = [name for name, p in known if field in p.signature.output_fields and self.predict_name in (None, name)]
        if len(having) != 1:
            where = f"Several predictors have the output `{field}`: {', '.join(having)}. Pass `predict=`." if having else ""
            raise ConfigurationError(
                where or f"No predictor of the program has an output `{field}`. Names: {', '.join(n for n, _ in known)}."
            )
        self.predict_name = having[0]

    def hear(self, event: Event) -> list[StreamResponse]:
        """What an event means for this listener. A field that came in a single piece means nothing: it was no stream."""
        if event.field != self.signature_field_name or event.path != self.predict_name:
            return []
        if event.call != self._call:
            if self._spent and not self.allow_reuse:
                return []
            self._call, self._held, self._spent, self._begun, self._ended = event.call, None, False, False, False
        elif self._spent:
            return []
        if event.kind == "field_done":
            self._spent = True
            return [self._response("", last=True)] if self._begun and not self._ended else []
        return self._grown(event)

    def _grown(self, event: Event) -> list[StreamResponse]:
        """A piece is handed on at once, unless it may be all there is: then with the next one."""
        whole = event.value is not None and not event.text  # a citation, with no end to tell of
        piece = self._response(event.value if whole else event.text, last=event.last)
        held, self._held, self._ended = self._held, None, event.last or whole
        if not self._begun and held is None and not whole:
            if event.last:
                return []
            if event.opening:
                self._held = piece
                return []
        self._begun = True
        return [piece] if held is None else [held, piece]

    def _response(self, chunk: Any, *, last: bool) -> StreamResponse:
        return StreamResponse(str(self.predict_name), self.signature_field_name, chunk, last)
