"""The cache: what a request's key is made of, and `Cached`, a model around a model that asks each question once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from json import JSONEncoder
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final, Literal, Protocol, TypeAlias

from whet.core.context import current
from whet.core.exchange import Request, Response, Usage
from whet.core.flow import Flow, Wait
from whet.core.messages import MediaPart, Message, Part, TextPart
from whet.errors import ConfigurationError, LMProviderError, is_retryable_lm_error
from whet.lm.asking import merged_request
from whet.lm.budget import in_time
from whet.lm.codec import decode_response, encode_response
from whet.lm.repeated import Repeated
from whet.lm.replay import replay
from whet.lm.store import CacheStore

__all__ = ["CacheMode", "Cached", "explain_cache", "mode_of", "request_text", "sample_keys"]

CacheMode: TypeAlias = Literal["off", "read", "refresh", "on"]
MODES: Final = ("off", "read", "refresh", "on")
# Characters of an answer that stays at hand as it was read; longer ones are read anew, so that they take memory once.
SHORT: Final = 4096


class Model(Protocol):
    """What a wrapper stands around."""

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request."""


def mode_of(value: bool | str | None) -> CacheMode:
    """A cache mode from what people write: `True` is `on`, `False` and `None` are `off`. Raises `ConfigurationError` for another word.

    >>> mode_of(True), mode_of("refresh")
    ('on', 'refresh')
    """
    if value is True or value == "on":
        return "on"
    if value is False or value is None or value == "off":
        return "off"
    if value == "read":
        return "read"
    if value == "refresh":
        return "refresh"
    raise ConfigurationError(f"There is no cache mode {value!r}. Use one of {', '.join(MODES)}, or True or False.")


# -- the key ---------------------------------------------------------------------------------------------------------------------------


def _content_of(value: Any) -> Any:
    """Users' types among the options count by what they hold or describe."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    describe = getattr(value, "model_json_schema", None) if isinstance(value, type) else None
    if describe is not None:
        return describe()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")


_canonical = JSONEncoder(sort_keys=True, separators=(",", ":"), default=_content_of).encode


def request_text(request: Request, endpoint: str) -> str:
    """The canonical JSON that a key is the hash of: sorted, nothing in it that does not decide the answer, and no credential.

    `endpoint` says who answers: the model with its prefix, and where it lives. Media count by their digest. Raises `TypeError` or
    `ValueError` for a request that has no JSON form.

    >>> request_text(Request(messages=(Message("user", "Hi"),)), "openai/gpt-4o-mini")
    '{"endpoint":"openai/gpt-4o-mini","messages":[["user","Hi"]]}'
    """
    text = f'{{"endpoint":{quoted(endpoint)},"messages":[{",".join(_written(request.messages))}]'
    if request.options:
        options = [f"{quoted(name)}:{_option(value)}" for name, value in sorted(request.options.items()) if value is not None]
        if options:
            text += f',"options":{{{",".join(options)}}}'
    if request.response_schema is not None:
        text += f',"response_schema":{_canonical(request.response_schema)}'
    if request.rollout_id is not None:
        text += f',"rollout_id":{_canonical(request.rollout_id)}'
    if request.tools:
        if request.tool_choice is not None:
            text += f',"tool_choice":{_canonical(request.tool_choice)}'
        text += f',"tools":{_canonical([[t.name, t.description, t.parameters] for t in request.tools])}'
    return text + "}"


def _option(value: Any) -> str:
    # Most options are numbers and words, and making an encoder for each call would take longer than all the rest of the key.
    kind = type(value)
    if kind is int or (kind is float and value - value == 0):
        return repr(value)
    return quoted(value) if kind is str else _canonical(value)


def _message(message: Message) -> str:
    content = message.content
    if isinstance(content, str) and not message.tool_calls and message.tool_call_id is None and message.name is None:
        return f'["{message.role}",{quoted(content)}]'
    parts: Any = content if isinstance(content, str) else [_part(p) for p in content]
    calls = [[c.id, c.name, c.arguments, *([c.signed] if c.signed else ())] for c in message.tool_calls]
    return _canonical([message.role, parts, calls, message.tool_call_id, message.name])


_written = Repeated(_message)


def _part(part: Part) -> Any:
    if isinstance(part, TextPart):
        return part.text
    if isinstance(part, MediaPart):
        return {"digest": part.digest, "kind": part.kind}
    return {"block": part.block}


def sample_keys(request: Request, endpoint: str, text_of: Callable[[Request, str], str] = request_text) -> list[bytes] | None:
    """One 16-byte key per sample: the BLAKE2b hash of `request_text`, `#` and the sample's number. `None` where there is no JSON form."""
    try:
        base = blake2b(text_of(request, endpoint).encode(), digest_size=16)
    except (TypeError, ValueError, RecursionError):
        return None
    if request.n == 1:
        base.update(b"#0")
        return [base.digest()]
    keys = []
    for number in range(request.n):
        one = base.copy()
        one.update(b"#%d" % number)
        keys.append(one.digest())
    return keys


