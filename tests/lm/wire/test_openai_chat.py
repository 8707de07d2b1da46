"""OpenAI's chat format: every part of a request, every dialect of an answer, streams in any pieces, and a real server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from whet.core.exchange import Request, Response, StreamEvent, ToolSpec, Usage
from whet.core.flow import Flow, Send, drive
from whet.core.http import HttpRequest, HttpResponse
from whet.core.messages import MediaPart, Message, RawPart, TextPart, ToolCallPart
from whet.core.secret import Secret
from whet.errors import (
    ConfigurationError,
    LMAuthError,
    LMConfigurationError,
    LMError,
    LMRateLimitError,
    LMServerError,
    LMTransportError,
    LMUnexpectedError,
)
from whet.lm.facts import facts_of
from whet.lm.repeated import LONGEST_KEPT
from whet.lm.retry import Retrying
from whet.lm.wire import openai_chat
from whet.lm.wire.auth import auth_headers
from whet.lm.wire.openai_chat import OpenAIChat, usage_of

WIRE = OpenAIChat()
MINI = facts_of("openai/gpt-4o-mini")
HELLO = Request(messages=(Message("system", "Be brief."), Message("user", "Hello é \U0001f600")))


def sent(request: Request, model: str = "openai/gpt-4o-mini", stream: bool = False) -> dict[str, Any]:
    path, headers, body = WIRE.encode(request, facts_of(model), stream=stream)
    assert path == "/chat/completions"
    assert headers["content-type"] == "application/json"
    found: dict[str, Any] = json.loads(body)
    return found


def answer(message: Any, *, status: int = 200, **rest: Any) -> HttpResponse:
    choice = {"index": 0, "message": message, "finish_reason": rest.pop("finish_reason", "stop"), "logprobs": rest.pop("logprobs", None)}
    data = {"id": "chatcmpl-1", "model": "gpt-4o-mini-2024-07-18", "choices": [choice], **rest}
    return HttpResponse(status, {"content-type": "application/json"}, json.dumps(data).encode())


# -- requests ------------------------------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    assert sent(HELLO) == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello é \U0001f600"}],
    }
    quiet = Request(messages=HELLO.messages, options={"temperature": None, "max_tokens": None}, rollout_id=7, prompt_cache=True)
    assert sent(quiet) == sent(HELLO)


def test_options_go_as_they_are_and_the_limit_under_its_name() -> None:
    options = {"temperature": 0.0, "max_tokens": 50, "stop": ["x"], "seed": 3, "logprobs": True, "extra_body": {"top_k": 5}}
    body = sent(Request(messages=HELLO.messages, options=options, n=3))
    assert {k: body[k] for k in body if k not in ("model", "messages")} == {
        "temperature": 0.0,
        "max_tokens": 50,
        "stop": ["x"],
        "seed": 3,
        "logprobs": True,
        "top_k": 5,
        "n": 3,
    }
    for name in ("max_tokens", "max_completion_tokens"):
        body = sent(Request(messages=HELLO.messages, options={name: 20_000}), "openai/o3-mini")
        assert body["max_completion_tokens"] == 20_000
        assert "max_tokens" not in body


def test_tools_and_their_results() -> None:
    tool = ToolSpec(name="look", description="Looks.", parameters={"type": "object", "properties": {}})
    messages = (
        Message("user", "Look."),
        Message("assistant", "", tool_calls=(ToolCallPart(id="c1", name="look", arguments='{"a": 1}'),)),
        Message("tool", "A tree.", tool_call_id="c1", name="look"),
    )
    body = sent(Request(messages=messages, tools=(tool,), tool_choice="look"))
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "content": "A tree.", "tool_call_id": "c1", "name": "look"},
    ]
    assert body["tools"] == [
        {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}}
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    for choice in ("auto", "none", "required", {"type": "allowed_tools"}):
        assert sent(Request(messages=messages, tools=(tool,), tool_choice=choice))["tool_choice"] == choice


class Picture:
    """Counts how often it is asked for its bytes."""

    asked = 0

    def format(self) -> list[dict[str, Any]]:
        self.asked += 1
        return [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]


def test_media_are_encoded_here_and_once() -> None:
    picture = Picture()
    part = MediaPart(kind="image", source=picture, digest="d")
    content = (TextPart("See"), part, RawPart({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}))
    assert picture.asked == 0
    assert sent(Request(messages=(Message("user", content),)))["messages"][0]["content"] == [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
    ]
    assert picture.asked == 1


def test_schemas_are_strict_where_they_can_be() -> None:
    def format_of(schema: Any) -> Any:
        return sent(Request(messages=HELLO.messages, response_schema=schema))["response_format"]

    assert format_of("json") == {"type": "json_object"}
    closed = {"title": "My answer!", "type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}
    assert format_of(closed) == {"type": "json_schema", "json_schema": {"name": "My_answer_", "schema": closed, "strict": True}}
    for loose in ({**closed, "required": []}, {**closed, "additionalProperties": True}):
        assert format_of(loose)["json_schema"]["strict"] is False


def test_streams_ask_for_their_usage_where_it_is_understood() -> None:
    body = sent(HELLO, stream=True)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert "stream_options" not in sent(HELLO, "mistral/mistral-small-latest", stream=True)


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_any_text_makes_a_body_that_can_be_read(text: str) -> None:
    content = sent(Request(messages=(Message("user", text),)))["messages"][0]["content"]
    assert content == text.encode("utf-8", "replace").decode()


def test_messages_that_come_again_are_written_once_and_read_the_same() -> None:
    before = (
        Message("system", 'Say "no"\ud800'),
        Message("user", "a", name="Ann"),
        Message("assistant", "b\n"),
        Message("tool", "c", (), "7"),
    )
    written = [
        {"role": "system", "content": 'Say "no"?'},
        {"role": "user", "content": "a", "name": "Ann"},
        {"role": "assistant", "content": "b\n"},
        {"role": "tool", "content": "c", "tool_call_id": "7"},
    ]
    encoded = openai_chat._texts_of.kept.cache_info().misses
    for text in ("first", "second"):
        request = Request(messages=(*before, Message("user", text)), options={"seed": 1})
        assert sent(request) == {"model": "gpt-4o-mini", "seed": 1, "messages": [*written, {"role": "user", "content": text}]}
    assert openai_chat._texts_of.kept.cache_info().misses == encoded + len(before)


def test_long_messages_and_those_with_blocks_are_not_kept() -> None:
    long, blocks = Message("user", "a" * (LONGEST_KEPT + 1)), Message("user", (RawPart({"type": "text", "text": "b"}),))
    kept = openai_chat._texts_of.kept.cache_info()
    assert [m["content"] for m in sent(Request(messages=(long, blocks, HELLO.messages[1])))["messages"][:2]] == [
        long.content,
        [blocks.content[0].block],
    ]  # type: ignore[union-attr]
    assert openai_chat._texts_of.kept.cache_info() == kept


def test_messages_of_extra_body_win_over_the_request() -> None:
    other = [{"role": "user", "content": "other"}]
    assert sent(Request(messages=HELLO.messages, options={"extra_body": {"messages": other}}))["messages"] == other


def test_a_block_that_is_no_json_is_named() -> None:
    with pytest.raises(LMConfigurationError, match="`messages`"):
        sent(Request(messages=(Message("user", (RawPart({"type": "odd", "data": object()}),)),)))


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
def test_an_option_that_is_no_json_is_named(value: Any) -> None:
    with pytest.raises(LMConfigurationError, match="`seed`"):
        sent(Request(messages=HELLO.messages, options={"seed": value}))


# -- answers -------------------------------------------------------------------------------------------------------------------------------


def test_an_answer() -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 500,
        "total_tokens": 1500,
        "prompt_tokens_details": {"cached_tokens": 400},
        "completion_tokens_details": {"reasoning_tokens": 100},
    }
    http = answer({"role": "assistant", "content": "Hi"}, usage=usage, logprobs={"content": []})
    response = WIRE.decode(http, MINI)
    assert response.choices[0].text == "Hi"
    assert response.choices[0].logprobs == {"content": []}
    assert response.usage == Usage(input_tokens=1000, output_tokens=500, cached_input_tokens=400, reasoning_tokens=100, raw=usage)
    assert response.cost == pytest.approx((600 * 0.15 + 400 * 0.075 + 500 * 0.6) / 1e6)
    assert (response.model, response.request_id, response.cache_hit) == ("gpt-4o-mini-2024-07-18", "chatcmpl-1", False)
    assert WIRE.decode(http, facts_of("nobody/m")).cost is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": None, "refusal": "No."}, {"text": "No."}),
        ({"content": "x", "reasoning_content": "hm"}, {"text": "x", "reasoning": "hm"}),
        ({"content": "x", "reasoning": "hm"}, {"text": "x", "reasoning": "hm"}),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "x"}]},
            {"text": "x", "reasoning": "hm"},
        ),
        (
            {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]},
            {"text": None, "tool_calls": (ToolCallPart(id="1", name="f", arguments='{"a":1}'),)},
        ),
        (
            {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
            {"text": "", "tool_calls": (ToolCallPart(id=None, name="f", arguments='{"a":1}'),)},
        ),
    ],
)
def test_dialects_of_a_message(message: Any, expected: dict[str, Any]) -> None:
    choice = WIRE.decode(answer(message), MINI).choices[0]
    assert {name: getattr(choice, name) for name in expected} == expected


def test_citations() -> None:
    cited = {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 2, "title": "T", "url": "https://e.example"}}
    (citation,) = WIRE.decode(answer({"content": "So it is.", "annotations": [cited]}), MINI).choices[0].citations
    assert (citation.cited_text, citation.document_title) == ("So", "T")


@pytest.mark.parametrize(
    ("word", "reason"), [("stop", "stop"), ("length", "length"), ("function_call", "tool_calls"), (None, "stop"), ("eos", "stop")]
)
def test_reasons_to_finish(word: Any, reason: str) -> None:
    assert WIRE.decode(answer({"content": "x"}, finish_reason=word), MINI).choices[0].finish_reason == reason


def test_usage_in_dialects() -> None:
    assert usage_of(None) == Usage()
    assert usage_of({"prompt_tokens": None, "completion_tokens": None, "prompt_tokens_details": None}).total_tokens == 0
    assert usage_of({"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4}).cached_input_tokens == 4
    beside = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45, "completion_tokens_details": {"reasoning_tokens": 30}}
    assert usage_of(beside).output_tokens == 35


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>hello</html>", "hello.*api_base"),
        (b"", "no JSON"),
        (b"[1]", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"object": "list"}', "choices"),
    ],
)
def test_what_is_no_answer_says_what_came(body: bytes, words: str) -> None:
    with pytest.raises(LMUnexpectedError, match=words) as caught:
        WIRE.decode(HttpResponse(200, {"content-type": "text/html", "x-request-id": "r"}, body), MINI)
    assert (caught.value.model, caught.value.provider, caught.value.request_id) == ("openai/gpt-4o-mini", "openai", "r")


def test_an_error_under_status_200_is_an_error() -> None:
    body = b'{"error": {"message": "overloaded", "code": 503}}'
    with pytest.raises(LMServerError, match="overloaded"):
        WIRE.decode(HttpResponse(200, {}, body), MINI)


# -- streams -------------------------------------------------------------------------------------------------------------------------------


def event(**chunk: Any) -> bytes:
    return b"data: " + json.dumps({"id": "s1", "model": "m", **chunk}).encode() + b"\n\n"


def delta(finish: str | None = None, index: int = 0, **fields: Any) -> bytes:
    return event(choices=[{"index": index, "delta": fields, "finish_reason": finish}])


WHOLE = b"".join(
    [
        b": a comment\n\n",
        delta(role="assistant", content=""),
        delta(reasoning_content="hm"),
        delta(content="Hel"),
        delta(content="lo é"),
        delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
        delta(tool_calls=[{"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{}"}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}]),
        delta("tool_calls"),
        event(choices=[], usage={"prompt_tokens": 1000, "completion_tokens": 10}),
        b"data: [DONE]\n\n",
    ]
)


def read(pieces: list[bytes]) -> tuple[list[StreamEvent], Response]:
    stream = WIRE.stream(MINI)
    events = [event for piece in pieces for event in stream.feed(piece)]
    return events + stream.tail(), stream.finish()


def test_a_stream() -> None:
    events, response = read([WHOLE])
    assert [e.kind for e in events] == ["reasoning", "text", "text", "tool_call", "tool_call", "tool_call", "tool_call", "usage", "done"]
    assert "".join(e.text for e in events if e.kind == "text") == "Hello é"
    choice = response.choices[0]
    assert (choice.text, choice.reasoning, choice.finish_reason) == ("Hello é", "hm", "tool_calls")
    assert choice.tool_calls == (ToolCallPart(id="c1", name="f", arguments='{"a": 1}'), ToolCallPart(id="c2", name="g", arguments="{}"))
    assert (response.usage.input_tokens, response.usage.output_tokens) == (1000, 10)
    assert response.cost == pytest.approx((1000 * 0.15 + 10 * 0.6) / 1e6)


@settings(max_examples=60)
@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_a_stream_in_any_pieces_is_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WHOLE)]
    assert read([WHOLE[a:b] for a, b in zip(edges, edges[1:], strict=False)]) == read([WHOLE])


def test_samples_of_a_stream_stay_apart() -> None:
    pieces = [delta(content="a"), delta(content="b", index=1), delta("stop"), delta("length", index=1), b"data: [DONE]\n\n"]
    events, response = read(pieces)
    assert [(c.text, c.finish_reason) for c in response.choices] == [("a", "stop"), ("b", "length")]
    assert [(e.index, e.finish_reason) for e in events if e.kind == "done"] == [(0, "stop"), (1, "length")]


def test_servers_that_end_without_a_word() -> None:
    events, response = read([delta(content="a"), delta("stop").rstrip()])
    assert [e.kind for e in events] == ["text", "done"]
    assert response.text == "a"


def test_a_stream_that_breaks_off_is_an_error_and_says_whether_it_had_begun() -> None:
    stream = WIRE.stream(MINI)
    assert not stream.started
    stream.feed(delta(content="a"))
    assert stream.started
    with pytest.raises(LMTransportError, match="middle of the answer"):
        stream.finish()


def test_an_error_within_a_stream() -> None:
    stream = WIRE.stream(MINI)
    with pytest.raises(LMRateLimitError, match="slow"):
        stream.feed(event(error={"message": "slow down", "code": 429}))
    with pytest.raises(LMUnexpectedError, match="no JSON"):
        WIRE.stream(MINI).feed(b"data: {oops\n\n")


# -- keys ----------------------------------------------------------------------------------------------------------------------------------


def test_the_header_of_each_style() -> None:
    assert auth_headers("x-api-key", Secret("k")) == {"x-api-key": "k"}
    assert auth_headers("none", Secret("k")) == auth_headers("bearer", None) == auth_headers("bearer", Secret("")) == {}
    with pytest.raises(ConfigurationError) as caught:
        auth_headers("bearer", Secret("sk-canary\n"))
    assert "canary" not in str(caught.value)


# -- a server ------------------------------------------------------------------------------------------------------------------------------


class Server:
    """Answers with what stands in `replies`, the last one for ever, and keeps what it was sent."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, dict[str, str], bytes]] = []
        self.seen: list[tuple[str, dict[str, str], Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
                status, headers, reply = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                self.send_response(status)
                for name, value in {"content-length": str(len(reply)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.thread.join()
    made.http.server_close()


class Remote:
    """The smallest model over the wire."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def flow(self, request: Request) -> Flow[Response]:
        path, headers, body = WIRE.encode(request, MINI)
        key = auth_headers("bearer", Secret("sk-canary-123456"))
        http = yield Send(HttpRequest(url=self.server.url + path, headers={**headers, **key}, body=body))
        return WIRE.decode(http, MINI)


GOOD = answer({"content": "Hi"}).body


def test_a_real_exchange(server: Server) -> None:
    server.replies = [(200, {"x-request-id": "r9"}, GOOD)]
    response = drive(Remote(server).flow(HELLO))
    assert (response.text, response.request_id) == ("Hi", "r9")
    ((path, headers, body),) = server.seen
    assert (path, headers["authorization"]) == ("/v1/chat/completions", "Bearer sk-canary-123456")
    assert body == sent(HELLO)


def test_a_refusal_is_waited_out(server: Server) -> None:
    server.replies = [
        (429, {"retry-after": "0.05"}, b'{"error": {"message": "slow"}}'),
        (503, {"retry-after-ms": "10"}, b""),
        (200, {}, GOOD),
    ]
    response = drive(Retrying(Remote(server)).flow(HELLO))
    assert (response.text, response.attempts, len(server.seen)) == ("Hi", 3, 3)


def test_a_key_that_the_server_repeats_is_not_shown(server: Server) -> None:
    server.replies = [(401, {}, b'{"error": {"message": "Bad header Bearer sk-canary-123456", "code": "invalid_api_key"}}')]
    with pytest.raises(LMAuthError, match="Bad header") as caught:
        drive(Retrying(Remote(server)).flow(HELLO))
    error: LMError = caught.value
    assert "canary" not in f"{error!r} {error} {error.__dict__}"
    assert len(server.seen) == 1
