"""The source of an `LM` behind HTTP: encode, send, decode. It knows no provider; wires, sites and the table of facts do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from whet.core.context import current
from whet.core.exchange import Request, Response, StreamEvent, Usage
from whet.core.flow import Flow, Send
from whet.core.http import HttpRequest, HttpResponse
from whet.core.http.parser import BODY_LIMIT
from whet.errors import LMError, LMInvalidRequestError, LMUnexpectedError
from whet.lm.budget import seconds_left
from whet.lm.facts import ModelFacts, provider_of
from whet.lm.limit import Limiter
from whet.lm.replay import replay
from whet.lm.site.access import Access
from whet.lm.site.table import address_of, addressed, site_of
from whet.lm.wire.draft import MISSHAPEN
from whet.lm.wire.errors import rejected_option, unfollowed
from whet.lm.wire.table import Decoder, wire_of

__all__ = ["Endpoint"]

# Servers differ in what they take; an answer without these is still an answer to the question.
DROPPABLE = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "logprobs", "top_logprobs", "reasoning_effort", "seed")

# No call takes so many; beyond it, a count is none.
MOST_TOKENS = 10**12

T = TypeVar("T")
_logger = logging.getLogger(__name__)


class Endpoint:
    """One model at one address. Everything that does not change from call to call is worked out once."""

    def __init__(self, facts: ModelFacts, access: Access, model_type: str = "chat", *, developer: bool = False) -> None:
        provider = provider_of(facts.provider)
        self.facts = facts
        self.access = access
        self.wire = wire_of(provider, facts, model_type)
        self.site = site_of(provider, facts, access)
        self.developer = developer
        self.limiter: Limiter | None = None
        self.rejected: frozenset[str] = frozenset()

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request; one that fails because of a parameter the server does not take is sent once more without it.

        A limit on tokens is sent under its newer name where the server asks for that.
        """
        if self.rejected and not self.rejected.isdisjoint(request.options):
            request = _without(request, self.rejected)
        refused: frozenset[str] = frozenset()
        listener = current().listener
        while True:
            try:
                stream = listener is not None
                url, headers, body = (yield from self._signed(request, stream)) if self.site.signs_in() else self._written(request, stream)
                if listener is None:
                    answer = yield Send(HttpRequest(url=url, headers=headers, body=body, timeout=self._timeout()))
                    response = self._decoded(answer, url)
                else:
                    response = yield from self._streamed(url, headers, body, listener)
            except LMInvalidRequestError as error:
                request, refused = self._without_refused(request, refused, error)
            else:
                if refused:
                    self._remember(refused)
                return response

    def _without_refused(self, request: Request, refused: frozenset[str], error: LMInvalidRequestError) -> tuple[Request, frozenset[str]]:
        """The request without the parameter that the server does not take, which is one more `refused`. Raises the error for any other."""
        name = rejected_option(error, list(filter(request.options.__contains__, DROPPABLE)))
        if name is None:
            raise error
        if name == "max_tokens" and "max_completion_tokens" in error.message and self.facts.limit_option == "max_tokens":
            self.facts = replace(self.facts, limit_option="max_completion_tokens")
            return request, refused
        return _without(request, frozenset({name})), refused | {name}

    def _remember(self, refused: frozenset[str]) -> None:
        self.rejected |= refused
        names = ", ".join(f"`{name}`" for name in sorted(refused))
        _logger.warning("`%s` does not take %s: left out, in this call and in later ones.", self.facts.full_name, names)

    def _written(self, request: Request, stream: bool) -> tuple[str, Mapping[str, str], bytes]:
        path, headers, body = self._encoded(request, stream)
        return *address_of(self.site, path, headers, body), body

    def _signed(self, request: Request, stream: bool) -> Flow[tuple[str, Mapping[str, str], bytes]]:
        path, headers, body = self._encoded(request, stream)
        url, headers = yield from addressed(self.site, path, headers, body)
        return url, headers, body

    def _encoded(self, request: Request, stream: bool) -> tuple[str, Mapping[str, str], bytes]:
        if self.developer:
            request = replace(request, messages=tuple(replace(m, role="developer") if m.role == "system" else m for m in request.messages))
        return self.wire.encode(request, self.facts, stream=stream)

    def _streamed(self, url: str, headers: Any, body: bytes, listener: Callable[[StreamEvent], None]) -> Flow[Response]:
        sink = _Sink(self.wire.stream(self.facts), listener, self.facts, events=headers.get("accept") == "text/event-stream")
        decoder = sink.decoder
        try:
            glance = getattr(current().send_stream, "glance", None)
            answer = yield Send(HttpRequest(url=url, headers=headers, body=body, timeout=self._timeout(), sink=sink, glance=glance))
            if not 200 <= answer.status < 300:
                return self._decoded(answer, url)
            if sink.whole is not None:  # the server does not stream, and sent the answer in one piece
                response = self._decoded(replace(answer, body=b"".join(sink.whole)), url)
                replay(response, listener)
                return response
            self._learn(answer)
            for event in self._read(decoder.tail, answer):
                listener(event)
            return self._read(lambda: _sound(decoder.finish()), answer)
        except LMError as error:
            error.streamed = decoder.started
            self._price(error)
            raise

    def _decoded(self, answer: HttpResponse, url: str) -> Response:
        self._learn(answer)
        if 300 <= answer.status < 400:
            raise unfollowed(answer, self.facts, url)
        try:
            return _sound(self.wire.decode(answer, self.facts))
        except LMError as error:
            self._price(error)
            raise
        except MISSHAPEN as error:
            raise _misshapen(error, answer.body, self.facts) from error

    def _read(self, step: Callable[[], T], answer: HttpResponse) -> T:
        """One step of reading the answer, whatever form it turns out to have."""
        try:
            return step()
        except LMError:
            raise
        except MISSHAPEN as error:
            raise _misshapen(error, answer.body, self.facts) from error

    def _learn(self, answer: HttpResponse) -> None:
        if self.limiter is not None:
            self.limiter.observe(answer.headers)

    def _price(self, error: LMError) -> None:
        if error.usage is not None and not _adds_up(error.usage):
            error.usage = None
        if error.usage is not None and error.cost is None and self.facts.price is not None:
            error.cost = self.facts.price.cost(error.usage)

    def _timeout(self) -> float | None:
        limit, left = self.access.timeout, seconds_left()
        if left is None:
            return limit
        return max(0.001, left if limit is None else min(limit, left))


