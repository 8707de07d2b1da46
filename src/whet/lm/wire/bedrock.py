"""Amazon Bedrock's Converse API, one format for the models of all makers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from whet.core.exchange import Choice, FinishReason, Request, Response, StreamEvent, ToolSpec, Usage
from whet.core.http import HttpResponse
from whet.core.messages import Message, RawPart, TextPart, ToolCallPart
from whet.lm.facts import ModelFacts
from whet.lm.wire.draft import StreamDecoder, answer_of
from whet.lm.wire.errors import error_from, request_id_of, unexpected
from whet.lm.wire.event_stream import AwsEvents
from whet.lm.wire.json_tool import ANSWER_TOOL, answer_tool, arguments_of
from whet.lm.wire.media import Media, neutral_parts, unsupported
from whet.lm.wire.openai_chat import HEADERS, LIMITS, json_bytes, read_json
from whet.lm.wire.signed import sealed, unsealed

__all__ = ["Bedrock"]

MAKER = "bedrock"
FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
STATUS: Mapping[str, int] = {
    "throttlingException": 429,
    "validationException": 400,
    "modelStreamErrorException": 500,
    "internalServerException": 500,
    "modelTimeoutException": 408,
    "serviceUnavailableException": 503,
}
STREAM_HEADERS: Mapping[str, str] = {"content-type": "application/json", "accept": "application/vnd.amazon.eventstream"}
UNTOLD = frozenset(
    "n stop seed extra_body hosted_tools parallel_tool_calls user logprobs top_logprobs logit_bias frequency_penalty presence_penalty "
    "reasoning_effort verbosity".split()
)
TOP_LEVEL = frozenset("guardrailConfig additionalModelRequestFields performanceConfig requestMetadata promptVariables serviceTier".split())
THINKING: Mapping[str, int] = {"minimal": 1_024, "low": 1_024, "medium": 4_096, "high": 16_384}
MARK: Mapping[str, Any] = {"cachePoint": {"type": "default"}}


class Bedrock:
    """Encodes and decodes Converse. Holds nothing."""

    __slots__ = ()

    def encode(self, request: Request, facts: ModelFacts, *, stream: bool = False) -> tuple[str, Mapping[str, str], bytes]:
        """Path, headers and body."""
        system: list[dict[str, Any]] = [{"text": m.text} for m in request.messages if m.role in ("system", "developer") and m.text]
        turns = _turns(request.messages, facts)
        if request.prompt_cache:
            if system:
                system.append(dict(MARK))
            if len(turns) > 1:
                turns[-2]["content"].append(dict(MARK))
        body: dict[str, Any] = {"system": system} if system else {}
        body["messages"] = turns
        _add_options(body, request.options)
        _add_tools(body, request)
        body.update(request.options.get("extra_body") or {})
        name = facts.name.removeprefix("converse/").removeprefix("invoke/")
        action = "converse-stream" if stream else "converse"
        return f"/model/{quote(name, safe='')}/{action}", STREAM_HEADERS if stream else HEADERS, json_bytes(body)

    def decode(self, http: HttpResponse, facts: ModelFacts) -> Response:
        """The answer. Raises the `LMError` that the status or the body stands for."""
        if http.status >= 400:
            raise error_from(http.status, http.headers, http.body, model=facts.full_name, provider=facts.provider)
        data = read_json(http, facts)
        if "output" not in data:
            raise unexpected(
                f"The answer holds no `output`, only {sorted(data)!r}. Is this a Bedrock runtime endpoint?",
                http,
                facts,
            )
        choice = _choice(data["output"]["message"]["content"], FINISH.get(data.get("stopReason") or "", "stop"))
        return answer_of((choice,), _usage(data.get("usage")), facts, request_id=request_id_of(http.headers))

    def stream(self, facts: ModelFacts) -> StreamDecoder:
        """A decoder of one streamed answer."""
        return _ConverseStream(facts, AwsEvents())


def _turns(messages: tuple[Message, ...], facts: ModelFacts) -> list[dict[str, Any]]:
    """Turns of user and assistant, which must alternate."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_blocks(message, facts))
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message, facts: ModelFacts) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        inner = [_block(part, number, facts) for number, part in enumerate(neutral_parts(message.content))]
        yield {"toolResult": {"toolUseId": message.tool_call_id or message.name or "", "content": inner}}
        return
    thoughts = [unsealed(call, MAKER) or () for call in message.tool_calls]
    yield from thoughts[0] if thoughts else ()
    for number, part in enumerate(neutral_parts(message.content)):
        yield _block(part, number, facts)
    for number, call in enumerate(message.tool_calls):
        if number:
            yield from thoughts[number]
        yield {"toolUse": {"toolUseId": call.id or call.name, "name": call.name, "input": arguments_of(call)}}


