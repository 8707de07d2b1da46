"""`Predict`: inputs are checked first, one call is made, failures say what happened."""

from __future__ import annotations

import asyncio
import logging
import typing
from typing import Any

import pytest

import whet
from whet.errors import AdapterParseError, InputError
from whet.testing import ScriptedLM


def ask(predict: Any, lm: Any, **inputs: Any) -> Any:
    with whet.context(lm=lm):
        return predict(**inputs)


def test_one_call_and_typed_fields() -> None:
    lm = ScriptedLM([{"answer": 0.5}])
    prediction = ask(whet.Predict("question -> answer: float"), lm, question="?")
    assert prediction.answer == 0.5
    assert lm.calls == 1
    assert prediction.meta.raw.startswith("[[ ## answer ## ]]")


def test_sync_and_async_are_the_same() -> None:
    async def main(predict: Any) -> Any:
        return await predict.acall(question="?")

    for program in (whet.Predict("question -> answer"), whet.ChainOfThought("question -> answer")):
        results = []
        for run in (lambda p: p(question="?"), lambda p: asyncio.run(main(p))):
            lm = ScriptedLM([{"reasoning": "so", "answer": "yes"}])
            with whet.context(lm=lm):
                results.append((dict(run(program)), lm.requests[0]))
        assert results[0] == results[1]


def test_the_order_of_models_is_call_then_own_then_ambient() -> None:
    ambient, own, call = (ScriptedLM(lambda _, n=n: {"a": n}) for n in ("ambient", "own", "call"))
    predict = whet.Predict("q -> a")
    with whet.context(lm=ambient):
        assert predict(q="x").a == "ambient"
        predict.lm = own
        assert predict(q="x").a == "own"
        assert predict(q="x", lm=call).a == "call"


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({}, r"Missing: \['question'\]"),
        ({"qestion": "x"}, "Did you mean `question`"),
        ({"question": "x", "answer": "y"}, "`answer` is an output"),
        ({"question": "x", "other": "y"}, "not in signature"),
    ],
)
def test_wrong_inputs_are_errors_before_any_call(inputs: dict[str, str], says: str) -> None:
    lm = ScriptedLM([])
    with pytest.raises(InputError, match=says) as caught:
        ask(whet.Predict("question -> answer"), lm, **inputs)
    assert isinstance(caught.value, TypeError)
    assert lm.calls == 0


def test_positional_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="Positional arguments are not allowed when calling"):
        whet.Predict("question -> answer")("what?")


def test_defaults_are_used_and_constraints_hold() -> None:
    signature = whet.Signature({"n": (int, whet.InputField(ge=1)), "k": (int, whet.InputField(default=3)), "a": whet.OutputField()})
    assert "[[ ## k ## ]]\n3" in whet.Predict(signature).render(n=1)[-1]["content"]
    with pytest.raises(InputError, match="greater than or equal to"):
        ask(whet.Predict(signature), ScriptedLM([]), n=0)


def test_a_wrong_type_is_said_and_the_call_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="whet"):
        ask(whet.Predict("n: int -> a"), ScriptedLM([{"a": "x"}]), n="three")
    assert "Type mismatch for field 'n': expected int based on given Signature" in caplog.text


