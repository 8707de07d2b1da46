"""Amazon SageMaker endpoints (InvokeEndpoint): whatever a container speaks, in Amazon's envelope."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from whet.core.exchange import Request, Response, StreamEvent
from whet.core.http import HttpResponse
from whet.lm.facts import ModelFacts
from whet.lm.wire.bedrock import STREAM_HEADERS
from whet.lm.wire.errors import error_from
from whet.lm.wire.event_stream import AwsEvents
from whet.lm.wire.openai_chat import HEADERS, OpenAIChat
from whet.lm.wire.text_generation import TextGeneration

__all__ = ["SageMaker"]

# The status with which Amazon reports that the container itself answered with an error.
MODEL_ERROR = 424


class SageMaker:
    """Carries the format of the container: chat completions (vLLM, DJL, TGI with its messages), or prompts with `model_type="text"`."""

    __slots__ = ("inner",)

    def __init__(self, model_type: str) -> None:
        self.inner: OpenAIChat | TextGeneration = TextGeneration() if model_type == "text" else OpenAIChat()

    def encode(self, request: Request, facts: ModelFacts, *, stream: bool = False) -> tuple[str, Mapping[str, str], bytes]:
        """Path, headers and body."""
        _, _, body = self.inner.encode(request, facts, stream=stream)
        action = "invocations-response-stream" if stream else "invocations"
        return f"/endpoints/{quote(facts.name, safe='')}/{action}", STREAM_HEADERS if stream else HEADERS, body

    def decode(self, http: HttpResponse, facts: ModelFacts) -> Response:
        """The answer. Raises the `LMError` that the status or the body stands for: the container's own where it was that which failed."""
        status, body = _container_error(http) if http.status == MODEL_ERROR else (http.status, http.body)
        if status >= 400:
            raise error_from(status, http.headers, body, model=facts.full_name, provider=facts.provider)
        return self.inner.decode(http, facts)

    def stream(self, facts: ModelFacts) -> _Unpacked:
        """A decoder of one streamed answer."""
        return _Unpacked(self.inner, facts)


def _container_error(http: HttpResponse) -> tuple[int, bytes]:
    """Status and body as the container gave them, which Amazon quotes."""
    try:
        data = json.loads(http.body)
        status, text = data["OriginalStatusCode"], data["OriginalMessage"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return http.status, http.body
    if not isinstance(status, int) or not 400 <= status < 600 or not isinstance(text, str) or not text:
        return http.status, http.body
    return status, text.encode("utf-8", "replace")


class _Unpacked:
    """The container's stream out of Amazon's events."""

    def __init__(self, inner: OpenAIChat | TextGeneration, facts: ModelFacts) -> None:
        self._decoder: Any = inner.stream(facts)
        self._facts = facts
        self._events = AwsEvents()

    @property
    def started(self) -> bool:
        """Whether the caller was given something."""
        started: bool = self._decoder.started
        return started

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete. Raises the `LMError` that an error event stands for."""
        out: list[StreamEvent] = []
        for name, payload in self._events.feed(data):
            if name == "PayloadPart":
                out += self._decoder.feed(payload)
            elif name.endswith("Exception"):
                raise error_from(500, {}, payload, model=self._facts.full_name, provider=self._facts.provider)
        return out

    def tail(self) -> list[StreamEvent]:
        """What was still to come when the connection ended."""
        events: list[StreamEvent] = self._decoder.tail()
        return events

    def finish(self) -> Response:
        """The whole answer."""
        response: Response = self._decoder.finish()
        return response