def explain_cache(request: Request | str, endpoint: Any = "") -> dict[str, Any]:
    """What the key of this request is made of: print it for two requests to see why they do, or do not, share an answer.

    `endpoint` is the model that would be asked, whose own parameters count then, or what it is known by (`lm.identity()`).

    >>> explain_cache(Request(messages=(Message("user", "Hi"),), n=2), "openai/gpt-4o-mini")["text"]
    '{"endpoint":"openai/gpt-4o-mini","messages":[["user","Hi"]]}'
    """
    if isinstance(request, str):
        request = Request(messages=(Message("user", request),))
    if not isinstance(request, Request):
        raise ConfigurationError(f"`explain_cache` takes a prompt or a `Request`, not {type(request).__name__}.")
    if not isinstance(endpoint, str) and not hasattr(endpoint, "identity"):
        raise ConfigurationError(f"`explain_cache` takes a model or its identity after the prompt, not {type(endpoint).__name__}.")
    if not isinstance(endpoint, str):
        request, endpoint = merged_request(request, endpoint.model, endpoint.kwargs), endpoint.identity()
    keys = sample_keys(request, endpoint)
    if keys is None:
        return {"text": None, "keys": [], "why": "The request holds something that has no JSON form, so its answer is never cached."}
    return {
        "text": request_text(request, endpoint),
        "keys": [key.hex() for key in keys],
        "hash": "BLAKE2b, 16 bytes, of text + '#' + sample",
    }


# -- the model around a model ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Follow(Wait):
    """Wait for the leader of a flight, but not on the thread that the leader itself would need to go on."""

    leader: int = 0

    def perform(self) -> Any:
        return None if self.leader == threading.get_ident() and not self.future.done() else self.future.result(self.seconds)


class _Flight(Future[Any]):
    """A call under way. Its result is the keys' texts, an error to share, or `None`: ask again yourself."""

    def __init__(self) -> None:
        super().__init__()
        self.leader = threading.get_ident()
        self.set_running_or_notify_cancel()  # so no follower that gives up can cancel it for the others


class Cached:
    """A model whose answers are kept: each sample of a request is one entry, and equal calls under way at the same time are one call.

    `endpoint` says who answers (see `request_text`; `text_of` may say otherwise what a key is made of). `mode` is `on`, `off`, `read`
    (never write) or `refresh` (never read), or a function that is asked at each call. A hit has `cache_hit`, an empty usage and cost 0;
    where only some of `n` samples are known, the others are asked for and the usage is theirs.

    Calls coalesce across threads, tasks and both drivers. When the first of them fails for good, all share its error; when it was
    cancelled or failed in passing, one of the others takes its place, and after a second failure each asks for itself.
    """

    __slots__ = ("endpoint", "inner", "mode", "store", "text_of")

    def __init__(
        self,
        inner: Model,
        store: CacheStore,
        endpoint: str,
        mode: CacheMode | Callable[[], CacheMode] = "on",
        text_of: Callable[[Request, str], str] | None = None,
    ) -> None:
        self.inner, self.store, self.endpoint, self.mode = inner, store, endpoint, mode
        self.text_of = text_of or request_text

    def flow(self, request: Request) -> Flow[Response]:
        """Answer from the cache where it can."""
        store, mode = self.store, self.mode if isinstance(self.mode, str) else self.mode()
        keys = None if mode == "off" or not store.enabled else sample_keys(request, self.endpoint, self.text_of)
        if keys is None:
            return (yield from self.inner.flow(request))
        known = {} if mode == "refresh" else _look_up(store, keys)
        if len(known) == len(keys):
            return _told(known[0] if len(keys) == 1 else _joined(known, None))
        missing, missing_keys = _unknown(keys, known)
        wanted = request if len(missing) == request.n else replace(request, n=len(missing))
        if mode == "refresh":
            fresh = yield from self._ask(request, missing_keys, store)
        else:
            fresh = yield from self._ask_once(wanted, missing_keys, store, write=mode == "on")
        return fresh if not known else _joined(known, fresh, missing)

    def _ask(self, request: Request, keys: list[bytes], store: CacheStore | None) -> Flow[Response]:
        response: Response = yield from self.inner.flow(request)
        if store is not None:
            for key, text in zip(keys, _texts_of(response), strict=False):
                store.put(key, text)
        return response

    def _ask_once(self, request: Request, keys: list[bytes], store: CacheStore, write: bool) -> Flow[Response]:
        name = (write, *keys)
        asking = self._ask(request, keys, store if write else None)
        for _ in range(2):
            with store.flights_lock:
                flight = store.flights.get(name)
                if flight is None:
                    mine = store.flights[name] = _Flight()
            if flight is None:
                return (yield from _lead(store, name, mine, asking))
            outcome = yield from in_time(_Follow(flight, leader=flight.leader))  # type: ignore[attr-defined]
            if isinstance(outcome, Response):
                return _told(replace(outcome, usage=Usage(), cost=0.0, cache_hit=True))
            if outcome is not None:
                raise outcome
        return (yield from asking)


