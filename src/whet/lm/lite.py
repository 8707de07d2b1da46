"""The long tail of providers through LiteLLM, an optional extra that is imported when such a model is first asked, and never before."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from whet.core.context import current
from whet.core.exchange import Request, Response, StreamEvent
from whet.core.flow import Flow, Invoke
from whet.core.http import HttpResponse
from whet.core.secret import Secret
from whet.errors import LMError, LMTransportError, LMUnexpectedError, MissingExtraError
from whet.lm.facts import ModelFacts
from whet.lm.site.access import Access
from whet.lm.site.plain import sent_headers
from whet.lm.wire.errors import error_from
from whet.lm.wire.openai_chat import OpenAIChat, json_bytes

__all__ = ["LiteSource"]

_END: Any = object()


class LiteSource:
    """Asks through `litellm.completion`, with whet's own retries, cache, limits and errors around it."""

    def __init__(self, facts: ModelFacts, access: Access, model_type: str) -> None:
        if find_spec("litellm") is None:
            raise MissingExtraError(f"The model `{facts.full_name}`", "litellm", "litellm")
        self.facts, self.access, self.model_type = facts, access, model_type

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request."""
        litellm = _litellm()
        listener = current().listener
        arguments = self._arguments(request, stream=listener is not None)
        try:
            if listener is not None:
                return (yield from self._streamed(litellm, arguments, listener))
            answer = yield Invoke(litellm.completion, (), arguments, twin=litellm.acompletion)
        except Exception as error:
            raise error if isinstance(error, LMError) else self._error(error) from error
        body = json_bytes(answer.model_dump(mode="json"))
        return OpenAIChat().decode(HttpResponse(200, {}, body), self.facts)

    def _arguments(self, request: Request, *, stream: bool) -> dict[str, Any]:
        _, _, body = OpenAIChat().encode(request, self.facts, stream=stream)
        name = self.facts.full_name.removeprefix("litellm/")
        access = {"api_base": self.access.api_base, "timeout": self.access.timeout, **self.access.more}
        if self.access.api_key is not None:
            access["api_key"] = self.access.api_key.reveal()
        if self.access.headers:
            access["extra_headers"] = dict(sent_headers(self.access))
        revealed = {key: value.reveal() if isinstance(value, Secret) else value for key, value in access.items()}
        given = {key: value for key, value in revealed.items() if value is not None}
        return {**json.loads(body), "model": name, **given, "num_retries": 0, "drop_params": False}

    def _streamed(self, litellm: Any, arguments: dict[str, Any], listener: Callable[[StreamEvent], None]) -> Flow[Response]:
        decoder = OpenAIChat().stream(self.facts)
        chunks = iter((yield Invoke(litellm.completion, (), arguments)))
        while (chunk := (yield Invoke(next, (chunks, _END)))) is not _END:
            for event in decoder.feed(b"data: " + json_bytes(chunk.model_dump(mode="json")) + b"\n\n"):
                listener(event)
        for event in decoder.tail():
            listener(event)
        return decoder.finish()

    def _error(self, error: Exception) -> LMError:
        status = getattr(error, "status_code", None)
        details = {"model": self.facts.full_name, "provider": self.facts.provider}
        if isinstance(status, int) and status >= 400:
            return error_from(status, {}, str(error).encode(), **details)
        kind = LMTransportError if "connection" in type(error).__name__.lower() else LMUnexpectedError
        return kind(f"LiteLLM failed: {type(error).__name__}: {error}", **details)


def _litellm() -> Any:
    first = "litellm" not in sys.modules
    # Otherwise it fetches a price list over the network when it is imported.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm  # noqa: PLC0415 - heavy and optional

    if first:  # it would print advice beside every error
        litellm.suppress_debug_info = True
    return litellm