def _block(part: TextPart | Media | RawPart, number: int, facts: ModelFacts) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"text": part.text}
    if isinstance(part, RawPart):
        return part.block
    if part.data is not None:
        source: dict[str, Any] = {"bytes": part.data}
    elif (part.url or "").startswith("s3://"):
        source = {"s3Location": {"uri": part.url}}
    else:
        raise unsupported(part, facts.full_name, "data or s3:// addresses")
    form = "png" if part.mime == "image/*" else part.format
    if part.kind == "file":
        # The API takes letters, digits, blanks, hyphens and brackets in names only.
        name = "".join(c if c.isalnum() and c.isascii() else "-" for c in part.filename or f"document {number + 1}")
        return {"document": {"format": form, "name": name, "source": source}}
    if part.kind == "audio":
        raise unsupported(part, facts.full_name, "images, videos and documents")
    return {part.kind: {"format": form, "source": source}}


def _add_options(body: dict[str, Any], options: Mapping[str, Any]) -> None:
    config: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for name, value in options.items():
        if value is None or name in UNTOLD:
            continue
        if name in LIMITS:
            config["maxTokens"] = value
        elif name in ("temperature", "top_p"):
            config["topP" if name == "top_p" else name] = value
        elif name in TOP_LEVEL:
            body[name] = value
        else:
            more[name] = value
    if stop := options.get("stop"):
        config["stopSequences"] = [stop] if isinstance(stop, str) else list(stop)
    if tokens := THINKING.get(str(options.get("reasoning_effort"))):
        more.setdefault("thinking", {"type": "enabled", "budget_tokens": tokens})
        config["maxTokens"] = max(config.get("maxTokens", 0), tokens + 4_096)
        config.pop("temperature", None)
    if config:
        body["inferenceConfig"] = config
    if more:
        body["additionalModelRequestFields"] = {**body.get("additionalModelRequestFields", {}), **more}


def _add_tools(body: dict[str, Any], request: Request) -> None:
    tools = [*map(_tool, request.tools)]
    choice = _tool_choice(request.tool_choice) if request.tool_choice is not None else None
    if request.response_schema is not None and not isinstance(request.response_schema, str):
        tools.append(_tool(answer_tool(request.response_schema)))
        choice = {"auto": {}} if request.tools else {"tool": {"name": ANSWER_TOOL}}
    if not tools or choice == "none":
        return
    if request.prompt_cache:
        tools.append(dict(MARK))
    body["toolConfig"] = {"tools": tools, "toolChoice": choice} if choice else {"tools": tools}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    schema = tool.parameters or {"type": "object", "properties": {}}
    return {"toolSpec": {"name": tool.name, "description": tool.description or tool.name, "inputSchema": {"json": schema}}}


def _tool_choice(choice: str | Mapping[str, Any]) -> Any:
    if isinstance(choice, Mapping):
        choice = str((choice.get("function") or choice).get("name") or "auto")
    if choice == "none":
        return "none"
    return {"auto": {"auto": {}}, "required": {"any": {}}, "any": {"any": {}}}.get(choice) or {"tool": {"name": choice}}


