"""Anthropic's Messages API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from whet.core.exchange import Choice, Citation, FinishReason, Request, Response, ToolSpec, Usage
from whet.core.http import HttpResponse
from whet.core.messages import Message, RawPart, TextPart, ToolCallPart
from whet.core.sse import EventStream
from whet.lm.facts import ModelFacts
from whet.lm.wire.anthropic_stream import MAKER, MessagesStream, signed_blocks
from whet.lm.wire.draft import StreamDecoder, answer_of
from whet.lm.wire.errors import error_from, request_id_of, unexpected
from whet.lm.wire.json_tool import ANSWER_TOOL, answer_tool, arguments_of, is_closed
from whet.lm.wire.media import Media, neutral_parts
from whet.lm.wire.openai_chat import LIMITS, json_bytes, read_json
from whet.lm.wire.signed import sealed, unsealed

__all__ = ["Anthropic"]

HEADERS: Mapping[str, str] = {"content-type": "application/json", "accept": "application/json", "anthropic-version": "2023-06-01"}
FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
# The API insists on a limit: the model's own, but not so many that an answer in one piece would outlast every proxy on the way.
LIMIT = 32_000
LIMIT_OF_UNKNOWN = 4_096
# Tokens of thinking for each word of `reasoning_effort`.
THINKING: Mapping[str, int] = {"minimal": 1_024, "low": 1_024, "medium": 4_096, "high": 16_384}
MARK: Mapping[str, Any] = {"type": "ephemeral"}
# Wishes that this API cannot be told; an answer without them is still the answer that was asked for.
UNTOLD = frozenset(
    "n seed frequency_penalty presence_penalty logit_bias logprobs top_logprobs extra_body hosted_tools reasoning_effort "
    "parallel_tool_calls stop user verbosity".split()
)


class Anthropic:
    """Encodes and decodes messages. `hosted_at` is for clouds that put the model's name in the URL and the version in the body."""

    __slots__ = ("hosted_at",)

    def __init__(self, hosted_at: str | None = None) -> None:
        self.hosted_at = hosted_at

    def encode(self, request: Request, facts: ModelFacts, *, stream: bool = False) -> tuple[str, Mapping[str, str], bytes]:
        """Path, headers and body."""
        body: dict[str, Any] = {"model": facts.name, "max_tokens": _limit(request.options, facts)}
        system = [block for m in request.messages if m.role in ("system", "developer") for block in _blocks(m)]
        turns = _turns([m for m in request.messages if m.role not in ("system", "developer")])
        if system:
            body["system"] = system
        body["messages"] = turns
        _add_options(body, request.options)
        _add_tools(body, request)
        _add_schema(body, request.response_schema, facts)
        if request.prompt_cache:
            _mark(body)
        body.update(request.options.get("extra_body") or {})
        path = "/messages"
        if self.hosted_at is not None:
            del body["model"]
            body["anthropic_version"] = self.hosted_at
            path = f"/models/{facts.name}:{'streamRawPredict' if stream else 'rawPredict'}"
        if stream:
            body["stream"] = True
        return path, HEADERS, json_bytes(body)

    def decode(self, http: HttpResponse, facts: ModelFacts) -> Response:
        """The answer. Raises the `LMError` that the status or the body stands for."""
        if http.status >= 400:
            raise error_from(http.status, http.headers, http.body, model=facts.full_name, provider=facts.provider)
        data = read_json(http, facts)
        blocks = data.get("content")
        if not isinstance(blocks, list):
            raise unexpected(
                f"The answer holds no `content`, only {sorted(data)!r}. Does `api_base` point to an Anthropic API (ending in /v1)?",
                http,
                facts,
            )
        choice = _choice(blocks, FINISH.get(data.get("stop_reason") or "end_turn", "stop"))
        request_id = request_id_of(http.headers) or data.get("id")
        return answer_of((choice,), usage_of(data.get("usage")), facts, model=data.get("model") or "", request_id=request_id)

    def stream(self, facts: ModelFacts) -> StreamDecoder:
        """A decoder of one streamed answer."""
        return MessagesStream(facts, EventStream(), FINISH, usage_of, citation_of)


def _limit(options: Mapping[str, Any], facts: ModelFacts) -> int:
    for name in LIMITS:
        if options.get(name) is not None:
            return int(options[name])
    return min(LIMIT, facts.capabilities.max_output_tokens or LIMIT_OF_UNKNOWN)


