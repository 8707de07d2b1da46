"""Plain arguments (a prompt, message dicts, keywords) as a `Request`, and a model's defaults merged into one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from whet.core.exchange import Request, ToolSpec, make_request
from whet.core.messages import Content, Message, RawPart, TextPart, ToolCallPart
from whet.errors import ConfigurationError

__all__ = ["merged_request", "messages_of", "request_of"]

# Parameters that have a place of their own in a `Request`.
_PLACED = frozenset({"n", "rollout_id", "tools", "tool_choice", "response_format", "prompt_cache"})
_USUAL = {"n": 1, "prompt_cache": False}
_NOTHING = object()


def request_of(prompt: str | None, messages: Sequence[Mapping[str, Any]] | None, kwargs: Mapping[str, Any]) -> Request:
    """The request for a prompt or for messages in OpenAI's form, with these parameters."""
    if (prompt is None) == (messages is None):
        raise ConfigurationError("Call a model with a prompt or with `messages=[...]`, one of the two.")
    if prompt is not None and not isinstance(prompt, str):
        raise ConfigurationError(f"A prompt is a text; got {type(prompt).__name__}: {prompt!r:.80}. Messages go into `messages=[...]`.")
    turns = (Message("user", prompt),) if prompt is not None else messages_of(messages or ())
    request = with_parameters(Request(messages=turns), kwargs)
    # What the call switches off, also where the model has it as a default.
    off = {name: None for name, value in kwargs.items() if value is None or _USUAL.get(name, _NOTHING) == value}
    return replace(request, options={**off, **request.options}) if off else request


def with_parameters(request: Request, parameters: Mapping[str, Any]) -> Request:
    """The request with more parameters; those in force already win. `None` stands for absent."""
    given = {k: v for k, v in parameters.items() if v is not None}
    options = {**{k: v for k, v in given.items() if k not in _PLACED}, **request.options}
    placed: dict[str, Any] = {}
    if given.get("n", 1) != 1 and request.n == 1:
        placed["n"] = _checked_n(given["n"])
    if "rollout_id" in given and request.rollout_id is None:
        placed["rollout_id"] = given["rollout_id"]
    if "tools" in given and not request.tools:
        tools = given["tools"]
        if isinstance(tools, str | Mapping) or not isinstance(tools, Iterable):
            raise ConfigurationError(f"`tools` is a list of tools; got {type(tools).__name__}: {tools!r:.80}")
        tools = list(tools)
        placed["tools"] = tuple(_tool_of(tool) for tool in tools if not _is_hosted(tool))
        if hosted := [tool for tool in tools if _is_hosted(tool)]:
            options["hosted_tools"] = hosted
    if "tool_choice" in given and request.tool_choice is None:
        placed["tool_choice"] = given["tool_choice"]
    if "response_format" in given and request.response_schema is None:
        placed["response_schema"] = _schema_of(given["response_format"])
    if given.get("prompt_cache"):
        placed["prompt_cache"] = True
    return replace(request, options=options, **placed)


def merged_request(request: Request, model: str, defaults: Mapping[str, Any]) -> Request:
    """The request as it is sent: with the model's name, and its default parameters where the call gave none."""
    options = request.options
    if not _PLACED.isdisjoint(options) or not _PLACED.isdisjoint(defaults):
        return _put_in_place(request, model, defaults)
    merged = {**defaults, **options}
    if None in merged.values():
        merged = {k: v for k, v in merged.items() if v is not None}
    return make_request(
        request.messages,
        model,
        merged,
        request.tools,
        request.tool_choice,
        request.response_schema,
        request.n,
        request.rollout_id,
        request.prompt_cache,
    )


def _put_in_place(request: Request, model: str, defaults: Mapping[str, Any]) -> Request:
    """`merged_request` where a parameter has a place of its own."""
    placed = {k: v for k, v in request.options.items() if k in _PLACED}
    plain = {k: v for k, v in request.options.items() if k not in _PLACED}
    # What the call set wins, and what it set to None is switched off, also where the model has a default.
    off = placed.keys() | {k for k, v in plain.items() if v is None}
    request = with_parameters(replace(request, options={k: v for k, v in plain.items() if v is not None}), placed)
    request = with_parameters(request, {k: v for k, v in defaults.items() if k not in off})
    return replace(request, model=model)


def messages_of(dicts: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Messages from their OpenAI form.

    >>> messages_of([{"role": "user", "content": "Hello"}])[0].content
    'Hello'
    """
    if isinstance(dicts, str | Mapping) or not isinstance(dicts, Iterable):
        raise ConfigurationError(f"`messages` is a list of dicts with `role` and `content`; got {type(dicts).__name__}: {dicts!r:.80}")
    turns = tuple(d if isinstance(d, Message) else _message_of(d) for d in dicts)
    if not turns:
        raise ConfigurationError("`messages` is empty: there is nothing to answer. Give at least one message.")
    return turns


def _message_of(plain: Mapping[str, Any]) -> Message:
    if not isinstance(plain, Mapping) or not isinstance(plain.get("role"), str):
        raise ConfigurationError(
            f"A message is a dict with `role` ('system', 'user', 'assistant' or 'tool') and `content`; got {plain!r:.120}"
        )
    content = plain.get("content")
    if content is not None and not isinstance(content, str | list | tuple):
        raise ConfigurationError(f"The `content` of a message is a text or a list of blocks; got {type(content).__name__}: {content!r:.80}")
    calls = tuple(
        ToolCallPart(
            id=c.get("id"), name=c["function"]["name"], arguments=_arguments_text(c["function"].get("arguments")), signed=c.get("signed")
        )
        for c in plain.get("tool_calls") or ()
    )
    return Message(plain["role"], _content_of(content), calls, plain.get("tool_call_id"), plain.get("name"))


def _content_of(content: Any) -> Content:
    if content is None or isinstance(content, str):
        return content or ""
    blocks = [{"type": "text", "text": b} if isinstance(b, str) else b for b in content]
    return tuple(TextPart(b["text"]) if b.get("type") == "text" and set(b) == {"type", "text"} else RawPart(dict(b)) for b in blocks)


def _arguments_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments or {})


def _is_hosted(tool: Any) -> bool:
    """Whether the provider itself runs the tool, such as a web search; it is passed on as it is."""
    return isinstance(tool, Mapping) and "function" not in tool and tool.get("type", "function") != "function"


def _checked_n(n: Any) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ConfigurationError(f"`n` is the number of answers, an integer of at least 1; got {n!r}.")
    return n


def _tool_of(tool: Any) -> ToolSpec:
    if isinstance(tool, ToolSpec):
        return tool
    function = tool.get("function", tool) if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ConfigurationError(
            'A tool is a dict such as {"type": "function", "function": {"name": "look_up", "description": "...", "parameters": {...}}}; '
            f"got {tool!r:.120}"
        )
    return ToolSpec(name=function["name"], description=function.get("description") or "", parameters=function.get("parameters") or {})


def _schema_of(response_format: Any) -> Any:
    if isinstance(response_format, type) and hasattr(response_format, "model_json_schema"):
        return response_format.model_json_schema()
    if not isinstance(response_format, Mapping):
        raise ConfigurationError(f"`response_format` must be a dict or a pydantic model, not {response_format!r}.")
    if response_format.get("type") == "json_schema":
        return response_format["json_schema"]["schema"]
    return "json" if response_format.get("type") == "json_object" else None
