"""The engine of a model that somebody wrote as a subclass of `BaseLM`: its `complete`, or its `forward` in the older form."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import Any, Final

from whet.core.context import current
from whet.core.exchange import NO_USAGE, Choice, Citation, Request, Response, StreamEvent, Usage, make_choice, make_response, make_usage
from whet.core.flow import Flow, Invoke
from whet.core.messages import ToolCallPart
from whet.core.trace import message_dicts
from whet.errors import ConfigurationError, LMUnexpectedError
from whet.lm.replay import replay
from whet.lm.wire.draft import Draft

__all__ = ["OWN_METHODS", "OwnMethod", "asked_by_call", "citation_of", "forwarded_options", "own_method", "response_of"]

# What a subclass may define to answer on its own.
OWN_METHODS: Final = ("complete", "stream_complete", "forward", "aforward")
_END: Any = object()
_LM = "whet.lm.lm"


def own_method(lm: Any, *names: str) -> Any:
    """The first of these methods that somebody gave this model; what `LM` has under the name, for `super()`, is nobody's own."""
    for name in names:
        method = getattr(lm, name, None)
        if method is not None and getattr(method, "__module__", "") != _LM:
            return method
    return None


class OwnMethod:
    """Calls the subclass's own method and reads what it returned. Who listens is told piece by piece where there is `stream_complete`."""

    def __init__(self, lm: Any) -> None:
        self.lm = lm

    @property
    def is_older_form(self) -> bool:
        """Whether it is `forward` that answers: it may say something else each time, as such models do, so nothing of it is kept."""
        return own_method(self.lm, "complete", "stream_complete") is None

    def flow(self, request: Request) -> Flow[Response]:
        """One call of the method, sync or async."""
        listener = current().listener
        if hasattr(self.lm, "stream_complete") and (listener is not None or not hasattr(self.lm, "complete")):
            return self._piecewise(request, listener or _nobody)
        return self._whole(request) if listener is None else self._replayed(request, listener)

    def _replayed(self, request: Request, listener: Callable[[StreamEvent], None]) -> Flow[Response]:
        response = yield from self._whole(request)
        replay(response, listener)
        return response

    def _whole(self, request: Request) -> Flow[Response]:
        lm = self.lm
        if hasattr(lm, "complete"):
            answer = yield Invoke(lm.complete, (request,), twin=getattr(lm, "acomplete", None))
        elif (method := own_method(lm, "forward", "aforward")) is not None:
            arguments = {"prompt": None, "messages": message_dicts(request.messages), **forwarded_options(request)}
            answer = yield Invoke(method, (), arguments, twin=own_method(lm, "aforward"))
        else:
            raise ConfigurationError(f"`{type(lm).__name__}` must define `complete(request)` or `forward(prompt, messages, **kwargs)`.")
        return response_of(answer, lm.model)

    def _piecewise(self, request: Request, listener: Callable[[StreamEvent], None]) -> Flow[Response]:
        grown = _Grown(listener)
        pieces = self.lm.stream_complete(request)
        if hasattr(pieces, "__anext__"):
            yield Invoke(grown.take_all, (pieces,), inline=True)
        else:
            try:
                # One effect per piece, so that whoever pulls the stream gets each when it is there.
                while (piece := (yield Invoke(next, (pieces, _END)))) is not _END:
                    grown.take(piece)
            finally:
                _close(pieces)
        return grown.response(self.lm.model)


def _close(pieces: Any) -> None:
    """End a generator that was left early, so that it lets go of its connection; one that a thread is still inside of ends by itself."""
    if hasattr(pieces, "close") and not getattr(pieces, "gi_running", False):
        pieces.close()


def asked_by_call(self: Any, request: Request, *, cache: bool | str | None = None) -> Flow[Response]:
    """The flow of a model whose class overrides `__call__`: it is called as users call it, and its list is read as the answer."""
    arguments = {"messages": message_dicts(request.messages), **forwarded_options(request)}
    if cache is not None:
        arguments["cache"] = cache
    home = getattr(type(self).acall, "__module__", "")
    twin = self.acall if home.partition(".")[0] != "whet" or home == "whet.lm.borrowed" else None
    return response_of((yield Invoke(self, (), arguments, twin=twin)), self.model)


def _nobody(event: StreamEvent) -> None:
    """Nobody listens."""