def _turns(messages: list[Message]) -> list[dict[str, Any]]:
    """Turns of user and assistant; results of tools called together go back in one turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_blocks(message))
        if message.role == "tool" and turns and turns[-1]["role"] == "user" and turns[-1]["content"][-1]["type"] == "tool_result":
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        inner = [_block(part) for part in neutral_parts(message.content)]
        yield {"type": "tool_result", "tool_use_id": message.tool_call_id or message.name or "", "content": inner}
        return
    # Signed thinking goes back before what it led to, the first of it before everything else.
    thoughts = [unsealed(call, MAKER) or () for call in message.tool_calls]
    yield from thoughts[0] if thoughts else ()
    yield from map(_block, neutral_parts(message.content))
    for number, call in enumerate(message.tool_calls):
        if number:
            yield from thoughts[number]
        yield {"type": "tool_use", "id": call.id or call.name, "name": call.name, "input": arguments_of(call)}


def _block(part: TextPart | Media | RawPart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, RawPart):
        return part.block
    kind = "image" if part.kind == "image" else "document"
    if part.file_id:
        source: dict[str, Any] = {"type": "file", "file_id": part.file_id}
    elif part.data is None:
        source = {"type": "url", "url": part.url}
    else:
        mime = part.mime if not part.mime.endswith("/*") else "image/png" if kind == "image" else "application/pdf"
        source = {"type": "base64", "media_type": mime, "data": part.data}
    block: dict[str, Any] = {"type": kind, "source": source}
    if kind == "document" and part.filename:
        block["title"] = part.filename
    return block


def _add_options(body: dict[str, Any], options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if value is not None and name not in UNTOLD and name not in LIMITS:
            body[name] = value
    if stop := options.get("stop"):
        body["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    if user := options.get("user"):
        body["metadata"] = {"user_id": user}
    effort = str(options.get("reasoning_effort"))
    if effort in THINKING and "thinking" not in body:
        tokens = THINKING[effort]
        body["thinking"] = {"type": "enabled", "budget_tokens": tokens}
        if not any(options.get(name) for name in LIMITS):
            body["max_tokens"] = max(body["max_tokens"], tokens + LIMIT_OF_UNKNOWN)
        body.pop("temperature", None)  # thinking is sampled at the API's own temperature


def _add_tools(body: dict[str, Any], request: Request) -> None:
    tools = [*map(_tool, request.tools), *(request.options.get("hosted_tools") or ())]
    if not tools:
        return
    body["tools"] = tools
    choice: dict[str, Any] | None = None
    if request.tool_choice is not None:
        choice = _tool_choice(request.tool_choice)
    if request.options.get("parallel_tool_calls") is False:
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice is not None:
        body["tool_choice"] = choice


def _tool(tool: ToolSpec) -> dict[str, Any]:
    schema = tool.parameters or {"type": "object", "properties": {}}
    return {"name": tool.name, "description": tool.description, "input_schema": schema}


def _tool_choice(choice: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(choice, str):
        named = {"auto": "auto", "none": "none", "required": "any", "any": "any"}.get(choice)
        return {"type": named} if named else {"type": "tool", "name": choice}
    function = choice.get("function")
    return {"type": "tool", "name": function["name"]} if isinstance(function, Mapping) else dict(choice)


def _add_schema(body: dict[str, Any], schema: Mapping[str, Any] | str | None, facts: ModelFacts) -> None:
    if schema is None or isinstance(schema, str):
        return  # there is no switch for "any JSON"; the prompt asks for it
    if facts.capabilities.json_schema and is_closed(schema):
        body["output_config"] = {**body.get("output_config", {}), "format": {"type": "json_schema", "schema": schema}}
        return
    body["tools"] = [*body.get("tools", ()), _tool(answer_tool(schema))]
    # A model that thinks may not be forced to call a tool.
    body["tool_choice"] = {"type": "auto"} if "thinking" in body or len(body["tools"]) > 1 else {"type": "tool", "name": ANSWER_TOOL}


def _mark(body: dict[str, Any]) -> None:
    """Marks where the prefix that calls share ends: after the tools, the system text, and the last turn but one (the end of the demos)."""
    places = [body.get("tools"), body.get("system"), body["messages"][-2]["content"] if len(body["messages"]) > 1 else None]
    for blocks in places:
        if blocks:
            blocks[-1] = {**blocks[-1], "cache_control": MARK}


def _choice(blocks: list[Any], finish: FinishReason) -> Choice:
    texts: list[str] = []
    thoughts: list[str] = []
    signed: list[Any] = []
    calls: list[ToolCallPart] = []
    citations: list[Citation] = []
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            texts.append(block.get("text") or "")
            citations += [citation_of(c, block.get("text")) for c in block.get("citations") or ()]
        elif kind in ("thinking", "redacted_thinking"):
            thoughts.append(block.get("thinking") or "")
            signed.append(block)
        elif kind == "tool_use" and block.get("name") == ANSWER_TOOL:
            texts.append(json.dumps(block.get("input"), ensure_ascii=False))
            finish = "stop" if finish == "tool_calls" else finish
        elif kind == "tool_use":
            calls.append(_call(block, signed))
            signed = []
    return Choice(
        text="".join(texts) if texts or not calls else None,
        tool_calls=tuple(calls),
        reasoning="".join(thoughts) or None,
        citations=tuple(citations),
        finish_reason=finish,
    )


def _call(block: Mapping[str, Any], thoughts: list[Any]) -> ToolCallPart:
    return ToolCallPart(
        id=block.get("id"),
        name=block.get("name") or "",
        arguments=json.dumps(block.get("input") or {}),
        signed=sealed(MAKER, signed_blocks(thoughts)),
    )


def citation_of(data: Mapping[str, Any], supported: str | None = None) -> Citation:
    """A citation from its form in the API."""
    return Citation(
        cited_text=data.get("cited_text") or "",
        document_index=data.get("document_index") or 0,
        document_title=data.get("document_title") or data.get("title") or data.get("url"),
        start_char_index=data.get("start_char_index"),
        end_char_index=data.get("end_char_index"),
        supported_text=supported,
    )


def usage_of(raw: Any) -> Usage:
    """Usage; the API counts what it read from its cache, and wrote to it, beside the input.

    >>> usage_of({"input_tokens": 3, "cache_read_input_tokens": 10, "output_tokens": 2}).input_tokens
    13
    """
    if not isinstance(raw, Mapping):
        return Usage()
    read, written = raw.get("cache_read_input_tokens") or 0, raw.get("cache_creation_input_tokens") or 0
    return Usage(
        input_tokens=(raw.get("input_tokens") or 0) + read + written,
        output_tokens=raw.get("output_tokens") or 0,
        cached_input_tokens=read,
        cache_write_tokens=written,
        raw=raw,
    )
