"""Ollama's own chat API: JSON lines instead of server-sent events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from whet.core.exchange import Request, Response, StreamEvent, ToolSpec, Usage
from whet.core.http import HttpResponse
from whet.core.messages import Message, RawPart, TextPart
from whet.lm.facts import ModelFacts
from whet.lm.wire.draft import StreamDecoder, answer_of
from whet.lm.wire.errors import error_from, request_id_of, unexpected
from whet.lm.wire.json_tool import arguments_of
from whet.lm.wire.lines import Lines
from whet.lm.wire.media import neutral_parts, unsupported
from whet.lm.wire.openai_chat import HEADERS, LIMITS, json_bytes, read_json

__all__ = ["Ollama"]

OPTIONS: Mapping[str, str] = {name: name for name in "temperature top_p top_k min_p seed num_ctx repeat_penalty num_gpu".split()}
OPTIONS = {**OPTIONS, **dict.fromkeys(LIMITS, "num_predict"), "num_predict": "num_predict", "stop": "stop"}
OPTIONS = {**OPTIONS, "frequency_penalty": "frequency_penalty", "presence_penalty": "presence_penalty"}
TOP_LEVEL = frozenset({"keep_alive", "think", "logprobs", "top_logprobs", "format", "options"})


class Ollama:
    """Encodes and decodes /api/chat. Holds nothing."""

    __slots__ = ()
    path = "/api/chat"

    def encode(self, request: Request, facts: ModelFacts, *, stream: bool = False) -> tuple[str, Mapping[str, str], bytes]:
        """Path, headers and body."""
        body: dict[str, Any] = {
            "model": facts.name,
            "messages": [_message(m, request.messages, facts) for m in request.messages],
            "stream": stream,
        }
        options = {OPTIONS[name]: value for name, value in request.options.items() if name in OPTIONS and value is not None}
        if isinstance(options.get("stop"), str):
            options["stop"] = [options["stop"]]
        body.update({name: value for name, value in request.options.items() if name in TOP_LEVEL and value is not None})
        if options:
            body["options"] = {**body.get("options", {}), **options}
        effort = request.options.get("reasoning_effort")
        if effort is not None and "think" not in body:
            body["think"] = effort if "gpt-oss" in facts.name else effort not in ("none", "disable")
        if request.tools:
            body["tools"] = [_tool(t) for t in request.tools]
        if request.response_schema is not None:
            body["format"] = request.response_schema
        body.update(request.options.get("extra_body") or {})
        return self.path, HEADERS, json_bytes(body)

    def decode(self, http: HttpResponse, facts: ModelFacts) -> Response:
        """The answer. Raises the `LMError` that the status or the body stands for."""
        if http.status >= 400:
            raise error_from(http.status, http.headers, http.body, model=facts.full_name, provider=facts.provider)
        data = read_json(http, facts)
        if "message" not in data:
            raise unexpected(
                f"The answer holds no `message`, only {sorted(data)!r}. Is this an Ollama server? Others speak `openai/...`.",
                http,
                facts,
            )
        decoder = _OllamaStream(facts, Lines())
        decoder.read("", data, [])
        request_id = request_id_of(http.headers)
        return answer_of((decoder.draft().choice(),), decoder.usage, facts, model=decoder.model, request_id=request_id)

    def stream(self, facts: ModelFacts) -> StreamDecoder:
        """A decoder of one streamed answer, whose lines have the form of a whole one."""
        return _OllamaStream(facts, Lines())


def _message(message: Message, all_messages: tuple[Message, ...], facts: ModelFacts) -> dict[str, Any]:
    role = "system" if message.role == "developer" else message.role
    texts: list[str] = []
    images: list[str] = []
    for part in neutral_parts(message.content):
        if isinstance(part, TextPart):
            texts.append(part.text)
        elif isinstance(part, RawPart):
            texts.append(json.dumps(part.block))
        elif part.kind == "image" and part.data is not None:
            images.append(part.data)
        else:
            raise unsupported(part, facts.full_name, "images as data, not as URLs")
    plain: dict[str, Any] = {"role": role, "content": "".join(texts)}
    if images:
        plain["images"] = images
    if message.tool_calls:
        plain["tool_calls"] = [{"function": {"name": call.name, "arguments": arguments_of(call)}} for call in message.tool_calls]
    if role == "tool":
        names = {call.id: call.name for m in all_messages for call in m.tool_calls}
        plain["tool_name"] = message.name or names.get(message.tool_call_id) or ""
    return plain


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters}}


class _OllamaStream(StreamDecoder):
    def read(self, name: str, data: Any, out: list[StreamEvent]) -> None:
        if data.get("error"):
            raise self.failure(500, data)
        self.model = data.get("model") or self.model
        message, draft = data.get("message") or {}, self.draft()
        if thought := message.get("thinking"):
            out.append(draft.think(thought))
        if text := message.get("content"):
            out.append(draft.say(text))
        for call in message.get("tool_calls") or ():
            function, place = call.get("function") or {}, len(draft.tools)
            arguments = json.dumps(function.get("arguments") or {})
            out.append(draft.call(place, arguments, function.get("name") or "", call.get("id") or f"call_{place}"))
        draft.logprobs += data.get("logprobs") or ()
        if data.get("done"):
            reason = data.get("done_reason")
            draft.finish = "length" if reason == "length" else "tool_calls" if draft.tools else "stop"
            given, made = data.get("prompt_eval_count") or 0, data.get("eval_count") or 0
            raw = {name: data[name] for name in ("prompt_eval_count", "eval_count", "total_duration", "eval_duration") if name in data}
            self.usage = Usage(input_tokens=given, output_tokens=made, raw=raw)
            self.end(out)
