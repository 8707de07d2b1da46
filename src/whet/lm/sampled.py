"""`Sampled`: a model around a model that gives as many samples as were asked for, side by side where the server gives one at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from whet.core.context import context, current
from whet.core.exchange import Request, Response, StreamEvent, Usage
from whet.core.flow import Flow, Gather

__all__ = ["Sampled", "joined"]


class Model(Protocol):
    """What a wrapper stands around."""

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request."""


class Sampled:
    """A model that is asked once per sample (`split`), or once for all of them and then for those that did not come."""

    __slots__ = ("inner", "split")

    def __init__(self, inner: Model, split: bool) -> None:
        self.inner, self.split = inner, split

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request."""
        if request.n == 1:
            return self.inner.flow(request)
        return self._side_by_side(request, 0) if self.split else self._filled_up(request)

    def _filled_up(self, request: Request) -> Flow[Response]:
        first: Response = yield from self.inner.flow(request)
        have = len(first.choices)
        if have >= request.n:
            return first
        rest = yield from self._side_by_side(request, have)
        return joined([first, rest])

    def _side_by_side(self, request: Request, first: int) -> Flow[Response]:
        one = replace(request, n=1)
        outcomes = yield Gather([_Job(self.inner, one, number) for number in range(first, request.n)])
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return joined(outcomes)


class _Job:
    """One sample, in a context of its own; who listens to the tokens is told which sample they belong to."""

    __slots__ = ("inner", "number", "request")

    def __init__(self, inner: Model, request: Request, number: int) -> None:
        self.inner, self.request, self.number = inner, request, number

    def __call__(self) -> Flow[Response]:
        listener = current().listener
        if listener is None or self.number == 0:
            return self.inner.flow(self.request)
        return self._numbered(listener)

    def _numbered(self, listener: Any) -> Flow[Response]:
        number = self.number

        def tell(event: StreamEvent) -> None:
            listener(replace(event, index=number))

        with context(listener=tell):
            return (yield from self.inner.flow(self.request))


def joined(responses: list[Response]) -> Response:
    """Several responses to the same request as one; usage, cost and attempts are the sums."""
    costs = [r.cost for r in responses]
    return replace(
        responses[0],
        choices=tuple(choice for r in responses for choice in r.choices),
        usage=sum((r.usage for r in responses), Usage()),
        cost=None if any(c is None for c in costs) else float(sum(c for c in costs if c is not None)),
        attempts=sum(r.attempts for r in responses),
    )
