"""`Router`: a function of yours decides which model answers a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from whet.core.exchange import Request, Response
from whet.core.flow import Flow
from whet.errors import ConfigurationError
from whet.lm.delegate import Delegate

__all__ = ["Router"]


class Router(Delegate):
    """`choose(request)` returns a model, or a key of `lms` where that is a mapping. Name in `lms` all models it may choose: their common
    capabilities are the router's.

    >>> from whet.lm.lm import LM
    >>> small, large = LM("embedded"), LM("embedded")
    >>> lm = Router(lambda request: large if len(request.messages[-1].text) > 2000 else small, [small, large])
    """

    def __init__(self, choose: Callable[[Request], Any], lms: Sequence[Any] | Mapping[str, Any] = ()) -> None:
        if not callable(choose):
            raise ConfigurationError(f"`Router` takes a function from a request to a model; got {choose!r}.")
        self.named = dict(lms) if isinstance(lms, Mapping) else {}
        super().__init__(f"router:{getattr(choose, '__name__', 'choose')}", list(self.named.values()) or list(lms))
        self.choose = choose

    def _delegate(self, request: Request, ask: Callable[[Any], Flow[Response]]) -> Flow[Response]:
        chosen = self.choose(request)
        lm = self.named.get(chosen) if isinstance(chosen, str) else chosen
        if lm is None or not hasattr(lm, "flow"):
            raise ConfigurationError(f"The router chose {chosen!r}. Return a model, or a name among {', '.join(map(repr, self.named))}.")
        return ask(lm)
