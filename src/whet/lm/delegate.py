"""What models that hand their requests to other models share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

from whet.core.context import Settings
from whet.core.exchange import Capabilities, Request, Response
from whet.core.flow import Flow
from whet.core.trace import CallRecord
from whet.errors import ConfigurationError
from whet.lm.base import BaseLM

__all__ = ["Delegate", "shared_capabilities"]


class Delegate(BaseLM):
    """A model that asks others. Subclasses write `_delegate(request, ask)`; `ask(lm)` is the flow that asks one of them.

    Cache, retries, limits, budgets and usage are those of the models asked; the response's `model` says which one answered.
    """

    def __init__(self, name: str, lms: Sequence[Any]) -> None:
        for lm in lms:
            if not hasattr(lm, "flow"):
                raise ConfigurationError(f"`{type(self).__name__}` asks models such as `whet.LM(...)`; {lm!r} is none.")
        super().__init__(name, cache=True, num_retries=0, capabilities=shared_capabilities(lms))
        self.lms = tuple(lms)

    def _delegate(self, request: Request, ask: Callable[[Any], Flow[Response]]) -> Flow[Response]:
        raise NotImplementedError

    def engine(self, cache: bool | str | None = None) -> Any:
        """The others, without anything of our own around them."""
        return _Engine(self, cache)

    def identity(self) -> str:
        """Who may answer."""
        return f"{self.model}({', '.join(lm.identity() for lm in self.lms)})"

    def _count(self, response: Response, settings: Settings) -> None:
        """Whoever answered has counted the call."""

    def _record(self, record: CallRecord, settings: Settings) -> None:
        # Whoever answered has recorded the call; here it is only history.
        if not settings.disable_history:
            self.history.keep(record, settings.max_history_size)


class _Engine:
    __slots__ = ("cache", "lm")

    def __init__(self, lm: Delegate, cache: bool | str | None) -> None:
        self.lm, self.cache = lm, cache

    def flow(self, request: Request) -> Flow[Response]:
        """Ask who is to be asked."""
        return self.lm._delegate(request, lambda lm: self._answer(lm, request))

    def _answer(self, lm: Any, request: Request) -> Flow[Response]:
        response: Response = yield from lm.flow(replace(request, model=""), cache=self.cache)
        return replace(response, model=lm.model)


def shared_capabilities(lms: Sequence[Any]) -> Capabilities:
    """What all of them can do."""
    all_of = [lm.capabilities for lm in lms]
    if not all_of:
        return Capabilities()
    flags: dict[str, Any] = {f.name: all(getattr(c, f.name) for c in all_of) for f in fields(Capabilities) if f.type == "bool"}
    limits: dict[str, Any] = {
        name: min((getattr(c, name) for c in all_of if getattr(c, name) is not None), default=None)
        for name in ("context_window", "max_output_tokens")
    }
    return Capabilities(**flags, **limits, params=frozenset.intersection(*(c.params for c in all_of)))