class _Grown:
    """An answer put together from the pieces of `stream_complete`: strings or `StreamEvent`s."""

    def __init__(self, listener: Callable[[StreamEvent], None]) -> None:
        self.listener = listener
        self.draft = Draft()
        self.usage = NO_USAGE
        self.finish: Any = "stop"

    def take(self, piece: Any) -> None:
        if isinstance(piece, str):
            self.listener(self.draft.say(piece))
            return
        if not isinstance(piece, StreamEvent):
            raise LMUnexpectedError(f"`stream_complete` yielded {type(piece).__name__}; yield strings or `whet.StreamEvent`s.")
        if piece.kind == "text":
            self.draft.say(piece.text)
        elif piece.kind == "reasoning":
            self.draft.think(piece.text)
        elif piece.kind == "tool_call":
            self.draft.call(piece.tool_index, piece.text, piece.tool_name or "", piece.tool_id)
        elif piece.kind == "citation" and piece.citation is not None:
            self.draft.cite(piece.citation)
        elif piece.kind == "usage" and piece.usage is not None:
            self.usage = piece.usage
        elif piece.kind == "done":
            self.finish = piece.finish_reason
            return
        self.listener(piece)

    async def take_all(self, pieces: Any) -> None:
        try:
            async for piece in pieces:
                self.take(piece)
        finally:
            if hasattr(pieces, "aclose"):
                await pieces.aclose()

    def response(self, model: str) -> Response:
        self.draft.finish = self.finish
        self.listener(StreamEvent(kind="done", finish_reason=self.finish))
        return Response(choices=(self.draft.choice(),), usage=self.usage, model=model)


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
    """What a model's method returned, as a `Response`: a string, several, a `Response`, or an object in OpenAI's form.

    Among several, an answer with more than text in it is a dict: `text`, `reasoning_content`, `tool_calls`, `citations`, `logprobs`.
    """
    if isinstance(answer, Response):
        return answer
    if isinstance(answer, str):
        return make_response((make_choice(answer),), NO_USAGE, model)
    if isinstance(answer, list | tuple) and all(one is None or isinstance(one, str | Mapping) for one in answer):
        return Response(choices=tuple(map(_choice_of_output, answer)), model=model)
    part = _parts(answer)
    choices = part("choices", None)
    if choices is None:
        return _of_responses_form(answer, model)
    usage = _usage_of(part("usage", None))
    return make_response(tuple(map(_choice_of, choices)), usage, part("model", None) or model)


def _of_responses_form(answer: Any, model: str) -> Response:
    """An answer in the form of the Responses API: `output` instead of `choices`."""
    part = _parts(answer)
    if part("output", None) is None:
        raise LMUnexpectedError(
            f"The model's method returned {type(answer).__name__}; return a string, a `whet.Response` or an OpenAI-style object."
        )
    from whet.lm.facts import facts_of  # noqa: PLC0415 - few models answer in this form
    from whet.lm.wire.openai_responses import read_answer  # noqa: PLC0415 - few models answer in this form

    names = ("output", "usage", "status", "error", "incomplete_details", "model", "id")
    return read_answer({name: _plain(part(name, None)) for name in names}, facts_of(model or "own"))


def _plain(value: Any) -> Any:
    """Objects of providers' clients as dicts and lists."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if hasattr(value, "model_dump"):
        return value.model_dump()
    return _plain(vars(value)) if hasattr(value, "__dict__") else value


def _parts(thing: Any) -> Callable[[str, Any], Any]:
    """What finds a part of an answer by its name: of a dict, or of an object of a provider's own client."""
    return thing.get if isinstance(thing, dict) else partial(getattr, thing)


def _choice_of(choice: Any) -> Choice:
    part = _parts(choice)
    message, logprobs, finish_reason = part("message", None), part("logprobs", None), part("finish_reason", None)
    if message is None:  # the completions form
        return Choice(text=part("text", None), logprobs=logprobs, finish_reason=finish_reason)
    part = _parts(message)
    calls = part("tool_calls", None)
    called = tuple(map(_tool_call_of, calls)) if calls else ()
    more = _parts(part("provider_specific_fields", None) or {})  # where LiteLLM puts what is in no other API
    cited = tuple(map(citation_of, _flat(more("citations", None) or ())))
    return make_choice(part("content", None), called, part("reasoning_content", None), cited, logprobs, finish_reason)


def _choice_of_output(output: Any) -> Choice:
    if not isinstance(output, Mapping):
        return Choice(text=output)
    return Choice(
        text=output.get("text"),
        tool_calls=tuple(map(_tool_call_of, output.get("tool_calls") or ())),
        reasoning=output.get("reasoning_content"),
        citations=tuple(map(citation_of, output.get("citations") or ())),
        logprobs=output.get("logprobs"),
    )


def _flat(found: Any) -> list[Any]:
    """The citations of an answer, which LiteLLM gives block by block."""
    return [one for part in found for one in (part if isinstance(part, list) else [part])]


def citation_of(given: Any) -> Citation:
    """A citation from its parts in a dict, or an object of a provider's own client."""
    part = _parts(given)
    return Citation(**{f.name: found for f in fields(Citation) if (found := part(f.name, None)) is not None})


def _tool_call_of(call: Any) -> ToolCallPart:
    """A call in the chat form, with `function`, or in that of the Responses API, without."""
    part = _parts(call)
    function = part("function", None)
    named = part if function is None else _parts(function)
    arguments = named("arguments", None) or "{}"
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCallPart(id=part("call_id", None) or part("id", None), name=named("name", None), arguments=text)


def _usage_of(usage: Any) -> Usage:
    if not usage:
        return NO_USAGE
    part = _parts(usage)
    given, made = part("prompt_tokens_details", None), part("completion_tokens_details", None)
    read = part("prompt_tokens", None) or part("input_tokens", None) or 0
    written = part("completion_tokens", None) or part("output_tokens", None) or 0
    cached = _parts(given)("cached_tokens", None) or 0 if given else 0
    thought = _parts(made)("reasoning_tokens", None) or 0 if made else 0
    return make_usage(read, written, cached, 0, thought)
