"""OpenAI's older text completions: one prompt in, text out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whet.core.exchange import Choice, Request, Response, StreamEvent
from whet.core.http import HttpResponse
from whet.core.messages import prompt_of
from whet.core.sse import EventStream
from whet.lm.facts import ModelFacts
from whet.lm.wire.draft import StreamDecoder, answer_of
from whet.lm.wire.errors import error_from, request_id_of
from whet.lm.wire.openai_chat import FINISH, LIMITS, choices_in, read_json, usage_of, written

__all__ = ["OpenAIText"]


class OpenAIText:
    """Encodes and decodes text completions. Holds nothing."""

    __slots__ = ()
    path = "/completions"

    def encode(self, request: Request, facts: ModelFacts, *, stream: bool = False) -> tuple[str, Mapping[str, str], bytes]:
        """Path, headers and body."""
        body: dict[str, Any] = {"model": facts.name, "prompt": prompt_of(request.messages)}
        for name, value in request.options.items():
            if value is not None and name not in ("extra_body", "hosted_tools"):
                body["max_tokens" if name in LIMITS else name] = value
        body.update(request.options.get("extra_body") or {})
        if request.n > 1:
            body["n"] = request.n
        return written(self.path, body, facts, stream)

    def decode(self, http: HttpResponse, facts: ModelFacts) -> Response:
        """The answer. Raises the `LMError` that the status or the body stands for."""
        if http.status >= 400:
            raise error_from(http.status, http.headers, http.body, model=facts.full_name, provider=facts.provider)
        data = read_json(http, facts)
        choices = tuple(
            Choice(text=row.get("text") or "", logprobs=row.get("logprobs"), finish_reason=FINISH.get(row.get("finish_reason"), "stop"))
            for row in choices_in(data, http, facts)
        )
        request_id = request_id_of(http.headers) or data.get("id")
        return answer_of(choices, usage_of(data.get("usage")), facts, model=data.get("model") or "", request_id=request_id)

    def stream(self, facts: ModelFacts) -> StreamDecoder:
        """A decoder of one streamed answer."""
        return _TextStream(facts, EventStream())


class _TextStream(StreamDecoder):
    def read(self, name: str, data: Any, out: list[StreamEvent]) -> None:
        if data.get("error") and not data.get("choices"):
            raise self.failure(500, data)
        self.model = self.model or data.get("model") or ""
        self.request_id = self.request_id or data.get("id")
        for row in data.get("choices") or ():
            draft = self.draft(row.get("index") or 0)
            if text := row.get("text"):
                out.append(draft.say(text))
            if reason := row.get("finish_reason"):
                draft.finish = FINISH.get(reason, "stop")
        if usage := data.get("usage"):
            self.usage = usage_of(usage)
