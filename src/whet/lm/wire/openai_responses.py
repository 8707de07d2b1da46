"""OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from whet.core.exchange import Choice, Citation, FinishReason, Request, Response, StreamEvent, ToolSpec, Usage
from whet.core.http import HttpResponse
from whet.core.messages import Message, RawPart, TextPart, ToolCallPart
from whet.core.sse import EventStream
from whet.errors import LMServerError, LMUnexpectedError
from whet.lm.facts import ModelFacts
from whet.lm.wire.draft import StreamDecoder, answer_of
from whet.lm.wire.errors import error_from, request_id_of
from whet.lm.wire.media import Media, neutral_parts
from whet.lm.wire.openai_chat import HEADERS, LIMITS, STREAM_HEADERS, TOOL_MODES, json_bytes, read_json, response_format
from whet.lm.wire.signed import sealed, unsealed

__all__ = ["OpenAIResponses"]

MAKER = "openai"
# Parameters of chat completions that mean nothing here.
LEFT_OUT = frozenset({"n", "extra_body", "hosted_tools", "reasoning_effort", "verbosity", "stop", "seed"})


class OpenAIResponses:
    """Encodes and decodes the Responses API. Holds nothing."""

    __slots__ = ()
    path = "/responses"

    def encode(self, request: Request, facts: ModelFacts, *, stream: bool = False) -> tuple[str, Mapping[str, str], bytes]:
        """Path, headers and body."""
        body: dict[str, Any] = {"model": facts.name, "input": [item for m in request.messages for item in _items(m)]}
        _add_options(body, request.options)
        tools = [_tool(t) for t in request.tools] + list(request.options.get("hosted_tools") or ())
        if tools:
            body["tools"] = tools
        if request.tool_choice is not None:
            body["tool_choice"] = _tool_choice(request.tool_choice)
        if request.response_schema is not None:
            body["text"] = {**body.get("text", {}), "format": _format(request.response_schema)}
        if stream:
            body["stream"] = True
        return self.path, STREAM_HEADERS if stream else HEADERS, json_bytes(body)

    def decode(self, http: HttpResponse, facts: ModelFacts) -> Response:
        """The answer. Raises the `LMError` that the status or the body stands for."""
        if http.status >= 400:
            raise error_from(http.status, http.headers, http.body, model=facts.full_name, provider=facts.provider)
        return read_answer(read_json(http, facts), facts, request_id_of(http.headers))

    def stream(self, facts: ModelFacts) -> StreamDecoder:
        """A decoder of one streamed answer."""
        return _ResponsesStream(facts, EventStream())


def _add_options(body: dict[str, Any], options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if value is not None and name not in LEFT_OUT:
            body["max_output_tokens" if name in LIMITS else name] = value
    if (effort := options.get("reasoning_effort")) is not None and "reasoning" not in body:
        body["reasoning"] = {"effort": effort, "summary": "auto"}
    if (verbosity := options.get("verbosity")) is not None:
        body["text"] = {"verbosity": verbosity}
    if body.pop("logprobs", None):
        body["include"] = [*body.get("include", ()), "message.output_text.logprobs"]
    body.update(options.get("extra_body") or {})


def _items(message: Message) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield {"type": "function_call_output", "call_id": message.tool_call_id or message.name or "", "output": message.text}
        return
    said = "output_text" if message.role == "assistant" else "input_text"
    blocks = [_block(part, said) for part in neutral_parts(message.content)]
    if blocks or not message.tool_calls:
        yield {"role": message.role, "content": blocks or [{"type": said, "text": ""}]}
    for call in message.tool_calls:
        yield from unsealed(call, MAKER) or ()
        yield {"type": "function_call", "call_id": call.id or call.name, "name": call.name, "arguments": call.arguments}


def _block(part: TextPart | Media | RawPart, said: str) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": said, "text": part.text}
    if isinstance(part, RawPart):
        return part.block
    if part.kind == "image":
        return {"type": "input_image", "file_id": part.file_id} if part.file_id else {"type": "input_image", "image_url": part.data_url}
    if part.kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": part.data or "", "format": part.format}}
    block: dict[str, Any] = {"type": "input_file"}
    if part.file_id:
        block["file_id"] = part.file_id
    elif part.data is not None:
        block["file_data"] = part.data_url
    else:
        # A URL, or file data in a form of the user's own, which is passed on as it is.
        block["file_url" if (part.url or "").startswith("http") else "file_data"] = part.url
    if part.filename:
        block["filename"] = part.filename
    return block


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters, "strict": False}


def _tool_choice(choice: str | Mapping[str, Any]) -> Any:
    if isinstance(choice, str):
        return choice if choice in TOOL_MODES else {"type": "function", "name": choice}
    function = choice.get("function")
    return {"type": "function", "name": function["name"]} if isinstance(function, Mapping) else choice


def _format(schema: Mapping[str, Any] | str) -> dict[str, Any]:
    chat = response_format(schema)
    return {"type": "json_schema", **chat["json_schema"]} if "json_schema" in chat else chat


def read_answer(data: Mapping[str, Any], facts: ModelFacts, request_id: str | None = None) -> Response:
    """The body of an answer as a `Response`. Raises the error of a failed one."""
    usage = _usage(data.get("usage"))
    items = data.get("output")
    if data.get("status") == "failed" or (data.get("error") and not items):
        raise _failed(data, facts, usage)
    if not isinstance(items, list):
        raise LMUnexpectedError(
            f"The answer holds no `output`, only {sorted(data)!r}. Does this server know the Responses API? If not, use model_type='chat'.",
            model=facts.full_name,
            provider=facts.provider,
            usage=usage,
        )
    choice = _choice(items, _finish(data))
    return answer_of((choice,), usage, facts, model=data.get("model") or "", request_id=request_id or data.get("id"))


def _failed(data: Mapping[str, Any], facts: ModelFacts, usage: Usage) -> Exception:
    error = data.get("error") or {}
    code = error.get("code") if isinstance(error, dict) else None
    text = error.get("message") if isinstance(error, dict) else str(error)
    kind = LMServerError if code in (None, "server_error") else LMUnexpectedError
    return kind(text or "The call failed.", model=facts.full_name, provider=facts.provider, provider_code=code, usage=usage)


def _finish(data: Mapping[str, Any]) -> FinishReason:
    if data.get("status") != "incomplete":
        return "stop"
    reason = (data.get("incomplete_details") or {}).get("reason")
    return "content_filter" if reason == "content_filter" else "length"


def _choice(items: list[Any], finish: FinishReason) -> Choice:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCallPart] = []
    citations: list[Citation] = []
    logprobs: list[Any] = []
    sealed_thoughts: list[Any] = []
    for item in items:
        kind = item.get("type")
        if kind == "message":
            for part in item.get("content") or ():
                _read_part(part, texts, citations, logprobs)
        elif kind == "reasoning":
            thoughts += [part.get("text", "") for part in item.get("summary") or item.get("content") or ()]
            sealed_thoughts += [item] if item.get("encrypted_content") else []
        elif kind == "function_call":
            arguments, told = item.get("arguments") or "{}", sealed(MAKER, sealed_thoughts)
            calls.append(ToolCallPart(id=item.get("call_id"), name=item.get("name") or "", arguments=arguments, signed=told))
            sealed_thoughts = []
    return Choice(
        text="".join(texts),
        tool_calls=tuple(calls),
        reasoning="\n\n".join(thoughts) or None,
        citations=tuple(citations),
        logprobs={"content": logprobs} if logprobs else None,
        finish_reason="tool_calls" if calls and finish == "stop" else finish,
    )


def _read_part(part: Mapping[str, Any], texts: list[str], citations: list[Citation], logprobs: list[Any]) -> None:
    text = part.get("text") if part.get("type") == "output_text" else part.get("refusal")
    before = sum(map(len, texts))
    texts.append(text or "")
    logprobs += part.get("logprobs") or ()
    for note in part.get("annotations") or ():
        start, end = note.get("start_index"), note.get("end_index")
        known = isinstance(start, int) and isinstance(end, int)
        citations.append(
            Citation(
                cited_text=(text or "")[start:end] if known else note.get("quote") or note.get("url") or note.get("filename") or "",
                document_index=len(citations),
                document_title=note.get("title") or note.get("filename") or note.get("url"),
                start_char_index=before + start if known else None,
                end_char_index=before + end if known else None,
            )
        )


def _usage(raw: Any) -> Usage:
    if not isinstance(raw, dict):
        return Usage()
    return Usage(
        input_tokens=raw.get("input_tokens") or 0,
        output_tokens=raw.get("output_tokens") or 0,
        cached_input_tokens=(raw.get("input_tokens_details") or {}).get("cached_tokens") or 0,
        reasoning_tokens=(raw.get("output_tokens_details") or {}).get("reasoning_tokens") or 0,
        raw=raw,
    )


class _ResponsesStream(StreamDecoder):
    """The last event holds the whole answer again, so only the deltas are read on the way."""

    whole: Response | None = None

    def read(self, name: str, data: Any, out: list[StreamEvent]) -> None:
        kind = data.get("type") or name
        draft = self.draft()
        if kind == "response.output_text.delta" or kind == "response.refusal.delta":
            out.append(draft.say(data["delta"]))
        elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            out.append(draft.think(data["delta"]))
        elif kind == "response.function_call_arguments.delta":
            out.append(draft.call(data.get("output_index") or 0, data["delta"]))
        elif kind == "response.output_item.added" and (item := data["item"]).get("type") == "function_call":
            out.append(draft.call(data.get("output_index") or 0, "", item.get("name") or "", item.get("call_id")))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self._end(data["response"], out)
        elif kind == "error":
            raise self.failure(500, data)
        elif kind == "response.created":
            self.request_id = data["response"].get("id")

    def _end(self, data: Mapping[str, Any], out: list[StreamEvent]) -> None:
        self.whole = read_answer(data, self.facts, self.request_id)
        self.usage = self.whole.usage
        self.draft().finish = self.whole.choices[0].finish_reason
        out += [StreamEvent(kind="citation", citation=citation) for citation in self.whole.choices[0].citations]
        self.end(out)

    def finish(self) -> Response:
        self.tail()
        return self.whole if self.whole is not None else super().finish()
