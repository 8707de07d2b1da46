"""The source of an `LM` behind HTTP: encode, send, decode. It knows no provider; wires and the table of facts do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from whet.core.exchange import Request, Response, Usage
from whet.core.flow import Flow, Gather, Send
from whet.core.http import HttpRequest
from whet.core.secret import Secret
from whet.errors import LMInvalidRequestError, LMNotConfiguredError
from whet.lm.facts import ModelFacts, Provider, facts_of, provider_of
from whet.lm.wire.table import wire_of
from whet.lm.wire.auth import auth_headers

__all__ = ["Endpoint"]

_VERSION = "0.1.0"
_DROPPABLE = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "logprobs", "reasoning_effort", "seed", "n")


class Endpoint:
    """One model at one address. Everything that does not change from call to call is worked out once."""

    def __init__(self, lm: Any) -> None:
        self.facts: ModelFacts = facts_of(lm.model, lm.price, lm.capabilities)
        self.provider: Provider = provider_of(self.facts.provider)
        self.wire = wire_of(self.provider, lm.model_type)
        self.api_base: str | None = lm.api_base
        self.key = self._key(lm.api_key)
        self.timeout: float | None = lm.kwargs.get("timeout", 600.0)
        self.headers = {"user-agent": f"whet/{_VERSION}", **{k.lower(): v for k, v in (lm.kwargs.get("headers") or {}).items()}}
        self.rejected: frozenset[str] = frozenset()

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request; several samples side by side where the server cannot give them in one call."""
        if request.n > 1 and not self.facts.capabilities.native_n:
            return (yield from self._samples(request))
        if self.rejected and not self.rejected.isdisjoint(request.options):
            request = _without(request, self.rejected)
        try:
            return (yield from self._exchange(request))
        except LMInvalidRequestError as error:
            name = _named_parameter(error, request.options)
            if name is None:
                raise
            response = yield from self._exchange(_without(request, {name}))
            self.rejected |= {name}
            return response

    def _exchange(self, request: Request) -> Flow[Response]:
        options = {k: v for k, v in request.options.items() if k not in ("timeout", "headers")}
        path, headers, body = self.wire.encode(replace(request, options=options) if len(options) < len(request.options) else request, self.facts)
        url = self._base() + path
        sent = {**headers, **self.headers, **auth_headers(self.provider.auth, self.key)}
        answer = yield Send(HttpRequest(url=url, headers=sent, body=body, timeout=request.options.get("timeout", self.timeout)))
        return self.wire.decode(answer, self.facts)  # type: ignore[no-any-return]

    def _samples(self, request: Request) -> Flow[Response]:
        one = replace(request, n=1)
        outcomes = yield Gather([lambda: self.flow(one)] * request.n)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return joined(outcomes)

    def _base(self) -> str:
        base = self.api_base or _from_environment(self.provider.base_env) or self.provider.base_url
        if not base:
            names = " or ".join(f"`{name}`" for name in self.provider.base_env)
            raise LMNotConfiguredError(
                f"The address of `{self.facts.full_name}` is not known. Pass `api_base=` or set {names}.", model=self.facts.full_name
            )
        return base.rstrip("/")

    def _key(self, given: Secret | None) -> Secret | None:
        if given is not None:
            return given
        if self.provider.key_optional or not self.provider.key_env:
            return Secret(lambda: _from_environment(self.provider.key_env) or "") if self.provider.key_env else None
        return Secret.env(*self.provider.key_env)


def _from_environment(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def _without(request: Request, names: Any) -> Request:
    return replace(request, options={k: v for k, v in request.options.items() if k not in names})


def _named_parameter(error: LMInvalidRequestError, options: Mapping[str, Any]) -> str | None:
    # A 400 that names a parameter of ours: servers differ in what they take, and nothing is lost by leaving it out.
    if error.status != 400 or type(error) is not LMInvalidRequestError:
        return None
    message = error.message
    return next((name for name in _DROPPABLE if name in options and f"'{name}'" in message.replace("`", "'").replace('"', "'")), None)


def joined(responses: list[Response]) -> Response:
    """Several responses to the same request as one; usage and cost are the sums."""
    usage = sum((r.usage for r in responses), Usage())
    costs = [r.cost for r in responses]
    cost = None if any(c is None for c in costs) else float(sum(c for c in costs if c is not None))
    choices = tuple(choice for r in responses for choice in r.choices)
    return replace(responses[0], choices=choices, usage=usage, cost=cost, attempts=sum(r.attempts for r in responses))
