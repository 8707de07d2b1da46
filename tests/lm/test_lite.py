"""The long tail through LiteLLM, tried with a stand-in for the package: what it is given, what is made of its answers and errors."""

from __future__ import annotations

import asyncio
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from whet.errors import LMRateLimitError, LMTransportError
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
