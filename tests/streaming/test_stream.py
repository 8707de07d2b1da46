"""Fields of programs as they come: every adapter, every cut, sync and async, nested, side by side, cached, stopped."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import whet
from whet.adapters.baml import BAMLAdapter
from whet.core.exchange import Request, StreamEvent, Usage
from whet.core.types.text import Reasoning
from whet.modules.streaming.event import Event
from whet.testing import ScriptedLM

ADAPTERS = [whet.ChatAdapter(), whet.JSONAdapter(), whet.XMLAdapter(), BAMLAdapter()]
SIGNATURE = whet.Signature({"q": whet.InputField(), "answer": whet.OutputField(), "tags": (list[str], whet.OutputField())})
VALUES = {"answer": 'To get to the "other" side!\n\nReally. [[ ## x', "tags": ["a, b", "c]", "<d>"]}


class Slices(whet.BaseLM):
    """Streams its answer in pieces of a size; counts those that somebody took."""

    def __init__(self, text: str, size: int, **more: Any) -> None:
        super().__init__("slices", cache=more.pop("cache", False), **more)
        self.text, self.size, self.taken = text, size or len(text), 0

    def stream_complete(self, request: Request) -> Iterator[Any]:
        for place in range(0, len(self.text), self.size):
            self.taken += 1
            yield self.text[place : place + self.size]
        yield StreamEvent(kind="usage", usage=Usage(input_tokens=7, output_tokens=3))


def collect(stream: Any, world: str) -> list[Event]:
    if world == "sync":
        return list(stream)

    async def go() -> list[Event]:
        return [event async for event in stream]

    return asyncio.run(go())


@pytest.mark.parametrize("world", ["sync", "async"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 0])
@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: type(a).__name__)
def test_the_fields_come_in_pieces(adapter: Any, size: int, world: str) -> None:
    lm = Slices(adapter.format_assistant_message_content(SIGNATURE, VALUES), size)
    program = whet.Predict(SIGNATURE, adapter=adapter)
    program.set_lm(lm)
    stream = program.stream(q="why?")
    events = collect(stream, world)
    assert "".join(e.text for e in events if e.kind == "field_delta" and e.field == "answer") == VALUES["answer"]
    assert {e.field: e.value for e in events if e.kind == "field_done"} == VALUES
    assert [e.value.input_tokens for e in events if e.kind == "usage"] == [7]
    assert events[-1].kind == "done"
    assert dict(events[-1].value) == VALUES == dict(stream.prediction)
    assert {e.path for e in events if e.field} == {"self"}
    if size == 1:
        assert sum(e.kind == "field_delta" for e in events) > 20


def test_partial_values_grow() -> None:
    adapter = whet.JSONAdapter()
    program = whet.Predict(SIGNATURE, adapter=adapter)
    lm = Slices(adapter.format_assistant_message_content(SIGNATURE, {"answer": "x", "tags": ["ab", "cd"]}), 1)
    with whet.context(lm=lm):
        partials = [e.partial for e in program.stream(q="x") if e.field == "tags" and e.kind == "field_delta"]
    assert ["a"] in partials
    assert ["ab"] in partials
    assert partials[-1] == ["ab", "cd"]


class Two(whet.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = whet.Predict("q -> a")
        self.second = whet.ChainOfThought("a -> b")

    def forward(self, q: str) -> Any:
        return self.second(a=self.first(q=q).a)


def answers(request: Request) -> Any:
    return {"a": "one"} if "[[ ## q ## ]]" in request.messages[-1].text else {"reasoning": "hm", "b": "two"}


@pytest.mark.parametrize("world", ["sync", "async"])
def test_nested_predictors_are_named(world: str) -> None:
    with whet.context(lm=ScriptedLM(answers)):
        events = collect(Two().stream(q="x"), world)
    done = [(e.path, e.field, e.value) for e in events if e.kind == "field_done"]
    assert done == [("first", "a", "one"), ("second.predict", "reasoning", "hm"), ("second.predict", "b", "two")]


@pytest.mark.parametrize("world", ["sync", "async"])
def test_side_by_side_calls_are_told_apart(world: str) -> None:
    class Many(whet.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ask = whet.Predict("q -> a")

        def forward(self, n: int) -> Any:
            found = self.ask.batch([whet.Example(q=str(i)).with_inputs("q") for i in range(n)], disable_progress_bar=True)
            return whet.Prediction(all=[p.a for p in found])

    with whet.context(lm=ScriptedLM(lambda r: {"a": f"answer {r.messages[-1].text.split()[5]}"})):
        events = collect(Many().stream(n=4), world)
    calls: dict[int, str] = {}
    for event in events:
        if event.kind == "field_delta":
            calls[event.call] = calls.get(event.call, "") + event.text
    assert len(calls) == 4
    assert sorted(calls.values()) == sorted(events[-1].value.all)


def test_a_cached_answer_streams_too() -> None:
    lm = Slices("[[ ## a ## ]]\nkept", 3, cache=True)
    program = whet.Predict("q -> a")
    with whet.context(lm=lm):
        first, again = list(program.stream(q="cached?")), list(program.stream(q="cached?"))
    assert lm.taken == 6
    for events in (first, again):
        assert "".join(e.text for e in events if e.kind == "field_delta") == "kept"


@pytest.mark.parametrize("world", ["sync", "async"])
def test_a_condition_stops_the_answer_and_saves_the_rest(world: str) -> None:
    lm = Slices("[[ ## a ## ]]\ndone\n\n[[ ## b ## ]]\n" + "word " * 2000, 5)
    with whet.context(lm=lm):
        stream = whet.Predict("q -> a, b").stream(q="x").until(lambda e: e.kind == "field_done" and e.field == "a")
        events = collect(stream, world)
    assert events[-1].kind == "done"
    assert dict(stream.prediction) == {"a": "done"}
    assert lm.taken < 2000


class Waits(Slices):
    """Goes on after its third piece only when somebody has left."""

    def __init__(self, field: str) -> None:
        super().__init__(f"[[ ## {field} ## ]]\n" + "word " * 2000, 20)
        self.reached, self.left, self.ended = threading.Event(), threading.Event(), threading.Event()

    def stream_complete(self, request: Request) -> Iterator[Any]:
        try:
            for piece in super().stream_complete(request):
                if self.taken == 4:
                    self.reached.set()
                    assert self.left.wait(20)
                yield piece
        finally:
            self.ended.set()


@pytest.mark.parametrize("closed", [True, False])
def test_leaving_the_loop_stops_the_program(closed: bool) -> None:
    lm = Waits("a")
    with whet.context(lm=lm):
        stream = whet.Predict("q -> a").stream(q="x")
        for event in stream:
            if event.kind == "field_delta":
                break
        if closed:
            stream.close()
        else:
            del stream
    lm.left.set()
    assert lm.ended.wait(20)
    assert lm.taken < 10


def test_a_condition_closes_the_generator_of_an_async_model_at_once() -> None:
    closed = []

    async def pieces() -> Any:
        try:
            for piece in ["[[ ## a ## ]]\n", *(["word "] * 50)]:
                yield piece
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    class Model(whet.BaseLM):
        def stream_complete(self, request: Request) -> Any:
            self.kept = pieces()  # so that nobody closes it but who was listening
            return self.kept

    async def main() -> list[bool]:
        stream = whet.Predict("q -> a", lm=Model("model", cache=False)).stream(q="x")
        assert len([event async for event in stream.until(lambda event: event.kind == "field_delta")]) == 2
        return list(closed)

    assert asyncio.run(main()) == [True]


def test_a_condition_stops_what_is_called_beside_it_too() -> None:
    slow = Waits("b")

    class Program(whet.Module):
        def __init__(self) -> None:
            self.fast = whet.Predict("q -> a", lm=Slices("[[ ## a ## ]]\n" + "word " * 20, 20))
            self.slow = whet.Predict("q -> b", lm=slow)

        def forward(self, q: str) -> Any:
            row = whet.Example(q=q).with_inputs("q")
            return whet.Parallel(num_threads=2, disable_progress_bar=True)([(self.slow, row), (self.fast, row)])

    assert list(Program().stream(q="x").until(lambda e: e.path == "fast" and slow.reached.wait(20)))[-1].kind == "done"
    slow.left.set()
    assert slow.ended.wait(20) and slow.taken < 10


@pytest.mark.parametrize("world", ["sync", "async"])
def test_a_program_that_is_called_in_its_own_way_streams(world: str) -> None:
    class Own(whet.Module):
        def __call__(self, q: str) -> Any:
            return whet.Prediction(a=q.upper())

    assert collect(Own().stream(q="x"), world)[-1].value.a == "X"


@pytest.mark.parametrize("world", ["sync", "async"])
def test_an_error_comes_out_of_the_stream(world: str) -> None:
    with whet.context(lm=ScriptedLM(["nonsense"])), pytest.raises(whet.AdapterParseError):
        collect(whet.Predict("q -> a: int").stream(q="x"), world)


def test_native_reasoning_streams() -> None:
    class Thinks(whet.BaseLM):
        def stream_complete(self, request: Request) -> Iterator[Any]:
            yield StreamEvent(kind="reasoning", text="two ")
            yield StreamEvent(kind="reasoning", text="and two")
            yield "[[ ## a ## ]]\n4"

    signature = whet.Signature({"q": whet.InputField(), "why": (Reasoning, whet.OutputField()), "a": whet.OutputField()})
    lm = Thinks("thinks", cache=False, capabilities=whet.Capabilities(reasoning=True))
    with whet.context(lm=lm):
        events = list(whet.Predict(signature).stream(q="x"))
    assert [e.text for e in events if e.field == "why" and e.kind == "field_delta"] == ["two ", "and two"]
    assert events[-1].value.why == "two and two"


def test_both_steps_of_the_two_step_adapter_but_only_the_second_streams() -> None:
    extraction = Slices("[[ ## a ## ]]\nfour\n\n[[ ## completed ## ]]", 2)
    program = whet.Predict("q -> a", adapter=whet.TwoStepAdapter(extraction))
    with whet.context(lm=ScriptedLM(["It is [[ ## a ## ]]\nfive, I think; four."])):
        events = list(program.stream(q="x"))
    assert "".join(e.text for e in events if e.kind == "field_delta") == "four"


def test_what_the_program_sends_is_on_the_stream() -> None:
    class Says(whet.Module):
        def forward(self, q: str) -> Any:
            whet.settings.send_stream.send({"half": q})
            return whet.Prediction(a=q)

        async def aforward(self, q: str) -> Any:
            await whet.settings.send_stream.send({"half": q})
            return whet.Prediction(a=q)

    for world in ("sync", "async"):
        events = collect(Says().stream(q="x"), world)
        assert [e.value for e in events if e.kind == "value"] == [{"half": "x"}]


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"], ids=["nothing", "head"])
def test_a_stream_that_is_left_lets_go_of_a_server_that_says_nothing(before: bytes) -> None:
    let_go = threading.Event()

    def serve(listener: socket.socket) -> None:
        line = listener.accept()[0]
        with line:
            line.settimeout(10)
            line.recv(65536)
            line.sendall(before)
            asked.set()
            while line.recv(65536):
                pass
            let_go.set()

    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        lm = whet.LM("openai/m", api_base=url, api_key="k", cache=False, num_retries=3, timeout=60)
        stream = whet.Predict("question -> answer", lm=lm).stream(question="2+2?")
        reading = threading.Thread(target=lambda: list(stream), daemon=True)
        reading.start()
        assert asked.wait(5)
        stream.stop()
        assert let_go.wait(5)
        reading.join(5)
    assert not reading.is_alive() and stream.prediction is not None
