"""OpenAI's chat completions, the format that most servers speak."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring as quoted
from typing import Any

from whet.core.exchange import (
    NO_USAGE,
    Choice,
    Citation,
    FinishReason,
    Request,
    Response,
    ToolSpec,
    Usage,
    make_choice,
    make_response,
    make_usage,
)
from whet.core.http import HttpResponse
from whet.core.messages import Content, MediaPart, Message, Part, TextPart, ToolCallPart
from whet.errors import LMConfigurationError
from whet.lm.facts import ModelFacts
from whet.lm.repeated import Repeated
from whet.lm.wire.cache_marks import marked, needs_marks
from whet.lm.wire.errors import error_from, request_id_of, unexpected
from whet.lm.wire.openai_stream import ChatStream
from whet.lm.wire.parse import parsed

__all__ = ["OpenAIChat", "blocks_of", "choices_in", "json_bytes", "read_json", "usage_of", "written"]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}
HEADERS: Mapping[str, str] = {"content-type": "application/json", "accept": "application/json"}
STREAM_HEADERS: Mapping[str, str] = {"content-type": "application/json", "accept": "text/event-stream"}
LIMITS = ("max_tokens", "max_completion_tokens")
TOOL_MODES = ("auto", "none", "required")


class OpenAIChat:
    """Encodes and decodes chat completions. Holds nothing, so one serves every model and thread."""

    __slots__ = ()
    path = "/chat/completions"

    def encode(self, request: Request, facts: ModelFacts, *, stream: bool = False) -> tuple[str, Mapping[str, str], bytes]:
        """Path below the base URL, headers (without the key) and body. Raises `LMConfigurationError` for an option that is no JSON."""
        body: dict[str, Any] = {"model": facts.name}
        if request.options:
            _add_options(body, request.options, facts)
        if request.n > 1:
            body["n"] = request.n
        hosted = body.pop("hosted_tools", None)
        if request.tools or hosted:
            body["tools"] = [*map(_tool, request.tools), *(hosted or ())]
            if request.tool_choice is not None:
                body["tool_choice"] = _tool_choice(request.tool_choice)
        if request.response_schema is not None:
            body["response_format"] = response_format(request.response_schema)
        messages = marked(request.messages) if request.prompt_cache and needs_marks(facts) else request.messages
        return written(self.path, body, facts, stream, messages)

    def decode(self, http: HttpResponse, facts: ModelFacts) -> Response:
        """The answer, with its cost where the price is known. Raises the `LMError` that the status or the body stands for."""
        if http.status >= 400:
            raise error_from(http.status, http.headers, http.body, model=facts.full_name, provider=facts.provider)
        data = read_json(http, facts)
        choices = choices_in(data, http, facts)
        usage = usage_of(data.get("usage"))
        return make_response(
            tuple([_choice(c) for c in choices]),
            usage,
            data.get("model") or facts.name,
            facts.price.cost(usage) if facts.price is not None else None,
            False,
            request_id_of(http.headers) or data.get("id"),
        )

    def stream(self, facts: ModelFacts) -> ChatStream:
        """A decoder of one streamed answer."""
        return ChatStream(facts, usage_of, FINISH)


def written(
    path: str, body: dict[str, Any], facts: ModelFacts, stream: bool, messages: Sequence[Message] | None = None
) -> tuple[str, Mapping[str, str], bytes]:
    """Path, headers and bytes of a completion, streamed or not, with the messages where it has some beside its body."""
    if stream:
        body["stream"] = True
        if "no_stream_options" not in facts.quirks:
            body["stream_options"] = {"include_usage": True}
    return path, STREAM_HEADERS if stream else HEADERS, json_bytes(body) if messages is None else _with_messages(body, messages)


def _with_messages(body: dict[str, Any], messages: Sequence[Message]) -> bytes:
    """The body with the messages in it."""
    if "messages" in body:  # the user's own, in `extra_body`
        return json_bytes(body)
    try:
        texts = _texts_of(messages)
    except (TypeError, ValueError):
        return json_bytes({**body, "messages": [_message(m) for m in messages]})  # says what is no JSON
    return b'%b,"messages":[%b]}' % (json_bytes(body)[:-1], ",".join(texts).encode("utf-8", "replace"))


def _text_of(message: Message) -> str:
    if isinstance(message.content, str) and not message.tool_calls and message.tool_call_id is message.name is None:
        return f'{{"role":{quoted(message.role)},"content":{quoted(message.content)}}}'
    return _encode(_message(message))


_texts_of = Repeated(_text_of)


def choices_in(data: Mapping[str, Any], http: HttpResponse, facts: ModelFacts) -> list[Any]:
    """The choices of a completion. Raises the error that a body without any stands for."""
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices:
        raise _no_answer(data, http, facts)
    return choices


def json_bytes(body: Mapping[str, Any]) -> bytes:
    """Compact JSON; a lone surrogate becomes a question mark, because no server could read it."""
    try:
        # Most of what stands in a body are names and numbers, and making an encoder for each call would take longer than writing them.
        texts = [f"{quoted(name)}:{quoted(value) if type(value) is str else _encode(value)}" for name, value in body.items()]
        return f"{{{','.join(texts)}}}".encode("utf-8", "replace")
    except (TypeError, ValueError) as error:
        culprits = [f"`{name}`" for name, value in body.items() if not _is_json(value)]
        raise LMConfigurationError(
            f"The request cannot be written as JSON: {error}. Look at {', '.join(culprits) or 'its options'}; "
            "request parameters must be plain strings, numbers, lists and dicts."
        ) from None


def _is_json(value: Any) -> bool:
    try:
        _encode(value)
    except (TypeError, ValueError):
        return False
    return True


def _add_options(body: dict[str, Any], options: Mapping[str, Any], facts: ModelFacts) -> None:
    for name, value in options.items():
        if value is not None:
            body[facts.limit_option if name in LIMITS else name] = value
    extra = body.pop("extra_body", None)
    if extra:
        body.update(extra)


def _message(message: Message) -> dict[str, Any]:
    content = message.content
    plain: dict[str, Any] = {"role": message.role, "content": content if isinstance(content, str) else blocks_of(content)}
    if message.tool_calls:
        plain["tool_calls"] = [
            {"id": c.id or c.name, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in message.tool_calls
        ]
        plain["content"] = plain["content"] or None
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        plain["name"] = message.name
    return plain


def blocks_of(content: Content) -> list[dict[str, Any]]:
    """Content as blocks in OpenAI's form; media give their bytes or URL here and nowhere earlier."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for part in content for block in _blocks(part)]


