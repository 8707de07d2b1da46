"""The engine of a model that somebody wrote as a subclass of `BaseLM`: its `complete`, or its `forward` in the older form."""

from __future__ import annotations

from typing import Any

from whet.core.exchange import Choice, Request, Response, Usage
from whet.core.flow import Flow, Invoke
from whet.core.messages import ToolCallPart
from whet.core.trace import message_dicts
from whet.errors import ConfigurationError, LMUnexpectedError

__all__ = ["OwnMethod", "forwarded_options", "response_of"]


class OwnMethod:
    """Calls the subclass's own method and reads what it returned."""

    def __init__(self, lm: Any) -> None:
        self.lm = lm

    def flow(self, request: Request) -> Flow[Response]:
        """One call of the method, sync or async."""
        lm = self.lm
        if hasattr(lm, "complete"):
            answer = yield Invoke(lm.complete, (request,), twin=getattr(lm, "acomplete", None))
        elif hasattr(lm, "forward") or hasattr(lm, "aforward"):
            arguments = {"prompt": None, "messages": message_dicts(request.messages), **forwarded_options(request)}
            answer = yield Invoke(getattr(lm, "forward", None) or lm.aforward, (), arguments, twin=getattr(lm, "aforward", None))
        else:
            raise ConfigurationError(f"`{type(lm).__name__}` must define `complete(request)` or `forward(prompt, messages, **kwargs)`.")
        return response_of(answer, lm.model)


def forwarded_options(request: Request) -> dict[str, Any]:
    """A request's parameters as keywords of the older `forward`."""
    options = dict(request.options)
    if request.n != 1:
        options["n"] = request.n
    if request.rollout_id is not None:
        options["rollout_id"] = request.rollout_id
    if request.response_schema is not None:
        options["response_format"] = _response_format(request.response_schema)
    if request.tools:
        options["tools"] = [
            {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": dict(t.parameters)}}
            for t in request.tools
        ]
        if request.tool_choice is not None:
            options["tool_choice"] = request.tool_choice
    return options


def _response_format(schema: Any) -> dict[str, Any]:
    if schema == "json":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema), "strict": True}}


def response_of(answer: Any, model: str) -> Response:
    """What a model's method returned, as a `Response`: a string, several, a `Response`, or an object in OpenAI's form."""
    if isinstance(answer, Response):
        return answer
    if isinstance(answer, str):
        return Response(choices=(Choice(text=answer),), model=model)
    if isinstance(answer, list | tuple) and all(isinstance(text, str) for text in answer):
        return Response(choices=tuple(Choice(text=text) for text in answer), model=model)
    choices = _get(answer, "choices")
    if choices is None:
        raise LMUnexpectedError(
            f"The model's method returned {type(answer).__name__}; return a string, a `whet.Response` or an OpenAI-style object."
        )
    return Response(choices=tuple(map(_choice_of, choices)), usage=_usage_of(_get(answer, "usage")), model=_get(answer, "model") or model)


def _get(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)


def _choice_of(choice: Any) -> Choice:
    message = _get(choice, "message")
    if message is None:  # the completions form
        return Choice(text=_get(choice, "text"), logprobs=_get(choice, "logprobs"), finish_reason=_get(choice, "finish_reason"))
    calls = _get(message, "tool_calls")
    return Choice(
        text=_get(message, "content"),
        tool_calls=tuple(map(_tool_call_of, calls)) if calls else (),
        reasoning=_get(message, "reasoning_content"),
        logprobs=_get(choice, "logprobs"),
        finish_reason=_get(choice, "finish_reason"),
    )


def _tool_call_of(call: Any) -> ToolCallPart:
    function = _get(call, "function")
    return ToolCallPart(id=_get(call, "id"), name=_get(function, "name"), arguments=_get(function, "arguments") or "{}")


def _usage_of(usage: Any) -> Usage:
    if not usage:
        return Usage()
    cached = _get(_get(usage, "prompt_tokens_details") or {}, "cached_tokens") or 0
    reasoning = _get(_get(usage, "completion_tokens_details") or {}, "reasoning_tokens") or 0
    return Usage(
        input_tokens=_get(usage, "prompt_tokens") or _get(usage, "input_tokens") or 0,
        output_tokens=_get(usage, "completion_tokens") or _get(usage, "output_tokens") or 0,
        cached_input_tokens=cached,
        reasoning_tokens=reasoning,
    )
