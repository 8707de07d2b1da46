"""Answers of every format with one part of them replaced by something else: an answer or a typed error comes of each, nothing else."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest

from whet.core.context import context
from whet.core.exchange import Choice, Request, Response, Usage
from whet.core.flow import Send
from whet.core.http import HttpResponse
from whet.core.messages import Message, ToolCallPart
from whet.core.trace import plain_outputs, usage_dict
from whet.errors import LMError, LMUnexpectedError
from whet.lm.endpoint import Endpoint
from whet.lm.facts import facts_of
from whet.lm.site.access import access_of
from whet.lm.wire.event_stream import AwsEvents, frame
from whet.lm.wire.lines import Lines
from whet.testing.aws_formats import FORMATS

MODELS = {
    "openai": ("openai/gpt-4o-mini", "chat"),
    "text": ("openai/gpt-4o-mini", "text"),
    "responses": ("openai/gpt-4o-mini", "responses"),
    "anthropic": ("anthropic/claude-sonnet-4-5", "chat"),
    "gemini": ("gemini/gemini-2.5-pro", "chat"),
    "ollama": ("ollama_chat/llama3.2", "chat"),
    "sagemaker": ("sagemaker/my-endpoint", "chat"),
    "bedrock": ("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", "chat"),
}
CALL = ToolCallPart(id="call_1", name="weather", arguments='{"city": "Oslo"}')
RICH = Response(
    choices=(Choice(text="I look", reasoning="The user", tool_calls=(CALL,), finish_reason="tool_calls"),),
    usage=Usage(input_tokens=100, output_tokens=20, cached_input_tokens=40, reasoning_tokens=5),
)
OTHERS: list[Any] = [None, -5, float("nan"), 10**400, "x", [None], {"a": 1}]


def endpoint_of(format: str) -> Endpoint:
    name, model_type = MODELS[format]
    signed = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    keys = signed if format == "sagemaker" else {"api_key": "k"}
    return Endpoint(facts_of(name), access_of({"api_base": "http://127.0.0.1", **keys}), model_type)


def ask(endpoint: Endpoint, status: int, *body: bytes, stream: bool = False) -> Response:
    """One call whose exchange is answered by hand, with a body in these pieces."""
    with context(listener=(lambda event: None) if stream else None):
        flow = endpoint.flow(Request(messages=(Message("user", "Hi"),)))
        effect = flow.send(None)
        assert isinstance(effect, Send)
        try:
            if effect.request.sink is not None:
                try:
                    for piece in body:
                        effect.request.sink(piece)
                except Exception as error:  # noqa: BLE001 - as the connection does
                    flow.throw(error)
            flow.send(HttpResponse(status, {}, b"" if effect.request.sink is not None else b"".join(body)))
        except StopIteration as stop:
            assert isinstance(stop.value, Response)
            return stop.value
    raise AssertionError("it asks for more")


def variants(data: Any) -> Iterator[Any]:
    """The data with each of its parts replaced by each of the others."""
    for path in places(data):
        for other in OTHERS:
            changed = copy.deepcopy(data)
            place = changed
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = other
            yield changed


def places(data: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if here:
        yield here
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, inner in items:
        yield from places(inner, (*here, step))


def assert_usable(response: Response) -> None:
    assert (response.usage + Usage(input_tokens=1)).total_tokens >= 1
    assert response.cost is None or response.cost + 1.0 > 0
    assert all(isinstance(c.text, str | None) for c in response.choices)
    plain_outputs(response), usage_dict(response)


@pytest.mark.parametrize("format", FORMATS)
def test_an_answer_in_one_piece(format: str) -> None:
    endpoint = endpoint_of(format)
    for data in variants(FORMATS[format].whole(RICH)):
        try:
            assert_usable(ask(endpoint, 200, json.dumps(data).encode()))
        except LMError:
            continue


@pytest.mark.parametrize("format", FORMATS)
def test_an_error(format: str) -> None:
    endpoint = endpoint_of(format)
    for data in variants(FORMATS[format].error(400, "bad")):
        with pytest.raises(LMError):
            ask(endpoint, 400, json.dumps(data).encode())


@pytest.mark.parametrize("format", FORMATS)
def test_a_streamed_answer(format: str) -> None:
    endpoint = endpoint_of(format)
    pieces = list(FORMATS[format].pieces(RICH))
    for number, piece in enumerate(pieces):
        for changed in pieces_like(format, piece):
            try:
                assert_usable(ask(endpoint, 200, b"".join([*pieces[:number], changed, *pieces[number + 1 :]]), stream=True))
            except LMError:
                continue


def pieces_like(format: str, piece: bytes) -> Iterator[bytes]:
    if format == "sagemaker":
        [(_, inner)] = AwsEvents().feed(piece)
        yield from (frame("PayloadPart", changed) for changed in pieces_like("openai", inner))
        return
    if format == "bedrock":
        [(name, payload)] = AwsEvents().feed(piece)
        yield from (frame(name, json.dumps(data).encode()) for data in variants(json.loads(payload)))
        return
    start = piece.find(b"{")
    if start >= 0:
        yield from (
            piece[:start] + json.dumps(data).encode() + piece[len(piece.rstrip()) :] for data in variants(json.loads(piece[start:]))
        )


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_too_deep_is_one_typed_error(format: str) -> None:
    deep = b"[" * 100_000
    with pytest.raises(LMUnexpectedError):
        ask(endpoint_of(format), 200, deep)
    with pytest.raises(LMError):
        ask(endpoint_of(format), 500, deep)
    told = b"data: " + deep + b"\n\n"
    if format in ("bedrock", "sagemaker"):
        event = frame("contentBlockDelta", deep) if format == "bedrock" else frame("PayloadPart", told)
    else:
        event = deep + b"\n" if format == "ollama" else told
    with pytest.raises(LMUnexpectedError):
        ask(endpoint_of(format), 200, event, stream=True)


def test_a_stream_without_end_is_left_after_its_limit() -> None:
    word = b'data: {"choices": [{"index": 0, "delta": {"role": "' + b"x" * 8_000_000 + b'"}}]}\n\n'
    with pytest.raises(LMUnexpectedError, match="268,435,456"):
        ask(endpoint_of("openai"), 200, *[word] * 34, stream=True)


def test_an_event_whose_headers_are_broken_is_a_damaged_stream() -> None:
    good = frame("metadata", b"{}")
    prelude = struct.pack(">II", 16 + 4, 4)
    head = prelude + struct.pack(">I", crc32(prelude)) + b"\x09abc"
    with pytest.raises(LMError, match="damaged"):
        AwsEvents().feed(good + head + struct.pack(">I", crc32(head)))


def test_lines_come_whole_however_they_are_cut() -> None:
    body = b'{"a": 1}\n\n  {"b": 2}  \r\n{"c": 3}'
    for size in range(1, len(body)):
        lines = Lines()
        found = [line for at in range(0, len(body), size) for line in lines.feed(body[at : at + size])]
        assert [line for _, line in found + lines.finish()] == [b'{"a": 1}', b'{"b": 2}', b'{"c": 3}']
