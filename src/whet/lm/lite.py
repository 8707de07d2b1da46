"""The long tail of providers through LiteLLM, an optional extra that is imported when such a model is first asked, and never before."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from whet.core.context import current
from whet.core.exchange import Citation, Request, Response, StreamEvent
from whet.core.flow import Flow, Invoke
from whet.core.http import HttpResponse
from whet.core.secret import Secret
from whet.errors import LMError, LMTransportError, LMUnexpectedError, MissingExtraError
from whet.lm.budget import seconds_left
from whet.lm.facts import ModelFacts, provider_of
from whet.lm.own import citation_of, response_of
from whet.lm.patched import is_patched
from whet.lm.replay import replay
from whet.lm.site.access import Access
from whet.lm.site.plain import sent_headers
from whet.lm.wire.errors import error_from
from whet.lm.wire.openai_chat import OpenAIChat, json_bytes
from whet.lm.wire.table import Decoder, wire_of

__all__ = ["LiteSource", "access_arguments", "error_of_litellm", "imported_litellm"]

_END: Any = object()


class LiteSource:
    """Asks through `litellm.completion`, with whet's own retries, cache, limits and errors around it.

    For models of the types "text" and "responses" it is `litellm.text_completion` and `litellm.responses`.
    """

    def __init__(self, facts: ModelFacts, access: Access, model_type: str) -> None:
        if find_spec("litellm") is None:
            raise MissingExtraError(f"The model `{facts.full_name}`", "litellm", "litellm")
        self.facts, self.access, self.model_type = facts, access, model_type
        self.wire = wire_of(provider_of("openai"), facts, model_type)
        self.name = {"text": "text_completion", "responses": "responses"}.get(model_type, "completion")

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request."""
        litellm = imported_litellm()
        listener = current().listener
        arguments = self._arguments(request, stream=listener is not None)
        try:
            if listener is not None:
                return (yield from self._streamed(litellm, arguments, listener))
            return self._read((yield Invoke(getattr(litellm, self.name), (), arguments, twin=getattr(litellm, "a" + self.name))))
        except Exception as error:
            raise error if isinstance(error, LMError) else error_of_litellm(error, self.facts) from error

    def _arguments(self, request: Request, *, stream: bool) -> dict[str, Any]:
        _, _, body = self.wire.encode(request, self.facts, stream=stream)
        name = self.facts.full_name.removeprefix("litellm/")
        if self.model_type == "text":  # its own way to say so
            name = "text-completion-" + (name if "/" in name else "openai/" + name)
        return {**json.loads(body), "model": name, **access_arguments(self.access), "num_retries": 0, "drop_params": False}

    def _read(self, answer: Any) -> Response:
        if self.model_type == "chat" and hasattr(answer, "model_dump") and not _has_citations(answer):
            body = json_bytes(answer.model_dump(mode="json"))
            return OpenAIChat().decode(HttpResponse(200, {}, body), self.facts)
        response = response_of(answer, self.facts.full_name)
        return replace(response, cost=self.facts.price.cost(response.usage)) if self.facts.price is not None else response

    def _streamed(self, litellm: Any, arguments: dict[str, Any], listener: Callable[[StreamEvent], None]) -> Flow[Response]:
        grown = _Grown(self.wire.stream(self.facts), listener)
        # The async function only where a test has replaced it: the way of sync code is the same in both worlds.
        if is_patched("a" + self.name):
            opened = yield Invoke(grown.take_all, (getattr(litellm, "a" + self.name), arguments), inline=True)
        else:
            opened = yield Invoke(getattr(litellm, self.name), (), arguments)
            if not hasattr(opened, "choices"):
                chunks = iter(opened)
                while (chunk := (yield Invoke(next, (chunks, _END)))) is not _END:
                    grown.take(chunk)
        if not hasattr(opened, "choices"):
            return grown.response()
        response = self._read(opened)  # a whole answer, from somebody who does not stream
        replay(response, listener)
        return response


def access_arguments(access: Access) -> dict[str, Any]:
    """The way to the server in LiteLLM's words, credentials revealed."""
    limits = [s for s in (access.timeout, seconds_left()) if s is not None]
    told = {"api_base": access.api_base, "timeout": min(limits, default=None), **access.more}
    if access.api_key is not None:
        told["api_key"] = access.api_key.reveal()
    if access.headers:
        told["extra_headers"] = dict(sent_headers(access))
    revealed = {key: value.reveal() if isinstance(value, Secret) else value for key, value in told.items()}
    return {key: value for key, value in revealed.items() if value is not None}


def error_of_litellm(error: Exception, facts: ModelFacts) -> LMError:
    """Ours for one of LiteLLM's."""
    name, status = type(error).__name__, getattr(error, "status_code", None)
    details = {"model": facts.full_name, "provider": facts.provider}
    is_cut = "connection" in name.lower()  # LiteLLM says 500 for it
    status = 403 if name == "PermissionDeniedError" else status
    if isinstance(status, int) and status >= 400 and not is_cut:
        return error_from(status, {}, str(error).encode(), **details)
    kind = LMTransportError if is_cut else LMUnexpectedError
    return kind(f"LiteLLM failed: {name}: {error}", **details)


class _Grown:
    """An answer put together from LiteLLM's chunks."""

    def __init__(self, decoder: Decoder, listener: Callable[[StreamEvent], None]) -> None:
        self.decoder, self.listener = decoder, listener
        self.citations: list[Citation] = []

    def take(self, chunk: Any) -> None:
        data = chunk.model_dump(mode="json") if hasattr(chunk, "model_dump") else chunk
        for event in self.decoder.feed(b"data: " + json_bytes(data) + b"\n\n"):
            self.listener(event)
        for choice in data.get("choices") or ():
            more = (choice.get("delta") or {}).get("provider_specific_fields") or {}
            if more.get("citation"):
                self.citations.append(citation_of(more["citation"]))
                self.listener(StreamEvent(kind="citation", index=choice.get("index") or 0, citation=self.citations[-1]))

    async def take_all(self, ask: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        opened = ask(**arguments)
        opened = await opened if hasattr(type(opened), "__await__") else opened
        if hasattr(opened, "__aiter__") and not hasattr(opened, "choices"):
            async for chunk in opened:
                self.take(chunk)
        elif not hasattr(opened, "choices"):
            for chunk in opened:
                self.take(chunk)
        return opened

    def response(self) -> Response:
        # Stand-ins for it end without saying so.
        for event in [*self.decoder.feed(b"data: [DONE]\n\n"), *self.decoder.tail()]:
            self.listener(event)
        response = self.decoder.finish()
        if not self.citations:
            return response
        first, *others = response.choices
        return replace(response, choices=(replace(first, citations=(*first.citations, *self.citations)), *others))


def _has_citations(answer: Any) -> bool:
    """Whether there are some where only LiteLLM puts them."""
    messages = [getattr(choice, "message", None) for choice in getattr(answer, "choices", ())]
    return any((getattr(message, "provider_specific_fields", None) or {}).get("citations") for message in messages)


def imported_litellm() -> Any:
    """The package, imported at its first use and asked to be quiet."""
    first = "litellm" not in sys.modules
    # Otherwise it fetches a price list over the network when it is imported.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm  # noqa: PLC0415 - heavy and optional

    if first:  # it would print advice beside every error
        litellm.suppress_debug_info = True
    return litellm