def _told(response: Response) -> Response:
    """The response; whoever listens to tokens here is told of it as if it came just now."""
    if (listener := current().listener) is not None:
        replay(response, listener)
    return response


def _unknown(keys: list[bytes], known: Mapping[int, Response]) -> tuple[list[int], list[bytes]]:
    """The numbers and the keys of the samples that are yet to be asked for."""
    missing = [number for number in range(len(keys)) if number not in known]
    return missing, [keys[number] for number in missing]


def _look_up(store: CacheStore, keys: list[bytes]) -> dict[int, Response]:
    found = {}
    for number, key in enumerate(keys):
        text = store.get(key)
        if text is not None:
            response = _kept_answer(text) if len(text) <= SHORT else decode_response(text, cache_hit=True)
            if response is not None:
                found[number] = response
            else:
                store.delete(key)
    return found


@lru_cache(maxsize=1024)
def _answer_in(text: str) -> Response | None:
    return decode_response(text, cache_hit=True)


def _kept_answer(text: str) -> Response | None:
    """Read once for those who ask the same again: a response cannot be changed, unless it holds logprobs in a provider's form."""
    return decode_response(text, cache_hit=True) if '"logprobs"' in text else _answer_in(text)


def _lead(store: CacheStore, name: Any, flight: _Flight, asking: Flow[Response]) -> Flow[Response]:
    outcome: Any = None
    try:
        outcome = response = yield from asking
        return response
    except LMProviderError as error:
        if not is_retryable_lm_error(error):
            outcome = _free_copy(error)
        raise
    finally:
        with store.flights_lock:
            if store.flights.get(name) is flight:
                del store.flights[name]
        flight.set_result(outcome)


def _free_copy(error: LMProviderError) -> LMProviderError:
    """The same error for those who only waited: it cost them nothing, and has no traceback of another thread's."""
    shared = copy(error)
    shared.usage, shared.cost, shared.attempts = None, 0.0, 0
    return shared.with_traceback(None)


def _texts_of(response: Response) -> list[str]:
    """One text per sample; none at all for an answer that no JSON can hold, or that was cut off or blocked by an error."""
    try:
        return [
            encode_response(replace(response, choices=(choice,)) if len(response.choices) > 1 else response, usage=False)
            for choice in response.choices
            if choice.finish_reason != "error"
        ]
    except (TypeError, ValueError):
        return []


def _joined(known: Mapping[int, Response], fresh: Response | None, missing: list[int] | None = None) -> Response:
    """Samples from both sources in their order; the cost is that of the fresh ones."""
    choices = {number: response.choices[0] for number, response in known.items()}
    if fresh is None:
        return replace(known[0], choices=tuple(choices[number] for number in sorted(choices)))
    choices.update(zip(missing or (), fresh.choices, strict=False))
    return replace(fresh, choices=tuple(choices[number] for number in sorted(choices)))
