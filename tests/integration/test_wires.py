"""Every wire format against a real server of its kind: rich answers whole and streamed, faults, cancellation."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import whet
from core.http.scripted_server import Talk, serving as raw_serving
from whet.core.exchange import Choice, Request, Response, ToolSpec, Usage
from whet.core.flow import adrive, drive
from whet.core.messages import Message, ToolCallPart
from whet.errors import (
    LMAuthError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
)
from whet.testing import StubServer
from whet.testing.aws_formats import FORMATS

CHAT = ["openai", "responses", "anthropic", "gemini", "ollama", "bedrock", "sagemaker"]
ALL = [*CHAT, "text"]
WEATHER = ToolSpec(
    name="weather", description="The weather in a city.", parameters={"type": "object", "properties": {"city": {"type": "string"}}}
)
RICH = Response(
    choices=(
        Choice(
            text="I will look that up for you",
            reasoning="The user wants weather",
            tool_calls=(
                ToolCallPart(id="call_1", name="weather", arguments='{"city": "Oslo"}'),
                ToolCallPart(id="call_2", name="weather", arguments='{"city": "Rome"}'),
            ),
            finish_reason="tool_calls",
        ),
    ),
    usage=Usage(input_tokens=100, output_tokens=20, cached_input_tokens=40, reasoning_tokens=5),
)
PLAIN = Response(choices=(Choice(text="one two three four five six"),), usage=Usage(input_tokens=10, output_tokens=6))


def ask(lm: whet.LM, **more: Any) -> Response:
    return drive(lm.flow(Request(messages=(Message("system", "Be brief."), Message("user", "Weather?")), tools=(WEATHER,), **more)))


def assert_rich(answer: Response, format: str) -> None:
    choice = answer.choices[0]
    assert choice.text == RICH.choices[0].text
    assert choice.reasoning == RICH.choices[0].reasoning
    assert [(c.name, json.loads(c.arguments)) for c in choice.tool_calls] == [("weather", {"city": "Oslo"}), ("weather", {"city": "Rome"})]
    assert [c.id for c in choice.tool_calls] == ["call_1", "call_2"]
    assert choice.finish_reason == "tool_calls"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (100, 20)
    if format != "ollama":
        assert answer.usage.cached_input_tokens == 40
    if format in ("openai", "responses", "gemini", "sagemaker"):
        assert answer.usage.reasoning_tokens == 5


@pytest.mark.parametrize("format", CHAT)
def test_a_rich_answer_in_one_piece(format: str) -> None:
    with StubServer(format, RICH) as stub:
        assert_rich(ask(stub.lm()), format)


@pytest.mark.parametrize("format", CHAT)
def test_the_same_answer_streamed(format: str) -> None:
    with StubServer(format, RICH) as stub:
        stream = stub.lm().stream(messages=[{"role": "user", "content": "Weather?"}])
        events = list(stream)
    assert stream.response is not None
    assert_rich(stream.response, format)
    kinds = [e.kind for e in events]
    assert "".join(e.text for e in events if e.kind == "reasoning") == "The user wants weather"
    assert kinds.count("text") == 7
    arguments = {0: "", 1: ""}
    places = sorted({e.tool_index for e in events if e.kind == "tool_call"})
    for event in events:
        if event.kind == "tool_call":
            arguments[places.index(event.tool_index)] += event.text
    assert [json.loads(a)["city"] for a in arguments.values()] == ["Oslo", "Rome"]
    assert kinds[-1] == "done"
    assert [e.usage.total_tokens for e in events if e.usage] == [120]


@pytest.mark.parametrize("format", ALL)
def test_a_cut_answer_says_so(format: str, caplog: pytest.LogCaptureFixture) -> None:
    cut = Response(choices=(Choice(text="one two", finish_reason="length"),), usage=PLAIN.usage)
    with StubServer(format, cut) as stub:
        lm = stub.lm()
        stream = lm.stream("Count.")
        list(stream)
        for answer in (drive(lm.flow(Request(messages=(Message("user", "Count."),)))), stream.response):
            assert answer.choices[0].finish_reason == "length"
            assert answer.text == "one two"
    assert "truncated" in caplog.text


@pytest.mark.parametrize("format", ALL)
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, LMInvalidRequestError), (401, LMAuthError), (429, LMRateLimitError), (500, LMServerError), (503, LMServerError)],
)
def test_statuses_are_errors_of_their_own(format: str, status: int, kind: type[LMError]) -> None:
    with StubServer(format, faults=[f"{status}:0", f"{status}:0"]) as stub:
        with pytest.raises(kind) as whole:
            stub.lm()("Hi")
        with pytest.raises(kind) as streamed:
            list(stub.lm().stream("Hi"))
    for caught in (whole, streamed):
        assert caught.value.status == status
        assert f"the stub answers {status}" in str(caught.value)
        assert not caught.value.streamed


@pytest.mark.parametrize("format", ALL)
@pytest.mark.parametrize("fault", ["garbage", "html", "empty"])
def test_what_is_no_answer_is_one_typed_error(format: str, fault: str) -> None:
    with StubServer(format, PLAIN, faults=[fault, fault]) as stub:
        with pytest.raises((LMUnexpectedError, LMTransportError)):
            stub.lm()("Hi")
        with pytest.raises((LMUnexpectedError, LMTransportError)):
            list(stub.lm().stream("Hi"))


@pytest.mark.parametrize("format", ALL)
def test_a_dropped_stream_is_an_error_that_is_not_tried_again(format: str) -> None:
    with StubServer(format, PLAIN, faults=["drop"]) as stub:
        seen = []
        with pytest.raises(LMTransportError) as caught:
            for event in stub.lm(num_retries=3).stream("Hi"):
                seen.append(event.text)
        assert stub.count == 1
    assert "".join(seen).startswith("one two")
    assert caught.value.streamed


@pytest.mark.parametrize("format", ALL)
def test_before_the_first_token_it_is_tried_again(format: str) -> None:
    with StubServer(format, PLAIN, faults=["drop_early", "503:0"]) as stub:
        stream = stub.lm(num_retries=3).stream("Hi")
        assert "".join(e.text for e in stream) == "one two three four five six"
        assert stub.count == 3
    assert stream.response is not None and stream.response.attempts == 3


@pytest.mark.parametrize("format", ALL)
def test_a_last_piece_that_comes_twice_does_no_harm(format: str) -> None:
    with StubServer(format, PLAIN, faults=["duplicate"]) as stub:
        stream = stub.lm().stream("Hi")
        events = list(stream)
    assert stream.response is not None and stream.response.text == "one two three four five six"
    assert [e.kind for e in events].count("done") == 1


@pytest.mark.parametrize("format", ALL)
def test_tokens_come_as_they_are_sent(format: str) -> None:
    with StubServer(format, PLAIN, faults=["slow"] * 3) as stub:
        lm = stub.lm()

        def seconds_from_first_to_last() -> float:
            times = [time.monotonic() for event in lm.stream("Hi") if event.kind == "text"]
            assert len(times) == 6
            return times[-1] - times[0]

        # A reader that a busy machine held up finds all of them there; not three times.
        assert any(seconds_from_first_to_last() > 0.08 for _ in range(3))


@pytest.mark.parametrize("format", ALL)
def test_leaving_a_stream_closes_the_connection(format: str) -> None:
    long = Response(choices=(Choice(text="word " * 400),), usage=PLAIN.usage)
    with StubServer(format, long, faults=["slow"]) as stub:
        with stub.lm().stream("Hi") as stream:
            next(iter(stream))
        assert stub._under_way == 1
        wait_until(lambda: stub._under_way == 0)


@pytest.mark.parametrize("format", ALL)
def test_a_stream_that_is_let_go_closes_the_connection(format: str) -> None:
    """Without `close()`, and without waiting for the garbage collector."""
    long = Response(choices=(Choice(text="word " * 400),), usage=PLAIN.usage)

    async def leave(stub: StubServer) -> None:
        async for _ in stub.lm().stream("Hi"):
            break
        for _ in range(150):
            if stub._under_way == 0:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("the server is still writing")

    gc.disable()
    try:
        with StubServer(format, long, faults=["slow"] * 2) as stub:
            for _ in stub.lm().stream("Hi"):
                break
            wait_until(lambda: stub._under_way == 0)
            asyncio.run(leave(stub))
    finally:
        gc.enable()


def test_a_program_whose_stream_is_let_go_stops_at_the_next_piece() -> None:
    long = Response(choices=(Choice(text="[[ ## answer ## ]]\n" + "word " * 400),), usage=PLAIN.usage)
    gc.disable()
    try:
        with StubServer("openai", long, faults=["slow"]) as stub, whet.context(lm=stub.lm()):
            for _ in whet.Predict("question -> answer").stream(question="q"):
                break
            wait_until(lambda: stub._under_way == 0)
    finally:
        gc.enable()


@pytest.mark.parametrize("format", ALL)
def test_an_answer_that_comes_byte_by_byte_or_in_one_piece_is_the_same(format: str) -> None:
    text = "Hello wörld 🙂 " * 20
    raw = b"".join(FORMATS[format].pieces(Response(choices=(Choice(text=text),), usage=PLAIN.usage)))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % FORMATS[format].media.encode()

    def script(size: int) -> Callable[[Talk], None]:
        def talk(one: Talk) -> None:
            one.request()
            one.send(head + b"".join(b"%x\r\n%b\r\n" % (len(raw[i : i + size]), raw[i : i + size]) for i in range(0, len(raw), size)))
            one.send(b"0\r\n\r\n")

        return talk

    async def heard(lm: Any) -> list[Any]:
        return [event async for event in lm.stream("q")]

    for size in (1, 7, len(raw)):
        with StubServer(format) as named, raw_serving(script(size)) as server:
            lm = named.lm(api_base=f"http://127.0.0.1:{server.port}{FORMATS[format].base}")
            for events in (list(lm.stream("q")), asyncio.run(heard(lm))):
                assert "".join(event.text for event in events if event.kind == "text") == text
                assert [event.usage.output_tokens for event in events if event.kind == "usage"] == [PLAIN.usage.output_tokens]


def test_cancelling_a_task_closes_the_connection() -> None:
    long = Response(choices=(Choice(text="word " * 400),), usage=PLAIN.usage)

    async def main(stub: StubServer) -> None:
        async def listen() -> None:
            async for _ in stub.lm().stream("Hi"):
                pass

        task = asyncio.get_running_loop().create_task(listen())
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for _ in range(100):
            if stub._under_way == 0:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("the server is still writing")

    with StubServer("openai", long, faults=["slow"]) as stub:
        asyncio.run(main(stub))


def test_a_server_that_does_not_stream_is_read_all_the_same() -> None:
    from tests.integration.server import serving

    with serving("Hello there") as server:
        lm = whet.LM("openai/m", api_base=server.url, api_key="k", cache=False)
        stream = lm.stream("Hi")
        assert "".join(e.text for e in stream) == "Hello there"
        assert stream.response is not None and stream.response.usage.total_tokens == 15


def test_a_huge_body_is_read() -> None:
    with StubServer("openai", PLAIN, faults=["huge"]) as stub:
        assert len(stub.lm()("Hi")[0]) == 20_000_000


def test_a_storm_of_429_ends_in_answers() -> None:
    with StubServer("openai", PLAIN, faults=["429:0.05"] * 6) as stub:
        lm = stub.lm(num_retries=8)

        async def main() -> list[Response]:
            request = Request(messages=(Message("user", "Hi"),))
            return await asyncio.gather(*(adrive(lm.flow(request)) for _ in range(10)))

        answers = asyncio.run(main())
        assert [a.text for a in answers] == ["one two three four five six"] * 10


def test_a_storm_takes_hardly_longer_than_the_limit_allows() -> None:
    windows = 0

    def at_most(number: int, seconds: float) -> Iterator[str | None]:
        nonlocal windows
        start, count = 0.0, 0
        while True:
            now = time.monotonic()
            if now - start >= seconds:
                start, count, windows = now, 0, windows + 1
            count += 1
            yield None if count <= number else f"429:{seconds - (now - start):.3f}"

    async def main(lm: whet.LM) -> None:
        await asyncio.gather(*(lm.acall(f"{i}") for i in range(120)))

    with StubServer("openai", PLAIN, faults=at_most(20, 0.3)) as stub:
        asyncio.run(main(stub.lm(num_retries=10)))
        assert windows <= 10  # six are needed; a window begins with the first call after the last one
        assert stub.count < 300


def test_a_time_limit_reaches_the_socket() -> None:
    with StubServer("openai", PLAIN, delay=600) as stub:  # longer than this test may take
        with pytest.raises(LMTimeoutError):
            stub.lm(timeout=0.1)("Hi")
        with pytest.raises(LMTimeoutError), whet.budget(seconds=0.1):
            stub.lm()("Hi")
        with pytest.raises(LMTimeoutError):
            stub.lm()("Hi", timeout=0.1)
        assert stub.count == 3


def test_nothing_is_left_open_after_streams() -> None:
    with StubServer("openai", PLAIN) as stub:
        lm = stub.lm()
        for _ in range(20):
            list(lm.stream("Hi"))
        gc.collect()
        assert len({r.headers["host"] for r in stub.received}) == 1


def wait_until(condition: Any, seconds: float = 3.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
