"""A `Response` as typed JSON text and back: what the cache and cassettes keep. Never a pickle."""

from __future__ import annotations

import json
from typing import Any, Final

from whet.core.exchange import Choice, Citation, FinishReason, Response, Usage
from whet.core.messages import ToolCallPart

__all__ = ["FORMAT", "decode_response", "encode_response"]

# Raise it when the meaning of a field changes: texts of another format read as a miss.
FORMAT: Final = 1
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_to_ascii = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode
_read = json.JSONDecoder().raw_decode
_FREE = Usage()
_COUNTS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")
_CITED = ("cited_text", "document_index", "document_title", "start_char_index", "end_char_index", "supported_text")


def encode_response(response: Response, *, usage: bool = True) -> str:
    """The response as JSON text; `usage=False` leaves out what it cost. Raises `TypeError` or `ValueError` where a part is no JSON.

    >>> encode_response(Response(choices=(Choice(text="4"),), model="m"))
    '{"format":1,"model":"m","choices":[{"text":"4"}]}'
    """
    plain: dict[str, Any] = {"format": FORMAT, "model": response.model, "choices": [_choice_dict(c) for c in response.choices]}
    if response.request_id is not None:
        plain["request_id"] = response.request_id
    if usage:
        counts = {name: value for name in _COUNTS if (value := getattr(response.usage, name))}
        if counts:
            plain["usage"] = counts
        if response.usage.raw is not None:
            plain["raw_usage"] = dict(response.usage.raw)
        if response.cost is not None:
            plain["cost"] = response.cost
        if response.attempts != 1:
            plain["attempts"] = response.attempts
    text = _to_json(plain)
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:  # a lone surrogate can only be kept escaped
        return _to_ascii(plain)
    return text


def _choice_dict(choice: Choice) -> dict[str, Any]:
    plain: dict[str, Any] = {"text": choice.text}
    if choice.finish_reason != "stop":
        plain["finish_reason"] = choice.finish_reason
    if choice.reasoning is not None:
        plain["reasoning"] = choice.reasoning
    if choice.tool_calls:
        plain["tool_calls"] = [[c.id, c.name, c.arguments, *([c.signed] if c.signed else ())] for c in choice.tool_calls]
    if choice.citations:
        plain["citations"] = [{name: getattr(c, name) for name in _CITED} for c in choice.citations]
    if choice.logprobs is not None:
        plain["logprobs"] = choice.logprobs
    return plain


def decode_response(text: str, *, cache_hit: bool = False) -> Response | None:
    """The response again, or `None` for text that is none of this format. A `cache_hit` has no usage and cost nothing.

    >>> decode_response('{"format":1,"model":"m","choices":[{"text":"4"}]}').text
    '4'
    """
    try:
        plain = _read(text)[0]
        if plain["format"] != FORMAT:
            return None
        choices = tuple([_choice_of(c) for c in plain["choices"]])
        if cache_hit:
            return Response(
                choices=choices, usage=_FREE, model=plain["model"], cost=0.0, cache_hit=True, request_id=plain.get("request_id")
            )
        return Response(
            choices=choices,
            usage=Usage(**plain.get("usage", {}), raw=plain.get("raw_usage")),
            model=plain["model"],
            cost=plain.get("cost"),
            request_id=plain.get("request_id"),
            attempts=plain.get("attempts", 1),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _choice_of(plain: dict[str, Any]) -> Choice:
    if len(plain) == 1:
        return Choice(text=plain["text"])
    finish: FinishReason = plain.get("finish_reason", "stop")
    return Choice(
        text=plain["text"],
        tool_calls=tuple(
            ToolCallPart(id=i, name=n, arguments=a, signed=s[0] if s else None) for i, n, a, *s in plain.get("tool_calls", ())
        ),
        reasoning=plain.get("reasoning"),
        citations=tuple(Citation(**c) for c in plain.get("citations", ())),
        logprobs=plain.get("logprobs"),
        finish_reason=finish,
    )