@pytest.mark.parametrize(
    ("lm", "says"), [(None, "No LM is loaded"), ("openai/gpt", "LM must be an instance of `whet.BaseLM`"), (3, "LM must be")]
)
def test_no_model_and_no_model_at_all(lm: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ask(whet.Predict("q -> a"), lm, q="x")


def test_what_is_rendered_is_what_is_sent() -> None:
    lm, predict = ScriptedLM([{"reasoning": "r", "a": "x"}]), whet.ChainOfThought("q -> a")
    predict.predict.demos = [whet.Example(q="1", reasoning="2", a="3")]
    shown = predict.render(q="now")
    ask(predict, lm, q="now")
    assert shown == whet.core.trace.message_dicts(lm.requests[0].messages)
    assert shown.request.messages == lm.requests[0].messages


def test_a_failure_costs_one_call_and_keeps_everything() -> None:
    lm = ScriptedLM(["nonsense"])
    with pytest.raises(AdapterParseError) as caught:
        ask(whet.Predict("q -> a"), lm, q="x")
    assert lm.calls == 1
    assert caught.value.lm_response == "nonsense"
    assert caught.value.usage.total_tokens > 0
    assert caught.value.field == "a"


def test_asking_again_shows_the_answer_and_the_reason() -> None:
    lm = ScriptedLM(["nonsense", {"n": 4}])
    prediction = ask(whet.Predict("q -> n: int", retries=1), lm, q="x")
    assert prediction.n == 4
    assert lm.calls == 2
    *_, wrong, reason = lm.requests[1].messages
    assert (wrong.role, wrong.text) == ("assistant", "nonsense")
    assert "missing" in reason.text
    with pytest.raises(AdapterParseError):
        ask(whet.Predict("q -> n: int", retries=1), ScriptedLM(["nonsense"] * 3), q="x")


@pytest.mark.parametrize("options", [{"retries": 2}, {"adapter": [whet.ChatAdapter(), whet.JSONAdapter()]}])
def test_an_answer_that_was_cut_off_is_not_asked_for_again(options: dict[str, Any]) -> None:
    """Under the same limit it would be cut off again."""
    asked = []

    class Short(whet.BaseLM):
        def complete(self, request: whet.Request) -> whet.Response:
            asked.append(request)
            return whet.Response(choices=(whet.ResponseChoice(text="[[ ## ans", finish_reason="length"),))

    with pytest.raises(whet.TruncatedError):
        ask(whet.Predict("q -> answer", **options), Short("short", cache=False), q="x")
    assert len(asked) == 1


def test_a_second_format_only_when_asked_for() -> None:
    lm = ScriptedLM(['It is {"a": "json"}'] * 2)
    predict = whet.Predict("q -> a", adapter=[whet.ChatAdapter(), whet.JSONAdapter()])
    assert ask(predict, lm, q="x").a == "json"
    assert lm.calls == 2


def test_several_samples() -> None:
    lm = ScriptedLM(lambda request: {"a": "s"})
    prediction = ask(whet.Predict("q -> a", n=3), lm, q="x")
    assert prediction.completions.a == ["s", "s", "s"]
    assert lm.requests[0].n == 3
    assert lm.requests[0].options["temperature"] == 0.7


def test_call_keywords_that_are_no_inputs() -> None:
    lm = ScriptedLM(lambda request: {"a": "s"})
    ask(whet.Predict("q -> a", temperature=0.1), lm, q="x", config={"temperature": 0.9, "max_tokens": 5})
    assert dict(lm.requests[0].options) == {"temperature": 0.9, "max_tokens": 5}
    with whet.context(lm=lm):
        whet.Predict("config, lm -> a")(config="a field", lm="another")
    assert "a field" in lm.requests[1].messages[-1].text


def test_trace_records_steps_and_calls() -> None:
    predict = whet.Predict("q -> a")
    with whet.context(lm=ScriptedLM([{"a": "s"}])), whet.trace() as steps:
        predict(q="x")
    ((predictor, inputs, prediction),) = steps
    assert (predictor, inputs, prediction.a) == (predict, {"q": "x"}, "s")
    assert len(steps.calls) == 1


def test_the_hint_reaches_the_prompt_in_training_only() -> None:
    program = whet.ChainOfThoughtWithHint("q -> a")
    assert "SECRET" not in str(program.render(q="x", hint="SECRET"))
    assert "hint" not in str(program.render(q="x", hint="SECRET"))
    with whet.context(training=True):
        assert "SECRET" in str(program.render(q="x", hint="SECRET"))


def test_a_hint_that_is_left_out_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    program = whet.ChainOfThoughtWithHint("q -> a")
    with whet.context(training=True):
        program.render(q="x", hint="h")
    program.render(q="x")
    assert not caplog.records
    for _ in range(2):
        program.render(q="x", hint="h")
    assert ["`hint` is left out" in record.getMessage() for record in caplog.records] == [True]
    whet.ChainOfThoughtWithHint("q, hint -> a").render(q="x", hint="h")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["Predict", "ChainOfThought", "ReAct", "CodeAct", "ProgramOfThought", "RLM", "MultiChainComparison"])
def test_the_types_of_what_makes_a_module_can_be_asked_for(name: str) -> None:
    assert "signature" in typing.get_type_hints(getattr(whet, name).__init__)


def test_history_is_kept_per_model_program_and_process_and_can_be_switched_off() -> None:
    lm, program = ScriptedLM(lambda _: {"reasoning": "r", "a": "s"}), whet.ChainOfThought("q -> a")
    ask(program, lm, q="x")
    assert [len(h) for h in (lm.history, program.history, program.predict.history)] == [1, 1, 1]
    entry = lm.history[-1]
    assert entry["outputs"][0].startswith("[[ ## reasoning ## ]]")
    assert entry["messages"][0]["role"] == "system"
    with whet.context(disable_history=True):
        ask(program, lm, q="x")
    assert len(lm.history) == 1
