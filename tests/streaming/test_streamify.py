"""The streaming names that programs written for DSPy know."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

import pytest

import whet
from whet.core.events import observing
from whet.core.exchange import Capabilities, Citation, Request, StreamEvent
from whet.core.types.document import Citations
from whet.streaming import (
    StatusMessage,
    StatusMessageProvider,
    StreamListener,
    StreamResponse,
    apply_sync_streaming,
    streamify,
    streaming_response,
)
from whet.testing import ScriptedLM


class Pieces(whet.BaseLM):
    """Streams these pieces."""

    def __init__(self, *pieces: Any) -> None:
        super().__init__("pieces", cache=False)
        self.pieces = pieces

    def stream_complete(self, request: Request) -> Iterator[Any]:
        yield from self.pieces


CHAT = ("[[ ## ", "reasoning ##", " ]]\nso", " it", " is\n\n[[", " ## answer ## ]]\nTo", " get", " there\n", "\n[[ ## comp", "leted ## ]]")


def drained(stream: Any) -> list[Any]:
    async def go() -> list[Any]:
        return [item async for item in stream]

    return asyncio.run(go())


def test_a_listener_hears_its_field_only() -> None:
    program = whet.ChainOfThought("question -> answer")
    stream = streamify(program, stream_listeners=[StreamListener("answer")])
    with whet.context(lm=Pieces(*CHAT)):
        found = drained(stream(question="why?"))
    assert [type(item) for item in found] == [StreamResponse] * 4 + [whet.Prediction]
    assert [item.chunk for item in found[:-1]] == ["To", " get", " there", ""]
    assert [item.is_last_chunk for item in found[:-1]] == [False, False, False, True]
    assert {(item.predict_name, item.signature_field_name) for item in found[:-1]} == {("predict", "answer")}


def test_without_listeners_the_raw_chunks_come() -> None:
    with whet.context(lm=Pieces(*CHAT)):
        found = list(streamify(whet.ChainOfThought("question -> answer"), async_streaming=False)(question="x"))
    assert "".join(item.choices[0].delta.content for item in found[:-1]) == "".join(CHAT)
    assert found[-1].answer == "To get there"


class Patient(Pieces):
    """Waits after its second piece until somebody has seen it."""

    seen = threading.Event()

    def stream_complete(self, request: Request) -> Iterator[Any]:
        for number, piece in enumerate(self.pieces):
            if number == 2:
                assert self.seen.wait(5), "the piece was held back"
            yield piece


def test_a_piece_is_handed_on_before_the_next_one_comes() -> None:
    stream = streamify(whet.Predict("question -> answer"), stream_listeners=[StreamListener("answer")], async_streaming=False)
    chunks = []
    with whet.context(lm=Patient("[[ ## answer ## ]]\n", *CHAT[6:])):
        for item in stream(question="x"):
            if isinstance(item, StreamResponse):
                chunks.append(item.chunk)
                Patient.seen.set()
    assert chunks == [" get", " there", ""]


def test_the_whole_answer_in_the_first_piece_is_no_stream_either() -> None:
    stream = streamify(whet.Predict("q -> a"), stream_listeners=[StreamListener("a")], async_streaming=False)
    for pieces in (
        ["[[ ## a ## ]]\nwhole"],
        ["[[ ## a ## ]]\nwhole\n\n[[ ## completed ## ]]"],
        ["[[ ## a ## ]]\n", "whole\n\n[[ ## completed ## ]]"],
    ):
        with whet.context(lm=Pieces(*pieces)):
            assert [type(item) for item in stream(q="x")] == [whet.Prediction]


def test_a_field_in_one_piece_is_no_stream_and_the_prediction_comes_all_the_same() -> None:
    stream = streamify(
        whet.Predict("q -> a"),
        stream_listeners=[StreamListener("a")],
        include_final_prediction_in_output_stream=False,
        async_streaming=False,
    )
    with whet.context(lm=ScriptedLM([{"a": "whole"}])):
        found = list(stream(q="x"))
    assert [item.a for item in found] == ["whole"]


def test_the_final_prediction_can_be_left_out() -> None:
    stream = streamify(
        whet.ChainOfThought("q -> answer"), stream_listeners=[StreamListener("answer")], include_final_prediction_in_output_stream=False
    )
    with whet.context(lm=Pieces(*CHAT)):
        assert [type(item) for item in drained(stream(q="x"))] == [StreamResponse] * 4


def test_a_listener_must_mean_one_predictor() -> None:
    class Two(whet.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = whet.Predict("q -> a"), whet.Predict("q -> a")

    with pytest.raises(ValueError, match="Several"):
        streamify(Two(), stream_listeners=[StreamListener("a")])
    with pytest.raises(ValueError, match="No predictor"):
        streamify(Two(), stream_listeners=[StreamListener("b")])
    program = Two()
    listener = StreamListener("a", predict=program.two)
    streamify(program, stream_listeners=[listener])
    assert listener.predict_name == "two"


def test_a_listener_serves_one_call_unless_it_may_be_used_again() -> None:
    class Twice(whet.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ask = whet.Predict("q -> answer")

        def forward(self, q: str) -> Any:
            self.ask(q=q)
            return self.ask(q=q)

    for reuse, count in ((False, 4), (True, 8)):
        stream = streamify(Twice(), stream_listeners=[StreamListener("answer", allow_reuse=reuse)], async_streaming=False)
        with whet.context(lm=Pieces(*CHAT)):
            assert sum(isinstance(item, StreamResponse) for item in stream(q="x")) == count


def test_an_adapter_that_reads_wholes_only_is_refused() -> None:
    own = whet.TemplateAdapter(write=lambda t: t["a"], read=lambda text: {"a": text}, system="{instructions}")
    stream = streamify(whet.Predict("q -> a", adapter=own), stream_listeners=[StreamListener("a")], async_streaming=False)
    with whet.context(lm=ScriptedLM(["x"])), pytest.raises(ValueError, match="^Unsupported adapter for streaming"):
        list(stream(q="x"))
    with whet.context(lm=ScriptedLM(["x"])):
        assert [e.text for e in whet.Predict("q -> a", adapter=own).stream(q="x") if e.kind == "field_delta"] == ["x"]


class Named:
    """As a tool is."""

    name = "search"


class Uses(whet.Module):
    def forward(self, q: str) -> Any:
        with observing("tool", Named(), {"q": q}) as call:
            call.outputs = "found"
        return whet.Prediction(a=q)


@pytest.mark.parametrize("world", ["sync", "async"])
def test_tools_are_announced(world: str) -> None:
    stream = streamify(Uses(), async_streaming=world == "async")(q="x")
    found = drained(stream) if world == "async" else list(stream)
    assert [item.message for item in found[:-1] if isinstance(item, StatusMessage)] == [
        "Calling tool search...",
        "Tool calling finished! Querying the LLM with tool calling results...",
    ]
    events = list(Uses().stream(q="x"))
    assert [(e.kind, e.name, e.value) for e in events if e.kind.startswith("tool")] == [
        ("tool_start", "search", {"q": "x"}),
        ("tool_end", "search", "found"),
    ]


def test_a_provider_says_what_it_wants() -> None:
    class Mine(StatusMessageProvider):
        def tool_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str:
            return f"{instance.name} {inputs}"

        def tool_end_status_message(self, outputs: Any) -> None:
            return None

        def module_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str:
            return type(instance).__name__

    found = list(streamify(Uses(), status_message_provider=Mine(), async_streaming=False)(q="x"))
    assert [item.message for item in found if isinstance(item, StatusMessage)] == ["Uses", "search {'q': 'x'}"]
    assert whet.settings.callbacks == []


def test_streams_with_different_providers_do_not_mix() -> None:
    class Says(StatusMessageProvider):
        def __init__(self, word: str) -> None:
            self.word = word

        def module_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> str:
            return self.word

    async def one(word: str) -> list[Any]:
        return [item async for item in streamify(Uses(), status_message_provider=Says(word))(q=word)]

    async def both() -> list[list[Any]]:
        return await asyncio.gather(one("a"), one("b"))

    for word, found in zip("ab", asyncio.run(both()), strict=True):
        assert [item.message for item in found if isinstance(item, StatusMessage)][0] == word
        assert found[-1].a == word


def test_a_plain_generator_out_of_an_async_one() -> None:
    with whet.context(lm=Pieces(*CHAT)):
        found = list(apply_sync_streaming(streamify(whet.ChainOfThought("q -> answer"))(q="x")))
    assert found[-1].answer == "To get there"


class Quotes(whet.Signature):
    """Answer with sources."""

    q: str = whet.InputField()
    a: str = whet.OutputField()
    sources: Citations = whet.OutputField()


def test_a_citation_is_heard_once_and_as_it_comes() -> None:
    cited = StreamEvent(kind="citation", citation=Citation(cited_text="is blue", document_index=0))
    lm = Pieces("[[ ## a ## ]]\nIt", " is", cited, " so.\n[[ ## completed ## ]]")
    lm._capabilities = Capabilities(citations=True)
    with whet.context(lm=lm):
        found = drained(streamify(whet.Predict(Quotes), stream_listeners=[StreamListener("a"), StreamListener("sources")])(q="x"))
    heard = [item for item in found if isinstance(item, StreamResponse)]
    assert [item.chunk for item in heard if item.signature_field_name == "a"] == ["It", " is", " so."]
    sources = [item.chunk for item in heard if item.signature_field_name == "sources"]
    assert [chunk[0].cited_text for chunk in sources] == ["is blue"] and found[-1].sources[0].cited_text == "is blue"
    assert heard.index(next(item for item in heard if item.signature_field_name == "sources")) < len(heard) - 1


def test_chunks_are_litellms_where_a_test_gives_litellms(monkeypatch: pytest.MonkeyPatch) -> None:
    class Chunk(dict[str, Any]):
        def __init__(self, **parts: Any) -> None:
            super().__init__(parts)

    fake: Any = types.ModuleType("litellm")
    fake.ModelResponseStream, fake.acompletion = Chunk, lambda **given: None
    monkeypatch.setitem(sys.modules, "litellm", fake)
    with whet.context(lm=Pieces("[[ ## a ## ]]\n", "fine")):
        found = drained(streamify(whet.Predict("q -> a"))(q="x"))
    assert [chunk["choices"][0]["delta"]["content"] for chunk in found[:-1]] == ["[[ ## a ## ]]\n", "fine"]


def test_server_sent_events() -> None:
    async def stream() -> Any:
        yield StatusMessage("hi")
        yield "data: as it is\n\n"
        yield StreamResponse("p", "a", "x", True)
        yield whet.Prediction(a="é", n=[1])

    lines = drained(streaming_response(stream()))
    assert json.loads(lines[0][6:]) == {"chunk": {"message": "hi"}}
    assert lines[1] == "data: as it is\n\n"
    assert json.loads(lines[3][6:]) == {"prediction": {"a": "é", "n": [1]}}
    assert lines[-1] == "data: [DONE]\n\n"

    async def bad() -> Any:
        yield 5

    with pytest.raises(ValueError, match="5"):
        drained(streaming_response(bad()))
