"""The long tail through LiteLLM, tried with a stand-in for the package: what it is given, what is made of its answers and errors."""

from __future__ import annotations

import asyncio
import os
import sys
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

import whet
from whet.errors import LMAuthError, LMConfigurationError, LMInvalidRequestError, LMRateLimitError, LMTransportError, LMUnexpectedError
from whet.lm.lm import LM


class Answer:
    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def model_dump(self, mode: str = "python") -> dict[str, Any]:
        return self.data


class RateLimited(Exception):
    status_code = 429


class APIConnectionError(Exception):
    pass


def whole(text: str) -> Answer:
    return Answer({"model": "m", "choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}})


def chunks(text: str) -> Iterator[Answer]:
    for word in text.split():
        yield Answer({"choices": [{"delta": {"content": word}}]})
    yield Answer({"choices": [{"delta": {}, "finish_reason": "stop"}]})


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = types.ModuleType("litellm")
    module.__spec__ = object()
    module.given = []
    module.answer = lambda given: chunks("one two") if given.get("stream") else whole("fine")

    def completion(**given: Any) -> Any:
        module.given.append(given)
        return module.answer(given)

    async def acompletion(**given: Any) -> Any:
        return completion(**given)

    module.completion, module.acompletion = completion, acompletion
    monkeypatch.setitem(sys.modules, "litellm", module)
    return module


def test_a_call_goes_through_it_with_the_whole_name(litellm: Any) -> None:
    access = {"aws_region_name": "eu-west-1", "aws_access_key_id": "AK", "api_key": "sk-canary"}
    lm = LM("litellm/watsonx/my-model", cache=False, temperature=0.2, **access)
    assert lm("Hi") == asyncio.run(lm.acall("Hi")) == ["fine"]
    given = litellm.given[0]
    assert (given["model"], given["temperature"], given["aws_region_name"]) == ("watsonx/my-model", 0.2, "eu-west-1")
    assert (given["aws_access_key_id"], given["api_key"]) == ("AK", "sk-canary")
    assert given["messages"] == [{"role": "user", "content": "Hi"}] and given["num_retries"] == 0
    assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
    LM("litellm/watsonx/some-model", cache=False)("Hi")
    assert litellm.given[-1]["model"] == "watsonx/some-model"


def test_streams(litellm: Any) -> None:
    lm = LM("litellm/watsonx/e", cache=False)
    assert [e.text for e in lm.stream("Hi") if e.kind == "text"] == ["one", "two"]


@pytest.mark.parametrize(("error", "kind"), [(RateLimited("slow down"), LMRateLimitError), (APIConnectionError("gone"), LMTransportError)])
def test_its_errors_become_ours(litellm: Any, error: Exception, kind: type[Exception]) -> None:
    def fail(given: Any) -> Any:
        raise error

    litellm.answer = fail
    with pytest.raises(kind) as caught:
        LM("litellm/watsonx/e", cache=False, num_retries=0)("Hi")
    assert caught.value.__cause__ is error


# -- a test's own functions in LiteLLM's place, for models that whet would ask itself ------------------------------------------------


class Own:
    """What a test puts there: its module is not LiteLLM's."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.given = answer, []  # type: ignore[var-annotated]

    def __call__(self, **given: Any) -> Any:
        self.given.append(given)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def untouched(litellm: Any) -> Any:
    for name in ("completion", "acompletion", "text_completion", "atext_completion", "responses", "aresponses"):
        stub = types.FunctionType((lambda **given: pytest.fail("LiteLLM itself was asked")).__code__, {"pytest": pytest})
        stub.__module__ = "litellm.main"
        setattr(litellm, name, stub)
    return litellm


def test_a_patched_completion_answers_for_every_model_while_it_is_there(untouched: Any) -> None:
    lm = LM("openai/gpt-4o-mini", api_key="k", api_base="http://127.0.0.1:9/v1", cache=False, num_retries=0)
    with pytest.raises(LMTransportError):
        lm("Hi")
    with mock.patch.object(untouched, "completion", Own(whole("patched"))) as own:
        assert lm("Hi") == ["patched"] and own.given[0]["model"] == "openai/gpt-4o-mini"
    with mock.patch.object(untouched, "acompletion", mock.AsyncMock(return_value=whole("there"))):
        assert asyncio.run(lm.acall("Hi")) == ["there"]
    with pytest.raises(LMTransportError):
        lm("Hi")


def test_the_older_completions_have_a_name_of_their_own(untouched: Any) -> None:
    with mock.patch.object(untouched, "text_completion", Own({"choices": [{"text": "old"}]})) as own:
        assert LM("openai/babbage", model_type="text", api_key="k", cache=False)("Hi") == ["old"]
    assert own.given[0]["model"] == "text-completion-openai/babbage" and own.given[0]["prompt"].startswith("Hi")


def test_a_patched_async_stream_is_read_in_both_worlds(untouched: Any) -> None:
    async def spoken(**given: Any) -> Any:
        yield Answer({"choices": [{"delta": {"content": "one"}}]})
        await asyncio.sleep(0)
        cited = {"provider_specific_fields": {"citation": {"cited_text": "x", "document_index": 0}}}
        yield Answer({"choices": [{"delta": {"content": "two", **cited}}]})

    lm = LM("openai/gpt-4o-mini", api_key="k", cache=False)

    async def heard() -> list[Any]:
        return [event async for event in lm.astream("Hi")]

    with mock.patch.object(untouched, "acompletion", mock.AsyncMock(side_effect=spoken)):
        for events in (list(lm.stream("Hi")), asyncio.run(heard())):
            assert [event.text for event in events if event.kind == "text"] == ["one", "two"]
            assert [event.citation.cited_text for event in events if event.kind == "citation"] == ["x"]
    with mock.patch.object(untouched, "acompletion", mock.AsyncMock(return_value=Whole("at once"))):
        assert [event.text for event in lm.stream("Hi") if event.kind == "text"] == ["at once"]


class Whole:
    """An answer as an object without `model_dump`."""

    def __init__(self, text: str) -> None:
        message = types.SimpleNamespace(content=text, provider_specific_fields={"citations": [[{"cited_text": "y", "document_index": 1}]]})
        self.choices = [types.SimpleNamespace(message=message, finish_reason="stop")]


def test_citations_are_found_where_litellm_puts_them(untouched: Any) -> None:
    with mock.patch.object(untouched, "completion", Own(Whole("fine"))):
        answer = LM("openai/gpt-4o-mini", api_key="k", cache=False)("Hi")[0]
    assert answer["citations"][0].cited_text == "y"


def test_what_a_model_can_do_may_be_patched_too(untouched: Any) -> None:
    lm = LM("openai/gpt-4o-mini")
    untouched.supports_reasoning = lambda **given: True
    untouched.get_supported_openai_params = lambda **given: ["tools"]
    assert lm.supports_reasoning and lm.supported_params == {"tools"} and not lm.supports_response_schema
    del untouched.supports_reasoning, untouched.get_supported_openai_params
    assert not lm.supports_reasoning and lm.supports_response_schema


def test_the_option_engine_of_dspy(untouched: Any) -> None:
    untouched.completion = Own(whole("through it"))
    untouched.completion.__module__ = "litellm.main"
    assert LM("openai/gpt-4o-mini", engine="litellm", api_key="k", cache=False)("Hi") == ["through it"]
    assert "engine" not in untouched.completion.given[0] and "engine" not in LM("openai/x", engine="auto").kwargs
    with pytest.raises(LMConfigurationError, match="subclass of `BaseLM`"):
        LM("openai/x", engine=object())


class BadRequestError(Exception):
    status_code = 400


class PermissionDeniedError(Exception):
    status_code = "403"


@pytest.mark.parametrize(("error", "kind"), [(PermissionDeniedError("no"), LMAuthError), (RuntimeError("odd"), LMUnexpectedError)])
def test_errors_without_a_usable_status(litellm: Any, error: Exception, kind: type[Exception]) -> None:
    litellm.completion = Own(error)
    with pytest.raises(kind):
        LM("litellm/watsonx/e", cache=False, num_retries=0)("Hi")


def test_embeddings_go_through_a_function_in_the_place_of_litellms(untouched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def embedding(**arguments: Any) -> Any:
        seen.append(arguments)
        rows = [{"embedding": [float(len(text)), 1.0], "index": place} for place, text in enumerate(arguments["input"])]
        return types.SimpleNamespace(data=rows[::-1], usage={"prompt_tokens": 3, "total_tokens": 3})

    async def aembedding(**arguments: Any) -> Any:
        return embedding(**arguments)

    monkeypatch.setattr(untouched, "embedding", embedding, raising=False)
    monkeypatch.setattr(untouched, "aembedding", aembedding, raising=False)
    embedder = whet.Embedder("openai/text-embedding-3-small", caching=False, dimensions=2, api_key="sk-x")
    with whet.track_usage() as tracker:
        assert embedder(["a", "bbb"]).tolist() == [[1.0, 1.0], [3.0, 1.0]]
        assert asyncio.run(embedder.acall("cc")).tolist() == [2.0, 1.0]
    assert [one["input"] for one in seen] == [["a", "bbb"], ["cc"]]
    assert seen[0]["model"] == "openai/text-embedding-3-small" and seen[0]["dimensions"] == 2 and seen[0]["api_key"] == "sk-x"
    assert tracker.get_total_tokens() == {"openai/text-embedding-3-small": {"prompt_tokens": 6, "total_tokens": 6}}


def test_embeddings_of_the_long_tail_go_through_litellm(untouched: Any) -> None:
    def embedding(**arguments: Any) -> Any:
        if arguments["input"] == ["bad"]:
            raise BadRequestError("not so")
        return types.SimpleNamespace(data=[types.SimpleNamespace(index=0, embedding=[1.0])], usage=None)

    embedding.__module__ = "litellm.main"
    untouched.embedding = embedding
    embedder = whet.Embedder("litellm/watsonx/e", caching=False, num_retries=0)
    assert embedder("fine").tolist() == [1.0]
    with pytest.raises(LMInvalidRequestError, match="not so"):
        embedder("bad")