def _blocks(part: Part) -> list[dict[str, Any]]:
    if isinstance(part, TextPart):
        return [{"type": "text", "text": part.text}]
    if not isinstance(part, MediaPart):
        return [part.block]
    block = part.source.to_block() if hasattr(part.source, "to_block") else part.source.format()
    return block if isinstance(block, list) else [block]


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters}}


def _tool_choice(choice: str | Mapping[str, Any]) -> Any:
    if isinstance(choice, str) and choice not in TOOL_MODES:
        return {"type": "function", "function": {"name": choice}}
    return choice


def response_format(schema: Mapping[str, Any] | str) -> dict[str, Any]:
    """`response_format` for a JSON schema, strict where the schema is closed and every property is required.

    >>> response_format("json")
    {'type': 'json_object'}
    """
    if isinstance(schema, str):
        return {"type": "json_object"}
    strict = schema.get("additionalProperties") is False and set(schema.get("required", ())) == set(schema.get("properties", ()))
    title = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in str(schema.get("title") or "answer"))[:64]
    return {"type": "json_schema", "json_schema": {"name": title, "schema": schema, "strict": strict}}


def read_json(http: HttpResponse, facts: ModelFacts) -> dict[str, Any]:
    """The body as a JSON object. Raises `LMUnexpectedError` with the beginning of what came instead."""
    try:
        data = parsed(http.body)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict):
        return data
    kind = http.headers.get("content-type", "no content type")
    raise unexpected(
        f"The answer (HTTP {http.status}, {kind}) is no JSON object: {http.body[:200].decode('utf-8', 'replace')!r}. "
        "Does `api_base` point to the API itself, up to and including its version (such as `/v1`)?",
        http,
        facts,
    )


