"""Models and adapters of programs written for DSPy: subclasses that override what they overrode there."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import whet as dspy
from whet.compat.dummies import DummyLM

ANSWER = "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"


class Called(dspy.BaseLM):
    def __call__(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> list[Any]:
        self.seen = messages
        return [ANSWER]


class CalledLM(dspy.LM):
    def __init__(self) -> None:
        super().__init__("my/model")

    def __call__(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> list[Any]:
        return [{"text": ANSWER, "reasoning_content": "thought"}]


class ForwardLM(dspy.LM):
    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        message = SimpleNamespace(content=ANSWER)
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=usage, model="m")


class Counting(DummyLM):
    """One that counts, and lets its parent answer."""

    count = 0

    def __call__(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> list[Any]:
        self.count += 1
        return super().__call__(prompt, messages, **kwargs)


@pytest.mark.parametrize("make", [lambda: Called("m"), CalledLM, lambda: ForwardLM("my/other")])
def test_models_with_methods_of_their_own(make: Any) -> None:
    lm, predict = make(), dspy.Predict("question -> answer")
    with dspy.context(lm=lm):
        assert predict(question="q").answer == "yes"
        assert asyncio.run(predict.acall(question="q")).answer == "yes"
    if isinstance(lm, Called):
        assert [m["role"] for m in lm.seen] == ["system", "user"]


def test_a_model_that_wraps_its_parent() -> None:
    lm = Counting([{"answer": "1"}, {"answer": "2"}])
    with dspy.context(lm=lm):
        assert dspy.Predict("question -> answer")(question="q").answer == "1"
        assert lm("plain prompt")[0].startswith("[[ ## answer ## ]]\n2")
    assert lm.count == 2
    assert len(lm.history) == 2


class Wrapping(dspy.ChatAdapter):
    def format(self, signature: Any, demos: Any, inputs: Any) -> Any:
        messages = super().format(signature, demos, inputs)
        return [*messages[:-1], {**messages[-1], "content": "Please. " + messages[-1]["content"]}]

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        return {name: value.upper() for name, value in super().parse(signature, completion).items()}


@pytest.mark.parametrize("watched", [False, True])
def test_an_adapter_that_wraps_its_parent(watched: bool) -> None:
    lm = DummyLM([{"answer": "yes"}])
    with dspy.context(lm=lm, adapter=Wrapping(), callbacks=[dspy.BaseCallback()] if watched else []):
        assert dspy.Predict("question -> answer")(question="q").answer == "YES"
    assert lm.requests[0].messages[-1].text.startswith("Please. ")
