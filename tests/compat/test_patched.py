"""What test-suites put in the place of methods, with `unittest.mock` or pytest's `monkeypatch`, is what runs."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

import whet as dspy
from whet.compat.dummies import DummyLM

TEXT = "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"
REPLY = SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content=TEXT), finish_reason="stop")], usage={}, model="m")
PATCHED = dspy.Prediction(answer="patched")


def asked(lm: Any = None) -> Any:
    with dspy.context(lm=lm):
        return dspy.Predict("question -> answer")(question="q").answer


def test_forward_of_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = DummyLM([{"answer": "own"}] * 4)
    monkeypatch.setattr(dspy.Predict, "forward", lambda self, **inputs: PATCHED)
    assert asked(lm) == "patched"
    with dspy.context(lm=lm):
        assert dspy.ChainOfThought("question -> answer")(question="q").answer == "patched"
    monkeypatch.undo()
    assert asked(lm) == "own" and len(lm.history) == 1


def test_forward_of_one_module_and_of_a_path() -> None:
    predict = dspy.Predict("question -> answer")
    with mock.patch.object(predict, "forward", return_value=PATCHED) as forward:
        assert predict(question="q").answer == "patched"
        forward.assert_called_once_with(question="q")
    for path in ("whet.Predict.forward", "whet.predict.predict.Predict.forward", "whet.predict.Predict.forward"):
        with mock.patch(path, return_value=PATCHED):
            assert asked() == "patched"
    with mock.patch.object(dspy.ReAct, "forward", return_value=PATCHED):
        assert dspy.ReAct("question -> answer", tools=[])(question="q").answer == "patched"


def test_aforward() -> None:
    async def aforward(self: Any, **inputs: Any) -> dspy.Prediction:
        return PATCHED

    with mock.patch.object(dspy.Predict, "aforward", aforward):
        assert asyncio.run(dspy.Predict("question -> answer").acall(question="q")).answer == "patched"


def test_forward_that_asks_the_one_it_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    own, seen = dspy.Predict.forward, []

    def forward(self: Any, **inputs: Any) -> Any:
        seen.append(inputs)
        return own(self, **inputs)

    monkeypatch.setattr(dspy.Predict, "forward", forward)
    assert asked(DummyLM([{"answer": "own"}])) == "own" and seen == [{"question": "q"}]


def test_methods_of_a_model() -> None:
    lm = dspy.LM("openai/some-model", api_key="none", cache=False)
    for target in (dspy.LM, lm):
        with mock.patch.object(target, "forward", return_value=REPLY):
            assert asked(lm) == "yes" and lm("hi") == [TEXT]
    for kind in (dspy.LM, dspy.BaseLM):
        with mock.patch.object(kind, "__call__", return_value=[TEXT]) as call:
            assert asked(lm) == "yes"
            assert [m["role"] for m in call.call_args.kwargs["messages"]] == ["system", "user"]
            assert dspy.ChatAdapter()(lm, {}, dspy.Signature("question -> answer"), [], {"question": "q"}) == [{"answer": "yes"}]
    with mock.patch.object(dspy.LM, "acall", mock.AsyncMock(return_value=[TEXT])), dspy.context(lm=lm):
        assert asyncio.run(dspy.Predict("question -> answer").acall(question="q")).answer == "yes"
    with mock.patch.object(dspy.LM, "forward", side_effect=RuntimeError("down")), pytest.raises(RuntimeError, match="down"):
        asked(lm)


def test_lists_among_the_settings() -> None:
    callback = dspy.BaseCallback()
    assert dspy.settings.callbacks == [] and dspy.settings.copy().stream_listeners == []
    dspy.settings.callbacks.append(callback)
    assert dspy.settings.callbacks == [callback] and [*dspy.settings.callbacks] == dspy.settings.callbacks + []
    dspy.settings.callbacks.remove(callback)
    assert dspy.settings.callbacks == []
    with pytest.raises(ValueError):
        dspy.settings.callbacks.remove(callback)


def test_what_a_signature_and_a_call_are_asked_for() -> None:
    assert isinstance(dspy.Signature("a -> b"), dspy.SignatureMeta)
    call = dspy.ToolCall.model_validate({"id": "1", "function": {"name": "add", "arguments": '{"x": 1}'}})
    assert call.model_dump() == {"name": "add", "args": {"x": 1}, "id": "1"} and dspy.ToolCall.model_validate(call.model_dump()) == call


def test_a_two_step_adapter_with_scripted_models() -> None:
    first, second = DummyLM([{"answer": "somewhere in here: 42"}]), DummyLM([{"answer": "42"}])
    with dspy.context(lm=first, adapter=dspy.TwoStepAdapter(second)):
        assert dspy.Predict("question -> answer")(question="q").answer == "42"


@pytest.mark.parametrize("make", [dspy.Predict, dspy.ChainOfThought])
def test_a_module_without_a_signature(make: Any) -> None:
    with pytest.raises(ValueError, match=r"no signature|signature"):
        make(None)