def _no_answer(data: Mapping[str, Any], http: HttpResponse, facts: ModelFacts) -> Exception:
    """Some gateways send their errors with status 200."""
    error = data.get("error")
    if error:
        code = error.get("code") if isinstance(error, dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else http.status
        return error_from(status, http.headers, http.body, model=facts.full_name, provider=facts.provider)
    return unexpected(
        f"The answer holds no `choices`, only {sorted(data)!r}. Is this an OpenAI-compatible endpoint for completions?",
        http,
        facts,
        usage=usage_of(data.get("usage")),
    )


def _choice(data: Mapping[str, Any]) -> Choice:
    message = data.get("message") or {}
    text = message.get("content")
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if not isinstance(text, str) and text is not None:
        text, reasoning = _split_content(text, reasoning)
    calls = message.get("tool_calls")
    return make_choice(
        text if text is not None else message.get("refusal"),
        tuple([_call(c) for c in calls]) if calls else (),
        reasoning if isinstance(reasoning, str) else None,
        _citations(message["annotations"], text or "") if message.get("annotations") else (),
        data.get("logprobs"),
        FINISH.get(data.get("finish_reason") or "stop", "stop"),
    )


def _split_content(content: Any, reasoning: Any) -> tuple[str, Any]:
    """Some servers answer with blocks, the thinking among them."""
    texts, thoughts = [], []
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        if isinstance(block.get("thinking"), list):
            thoughts += [inner.get("text", "") for inner in block["thinking"]]
        elif isinstance(block.get("thinking"), str):
            thoughts.append(block["thinking"])
        elif isinstance(block.get("text"), str):
            texts.append(block["text"])
    return "".join(texts), "".join(thoughts) or reasoning


def _call(data: Mapping[str, Any]) -> ToolCallPart:
    function = data.get("function") or {}
    arguments = function.get("arguments")
    return ToolCallPart(
        id=data.get("id"), name=function.get("name") or "", arguments=arguments if isinstance(arguments, str) else _encode(arguments or {})
    )


def _citations(annotations: Any, text: str) -> tuple[Citation, ...]:
    found = []
    for number, annotation in enumerate(annotations if isinstance(annotations, list) else ()):
        cited = annotation.get("url_citation") if isinstance(annotation, dict) else None
        if isinstance(cited, dict):
            start, end = cited.get("start_index"), cited.get("end_index")
            found.append(
                Citation(
                    cited_text=text[start:end] if isinstance(start, int) and isinstance(end, int) else cited.get("url", ""),
                    document_index=number,
                    document_title=cited.get("title") or cited.get("url"),
                    start_char_index=start,
                    end_char_index=end,
                )
            )
    return tuple(found)


def usage_of(raw: Any) -> Usage:
    """Usage in OpenAI's form and its dialects.

    >>> usage_of({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}).cached_input_tokens
    4
    """
    if not isinstance(raw, dict):
        return NO_USAGE
    given = raw.get("prompt_tokens") or 0
    made = raw.get("completion_tokens") or 0
    inside, spent = raw.get("prompt_tokens_details"), raw.get("completion_tokens_details")
    thought = (spent.get("reasoning_tokens") or 0) if spent else 0
    if thought and (raw.get("total_tokens") or 0) == given + made + thought:
        made += thought  # some servers count the reasoning beside the completion
    return make_usage(
        given,
        made,
        ((inside.get("cached_tokens") or 0) if inside else 0) or raw.get("prompt_cache_hit_tokens") or 0,
        (inside.get("cache_write_tokens") or 0) if inside else 0,
        thought,
        raw,
    )