def _choice(blocks: list[Any], finish: FinishReason) -> Choice:
    texts: list[str] = []
    thoughts: list[str] = []
    signed: list[Any] = []
    calls: list[ToolCallPart] = []
    for block in blocks:
        if "text" in block:
            texts.append(block["text"])
        elif "reasoningContent" in block:
            thoughts.append(block["reasoningContent"].get("reasoningText", {}).get("text", ""))
            signed += _signed(block["reasoningContent"])
        elif (use := block.get("toolUse")) and use.get("name") == ANSWER_TOOL:
            texts.append(json.dumps(use.get("input"), ensure_ascii=False))
            finish = "stop" if finish == "tool_calls" else finish
        elif use:
            arguments, told = json.dumps(use.get("input") or {}), sealed(MAKER, signed)
            calls.append(ToolCallPart(id=use.get("toolUseId"), name=use.get("name") or "", arguments=arguments, signed=told))
            signed = []
    return Choice(
        text="".join(texts) if texts or not calls else None,
        tool_calls=tuple(calls),
        reasoning="".join(thoughts) or None,
        finish_reason=finish,
    )


def _signed(thought: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A block of reasoning as the API takes it back: unchanged, where it is signed or hidden."""
    signed = (thought.get("reasoningText") or {}).get("signature") or thought.get("redactedContent")
    return [{"reasoningContent": dict(thought)}] if signed else []


def _usage(raw: Any) -> Usage:
    if not isinstance(raw, dict):
        return Usage()
    read, written = raw.get("cacheReadInputTokens") or 0, raw.get("cacheWriteInputTokens") or 0
    return Usage(
        input_tokens=(raw.get("inputTokens") or 0) + read + written,
        output_tokens=raw.get("outputTokens") or 0,
        cached_input_tokens=read,
        cache_write_tokens=written,
        raw=raw,
    )


class _ConverseStream(StreamDecoder):
    answers: frozenset[int] = frozenset()
    thoughts: Mapping[int, dict[str, Any]] = {}

    def read(self, name: str, data: Any, out: list[StreamEvent]) -> None:
        draft, place = self.draft(), data.get("contentBlockIndex") or 0
        if name == "contentBlockDelta":
            self._delta(place, data["delta"], out)
        elif name == "contentBlockStart":
            use = (data.get("start") or {}).get("toolUse")
            if use and use["name"] == ANSWER_TOOL:
                self.answers |= {place}
            elif use:
                out.append(draft.call(place, "", use["name"], use.get("toolUseId")))
                draft.sign(place, sealed(MAKER, [block for thought in self.thoughts.values() for block in _signed(thought)]))
                self.thoughts = {}
        elif name == "messageStop":
            finish = FINISH.get(data.get("stopReason") or "", "stop")
            draft.finish = "stop" if finish == "tool_calls" and self.answers else finish
        elif name == "metadata":
            self.usage = _usage(data.get("usage"))
            self.end(out)
        elif name.lower().endswith("exception"):
            raise self.failure(STATUS.get(name, 500), data)

    def _delta(self, place: int, delta: Mapping[str, Any], out: list[StreamEvent]) -> None:
        draft = self.draft()
        if "text" in delta:
            out.append(draft.say(delta["text"]))
        elif "toolUse" in delta:
            piece = delta["toolUse"].get("input") or ""
            if piece:
                out.append(draft.say(piece) if place in self.answers else draft.call(place, piece))
        elif thought := delta.get("reasoningContent"):
            self._remember(place, thought)
            if text := thought.get("text"):
                out.append(draft.think(text))

    def _remember(self, place: int, delta: Mapping[str, Any]) -> None:
        block = dict(self.thoughts.get(place, {}))
        if hidden := delta.get("redactedContent"):
            block["redactedContent"] = block.get("redactedContent", "") + hidden
        else:
            told = block.get("reasoningText", {})
            block["reasoningText"] = {**told, **{name: told.get(name, "") + delta[name] for name in ("text", "signature") if name in delta}}
        self.thoughts = {**self.thoughts, place: block}
