"""Our own models keep the contract that `whet.testing.LMContract` asks of everybody's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import whet
from whet.core.exchange import StreamEvent
from whet.testing import LMContract, Received, ScriptedLM, StubServer

CANARY = "sk-canary-8f7e6d5c4b3a"


class Served(LMContract):
    """A provider's wire against the stub of its format."""

    format = "openai"
    secret = CANARY
    stub: StubServer

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        def answer(received: Received) -> str:
            asked_for_json = any(word in json.dumps(received.body) for word in ("json_schema", "responseJsonSchema", '"format": {"type"'))
            return '{"answer": "short"}' if asked_for_json else "Something short it is"

        with StubServer(self.format, answer) as self.stub:
            yield

    def make_lm(self, **options: Any) -> whet.LM:
        return self.stub.lm(api_key=CANARY, **options)


class TestOpenAIChat(Served):
    pass


class TestOpenAIText(Served):
    format = "text"


class TestOpenAIResponses(Served):
    format = "responses"


class TestAnthropic(Served):
    format = "anthropic"


class TestGemini(Served):
    format = "gemini"


class TestOllama(Served):
    format = "ollama"

    def test_a_schema_is_kept_where_it_says_so(self) -> None:
        self.stub._answer = '{"answer": "short"}'
        super().test_a_schema_is_kept_where_it_says_so()


class TestBedrock(Served):
    format = "bedrock"


class TestScripted(LMContract):
    def make_lm(self, **options: Any) -> ScriptedLM:
        return ScriptedLM(lambda request: "Something short", **options)


class TestEmbedded(LMContract):
    def make_lm(self, **options: Any) -> whet.LM:
        return whet.LM("embedded", **{**options, "cache": "on" if options.get("cache") else False})


class Echo(whet.BaseLM):
    """A model of fifteen lines."""

    def complete(self, request: whet.Request) -> str:
        return request.messages[-1].text.upper()


class Words(whet.BaseLM):
    """One that streams, and has no other method."""

    def stream_complete(self, request: whet.Request) -> Iterator[str]:
        yield from ("one", " two", " three")


class SlowWords(whet.BaseLM):
    """The same as an async generator, with reasoning."""

    async def stream_complete(self, request: whet.Request) -> Any:
        yield StreamEvent(kind="reasoning", text="hm")
        yield "one"
        yield " two"


class OlderForm(whet.BaseLM):
    """The older method, returning an OpenAI-style object."""

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        return {"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}, "model": "older"}


class TestEcho(LMContract):
    def make_lm(self, **options: Any) -> Echo:
        return Echo("echo", **options)


class TestWords(LMContract):
    def make_lm(self, **options: Any) -> Words:
        return Words("words", **options)


class TestSlowWords(LMContract):
    def make_lm(self, **options: Any) -> SlowWords:
        return SlowWords("slow", **options)


class TestOlderForm(LMContract):
    keeps_answers = False

    def make_lm(self, **options: Any) -> OlderForm:
        return OlderForm("older", **options)
