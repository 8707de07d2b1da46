"""The `inputs` format of Hugging Face's text generation: one prompt in, text out. Spoken by containers on SageMaker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from whet.core.exchange import Choice, FinishReason, Request, Response, StreamEvent, Usage
from whet.core.http import HttpResponse
from whet.core.messages import prompt_of
from whet.core.sse import EventStream
from whet.lm.facts import ModelFacts
from whet.lm.wire.draft import StreamDecoder, answer_of
from whet.lm.wire.errors import error_from, request_id_of, unexpected
from whet.lm.wire.openai_chat import HEADERS, LIMITS, json_bytes

__all__ = ["TextGeneration"]

FINISH: Final[Mapping[str, FinishReason]] = {"length": "length", "eos_token": "stop", "stop_sequence": "stop"}
UNTOLD: Final = frozenset({"extra_body", "hosted_tools"})


class TextGeneration:
    """Encodes and decodes prompts. Holds nothing."""

    __slots__ = ()

    def encode(self, request: Request, facts: ModelFacts, *, stream: bool = False) -> tuple[str, Mapping[str, str], bytes]:
        """Path (none), headers and body."""
        parameters: dict[str, Any] = {"details": True, "return_full_text": False}
        for name, value in request.options.items():
            if value is not None and name not in UNTOLD:
                parameters["max_new_tokens" if name in LIMITS else name] = value
        if temperature := parameters.get("temperature"):
            parameters.setdefault("do_sample", temperature > 0)
        elif temperature is not None:  # 0 means the likeliest token, which this format says otherwise
            del parameters["temperature"]
            parameters.setdefault("do_sample", False)
        if isinstance(parameters.get("stop"), str):
            parameters["stop"] = [parameters["stop"]]
        body = {"inputs": prompt_of(request.messages), "parameters": parameters, **(request.options.get("extra_body") or {})}
        return "", HEADERS, json_bytes({**body, "stream": True} if stream else body)

    def decode(self, http: HttpResponse, facts: ModelFacts) -> Response:
        """The answer. Raises the `LMError` that the status or the body stands for."""
        if http.status >= 400:
            raise error_from(http.status, http.headers, http.body, model=facts.full_name, provider=facts.provider)
        try:
            data = json.loads(http.body)
        except (ValueError, RecursionError):
            data = None
        rows = data if isinstance(data, list) else [data]
        if not rows or not all(isinstance(row, dict) and "generated_text" in row for row in rows):
            raise unexpected(
                f"The answer (HTTP {http.status}) holds no `generated_text`: {http.body[:200]!r}. Does the container take prompts as "
                '`inputs`? For one that takes messages, leave out `model_type="text"`.',
                http,
                facts,
            )
        choices = tuple(Choice(text=row["generated_text"], finish_reason=_finish(row)) for row in rows)
        return answer_of(choices, _usage(rows[0]), facts, request_id=request_id_of(http.headers))

    def stream(self, facts: ModelFacts) -> StreamDecoder:
        """A decoder of one streamed answer."""
        return _Tokens(facts, EventStream())


def _finish(row: Mapping[str, Any]) -> FinishReason:
    return FINISH.get((row.get("details") or {}).get("finish_reason") or "", "stop")


def _usage(row: Mapping[str, Any]) -> Usage:
    details = row.get("details") or {}
    return Usage(
        input_tokens=details.get("input_length") or len(details.get("prefill") or ()), output_tokens=details.get("generated_tokens") or 0
    )


class _Tokens(StreamDecoder):
    def read(self, name: str, data: Any, out: list[StreamEvent]) -> None:
        if data.get("error"):
            raise self.failure(500, data)
        token = data.get("token") or {}
        if token.get("text") and not token.get("special"):
            out.append(self.draft().say(token["text"]))
        if data.get("generated_text") is not None:
            self.draft().finish = _finish(data)
            self.usage = _usage(data)
            self.end(out)