def _misshapen(error: Exception, body: bytes, facts: ModelFacts) -> LMUnexpectedError:
    text = f"The answer has an unknown form ({type(error).__name__}: {error}): {body[:200]!r}"
    return LMUnexpectedError(text, model=facts.full_name, provider=facts.provider)


def _sound(response: Response) -> Response:
    """The response, if its texts are texts, and what it says of its tokens are numbers that can be added up. Raises `ValueError`."""
    if not _adds_up(response.usage):
        raise ValueError("its usage holds what is no number of tokens")
    for choice in response.choices:
        if not isinstance(choice.text, str | None) or not isinstance(choice.reasoning, str | None):
            raise ValueError("a text of it is none")
        for call in choice.tool_calls:
            if not isinstance(call.name, str) or not isinstance(call.arguments, str):
                raise ValueError("a tool call of it has no name or no arguments")
    return response


def _adds_up(usage: Usage) -> bool:
    try:
        return (
            0 <= usage.input_tokens < MOST_TOKENS
            and 0 <= usage.output_tokens < MOST_TOKENS
            and 0 <= usage.cached_input_tokens < MOST_TOKENS
            and 0 <= usage.cache_write_tokens < MOST_TOKENS
            and 0 <= usage.reasoning_tokens < MOST_TOKENS
        )
    except TypeError:
        return False


class _Sink:
    """Takes the body of a streamed answer as it comes and tells the listener; a body that is no stream is kept whole."""

    __slots__ = ("decoder", "events", "facts", "left", "listener", "whole")

    def __init__(self, decoder: Decoder, listener: Callable[[StreamEvent], None], facts: ModelFacts, *, events: bool) -> None:
        self.decoder, self.listener, self.facts, self.events = decoder, listener, facts, events
        self.whole: list[bytes] | None = None
        self.left = BODY_LIMIT

    def __call__(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left < 0:
            raise LMUnexpectedError(f"The stream went on for more than {BODY_LIMIT:,} bytes, the limit. Is this the endpoint you meant?")
        if self.events:
            self.events = False
            if data.lstrip()[:1] in (b"{", b"["):
                self.whole = []
        if self.whole is not None:
            self.whole.append(data)
            return
        try:
            events = self.decoder.feed(data)
        except LMError:
            raise
        except MISSHAPEN as error:
            raise _misshapen(error, data, self.facts) from error
        for event in events:
            self.listener(event)


def _without(request: Request, names: frozenset[str]) -> Request:
    return replace(request, options={k: v for k, v in request.options.items() if k not in names})
