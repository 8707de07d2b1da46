"""Google's Gemini API (generateContent)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from whet.core.exchange import Choice, Citation, FinishReason, Request, Response, StreamEvent, ToolSpec, Usage
from whet.core.http import HttpResponse
from whet.core.messages import Message, RawPart, TextPart
from whet.core.sse import EventStream
from whet.lm.facts import ModelFacts
from whet.lm.wire.draft import StreamDecoder, answer_of
from whet.lm.wire.errors import error_from, request_id_of, unexpected
from whet.lm.wire.json_tool import arguments_of
from whet.lm.wire.media import Media, neutral_parts, unsupported
from whet.lm.wire.openai_chat import HEADERS, LIMITS, STREAM_HEADERS, json_bytes, read_json
from whet.lm.wire.signed import sealed, unsealed

__all__ = ["Gemini"]

MAKER = "gemini"
FINISH: Mapping[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length", "MALFORMED_FUNCTION_CALL": "error", "OTHER": "error"}
OPTIONS: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
    **dict.fromkeys(LIMITS, "maxOutputTokens"),
}
# Tokens of thinking for each word of `reasoning_effort`, for models that take a number.
THINKING: Mapping[str, int] = {"none": 0, "disable": 0, "minimal": 512, "low": 1_024, "medium": 8_192, "high": 24_576}
UNTOLD = frozenset("n stop extra_body hosted_tools reasoning_effort parallel_tool_calls user logit_bias verbosity".split())


class Gemini:
    """Encodes and decodes generateContent. Holds nothing."""

    __slots__ = ()

    def encode(self, request: Request, facts: ModelFacts, *, stream: bool = False) -> tuple[str, Mapping[str, str], bytes]:
        """Path, headers and body."""
        system = [{"text": m.text} for m in request.messages if m.role in ("system", "developer")]
        body: dict[str, Any] = {"systemInstruction": {"parts": system}} if system else {}
        body["contents"] = _contents(request.messages, facts)
        if config := _config(body, request, facts):
            body["generationConfig"] = config
        tools: list[Any] = [{"functionDeclarations": [_tool(t) for t in request.tools]}] if request.tools else []
        tools += request.options.get("hosted_tools") or ()
        if tools:
            body["tools"] = tools
        if request.tool_choice is not None and request.tools:
            body["toolConfig"] = {"functionCallingConfig": _tool_choice(request.tool_choice)}
        body.update(request.options.get("extra_body") or {})
        action = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/models/{facts.name}:{action}", STREAM_HEADERS if stream else HEADERS, json_bytes(body)

    def decode(self, http: HttpResponse, facts: ModelFacts) -> Response:
        """The answer. Raises the `LMError` that the status or the body stands for."""
        if http.status >= 400:
            raise error_from(http.status, http.headers, http.body, model=facts.full_name, provider=facts.provider)
        decoder = self.stream(facts)
        data = read_json(http, facts)
        if "candidates" not in data and "promptFeedback" not in data:
            raise unexpected(
                f"The answer holds no `candidates`, only {sorted(data)!r}. Does `api_base` point to a Gemini API (ending in /v1beta)?",
                http,
                facts,
            )
        decoder.read("", data, [])
        choices = tuple(draft.choice() for _, draft in sorted(decoder.drafts.items()))
        request_id = request_id_of(http.headers) or decoder.request_id
        return answer_of(choices or (Choice(text=""),), decoder.usage, facts, model=decoder.model, request_id=request_id)

    def stream(self, facts: ModelFacts) -> StreamDecoder:
        """A decoder of one streamed answer, whose chunks have the form of a whole one."""
        return _GeminiStream(facts, EventStream())


def _config(body: dict[str, Any], request: Request, facts: ModelFacts) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name, value in request.options.items():
        if value is None or name in UNTOLD:
            continue
        if name in OPTIONS:
            config[OPTIONS[name]] = value
        elif name in ("safetySettings", "safety_settings", "cachedContent", "cached_content"):
            body["safetySettings" if name.startswith("safety") else "cachedContent"] = value
        else:
            config[name] = value
    if stop := request.options.get("stop"):
        config["stopSequences"] = [stop] if isinstance(stop, str) else list(stop)
    if (effort := request.options.get("reasoning_effort")) is not None:
        config["thinkingConfig"] = _thinking(str(effort), facts.name)
    if request.n > 1:
        config["candidateCount"] = request.n
    if request.response_schema is not None:
        config["responseMimeType"] = "application/json"
        if not isinstance(request.response_schema, str):
            config["responseJsonSchema"] = request.response_schema
    return config


def _thinking(effort: str, model: str) -> dict[str, Any]:
    if "gemini-3" in model:
        return {"includeThoughts": True, "thinkingLevel": "low" if effort in ("none", "disable", "minimal") else effort}
    tokens = THINKING.get(effort, THINKING["medium"])
    return {"includeThoughts": True, "thinkingBudget": tokens} if tokens else {"thinkingBudget": 0}


def _contents(messages: tuple[Message, ...], facts: ModelFacts) -> list[dict[str, Any]]:
    names = {call.id: call.name for m in messages for call in m.tool_calls}
    contents: list[dict[str, Any]] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        role = "model" if message.role == "assistant" else "user"
        parts = list(_parts(message, names, facts))
        if message.role == "tool" and contents and "functionResponse" in contents[-1]["parts"][-1]:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    return contents


def _parts(message: Message, names: Mapping[str | None, str], facts: ModelFacts) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        name = message.name or names.get(message.tool_call_id) or message.tool_call_id or ""
        yield {"functionResponse": {"name": name, "response": {"result": message.text}}}
        return
    for part in neutral_parts(message.content):
        yield _part(part, facts)
    for call in message.tool_calls:
        said: dict[str, Any] = {"functionCall": {"name": call.name, "args": arguments_of(call)}}
        if signature := unsealed(call, MAKER):
            said["thoughtSignature"] = signature
        yield said


def _part(part: TextPart | Media | RawPart, facts: ModelFacts) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"text": part.text}
    if isinstance(part, RawPart):
        return part.block
    if part.data is not None:
        mime = part.mime.replace("image/*", "image/png").replace("audio/*", "audio/wav").replace("video/*", "video/mp4")
        return {"inlineData": {"mimeType": mime, "data": part.data}}
    if where := part.url or part.file_id:
        return {"fileData": {"fileUri": where} if part.mime.endswith("/*") else {"fileUri": where, "mimeType": part.mime}}
    raise unsupported(part, facts.full_name, "inline data or a URL")


def _tool(tool: ToolSpec) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if tool.parameters.get("properties"):
        plain["parametersJsonSchema"] = tool.parameters
    return plain


def _tool_choice(choice: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(choice, Mapping):
        choice = str((choice.get("function") or choice).get("name") or "")
    mode = {"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY"}.get(choice)
    return {"mode": mode} if mode else {"mode": "ANY", "allowedFunctionNames": [choice]}


def _usage(raw: Mapping[str, Any]) -> Usage:
    thought = raw.get("thoughtsTokenCount") or 0
    return Usage(
        input_tokens=(raw.get("promptTokenCount") or 0) + (raw.get("toolUsePromptTokenCount") or 0),
        output_tokens=(raw.get("candidatesTokenCount") or 0) + thought,
        cached_input_tokens=raw.get("cachedContentTokenCount") or 0,
        reasoning_tokens=thought,
        raw=raw,
    )


class _GeminiStream(StreamDecoder):
    def read(self, name: str, data: Any, out: list[StreamEvent]) -> None:
        if data.get("error"):
            code = data["error"].get("code")
            raise self.failure(code if isinstance(code, int) and code >= 400 else 500, data)
        self.model, self.request_id = data.get("modelVersion") or self.model, data.get("responseId") or self.request_id
        for row in data.get("candidates") or ():
            self._candidate(row, out)
        if (data.get("promptFeedback") or {}).get("blockReason"):
            self.draft().finish = "content_filter"
        if usage := data.get("usageMetadata"):
            self.usage = _usage(usage)

    def _candidate(self, row: Mapping[str, Any], out: list[StreamEvent]) -> None:
        draft = self.draft(row.get("index") or 0)
        for part in (row.get("content") or {}).get("parts") or ():
            if call := part.get("functionCall"):
                place = len(draft.tools)
                call_id = call.get("id") or f"call_{place}"
                out.append(draft.call(place, json.dumps(call.get("args") or {}), call.get("name") or "", call_id))
                draft.sign(place, sealed(MAKER, part.get("thoughtSignature")))
            elif (text := part.get("text")) and part.get("thought"):
                out.append(draft.think(text))
            elif text:
                out.append(draft.say(text))
        if logprobs := row.get("logprobsResult"):
            draft.logprobs.append(logprobs)
        out += [draft.cite(citation) for citation in _citations(row.get("groundingMetadata") or {})]
        if reason := row.get("finishReason"):
            finish = FINISH.get(reason, "content_filter")
            draft.finish = "tool_calls" if draft.tools and finish == "stop" else finish


def _citations(grounding: Mapping[str, Any]) -> Iterator[Citation]:
    chunks = grounding.get("groundingChunks") or ()
    for support in grounding.get("groundingSupports") or ():
        segment = support.get("segment") or {}
        for number in support.get("groundingChunkIndices") or ():
            source: Mapping[str, Any] = next(iter(chunks[number].values()), {}) if number < len(chunks) else {}
            yield Citation(
                cited_text=segment.get("text") or "",
                document_index=number,
                document_title=source.get("title") or source.get("uri"),
                start_char_index=segment.get("startIndex"),
                end_char_index=segment.get("endIndex"),
                supported_text=segment.get("text"),
            )
