"""Models and adapters of programs written for DSPy: subclasses that override what they overrode there."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import whet as dspy
from compat.loopback import internet
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


class Numbering(dspy.BaseLM):
    """A model in the older form that says something else each time."""

    asked = 0

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        self.asked += 1
        message = SimpleNamespace(content=f"[[ ## answer ## ]]\n{self.asked}\n\n[[ ## completed ## ]]")
        return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=None, model="m")


def test_a_model_with_a_forward_of_its_own_is_asked_each_time() -> None:
    predict, first, second = dspy.Predict("question -> answer"), Numbering("same"), Numbering("same")
    assert [predict(question="q", lm=lm).answer for lm in (first, first, second)] == ["1", "2", "1"]
    assert asyncio.run(predict.acall(question="q", lm=first)).answer == "3"


def test_two_models_of_one_name_do_not_share_answers() -> None:
    class Yes(dspy.BaseLM):
        def complete(self, request: Any) -> str:
            return "yes"

    class No(dspy.BaseLM):
        def complete(self, request: Any) -> str:
            return "no"

    assert [Yes("same")("q"), No("same")("q"), Yes("same")("q")] == [["yes"], ["no"], ["yes"]]


def test_the_name_of_a_models_code_is_the_same_in_every_process() -> None:
    def made() -> Any:
        kept = {"answer": "yes"}

        class Kept(dspy.BaseLM):
            def complete(self, request: Any) -> str:
                return kept["answer"]

        return Kept("same")

    assert made().identity() == made().identity(), "a journal or a cassette of another process must know it again"
    assert made().identity() != dspy.BaseLM("same").identity()


def test_an_lm_whose_forward_goes_on_to_its_parents() -> None:
    class Counted(dspy.LM):
        asked = 0

        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            self.asked += 1
            return super().forward(prompt=prompt, messages=messages, **kwargs)

    with internet({"answer": "yes"}) as net, dspy.context(lm=Counted("openai/gpt-4o-mini", api_base=f"{net.url}/v1", api_key="k")):
        lm, predict = dspy.settings.lm, dspy.Predict("question -> answer")
        assert [predict(question="q").answer for _ in range(2)] == ["yes", "yes"]
        raw = lm.forward(messages=[{"role": "user", "content": "[[ ## answer ## ]]"}])
        assert raw.choices[0].message.content
        assert (raw.usage.prompt_tokens, raw.usage.completion_tokens) == (raw.usage.input_tokens, raw.usage.output_tokens)
    assert lm.asked == 3
    assert len(net.bodies) == 2, "the second call of the same question came from the cache below"
    assert len(lm.history) == 2, "one entry a call, whoever answers it"
    assert lm.copy().history == []


class _Counting(DummyLM):
    asked = 0

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        return super().forward(*args, **kwargs)


class _CountingAsync(DummyLM):
    asked = 0

    async def aforward(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        return await super().aforward(*args, **kwargs)


def test_a_dummy_whose_forward_is_overridden_is_asked_by_it() -> None:
    lm = _Counting([{"answer": "1"}, {"answer": "2"}])
    predict = dspy.Predict("question -> answer")
    with dspy.context(lm=lm):
        assert predict(question="q").answer == "1"
        assert asyncio.run(predict.acall(question="q")).answer == "2"
    assert (lm.asked, lm.calls) == (2, 2)
    other = _CountingAsync([{"answer": "1"}, {"answer": "2"}])
    with dspy.context(lm=other):
        assert asyncio.run(predict.acall(question="q")).answer == "1"
        assert predict(question="q").answer == "2"
    assert (other.asked, other.calls) == (1, 2)


def test_types_are_validated_under_the_names_of_pydantic() -> None:
    calls = dspy.ToolCalls.model_validate([{"name": "search", "args": {"query": "cats"}}])
    assert calls == dspy.ToolCalls.from_dict_list([{"name": "search", "args": {"query": "cats"}}])
    assert dspy.ToolCalls.model_json_schema() == dspy.ToolCalls.json_schema()
    assert dspy.History.model_validate({"messages": [{"q": "1"}]}) == dspy.History(messages=[{"q": "1"}])


class Bare(dspy.Adapter):
    """Nothing but a way to write and a way to read."""

    def format(self, signature: Any, demos: Any, inputs: Any) -> list[dict[str, Any]]:
        return [{"role": "user", "content": f"{signature.instructions} {inputs}"}]

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        return dict.fromkeys(signature.output_fields, completion.strip())


def test_an_adapter_that_has_only_format_and_parse() -> None:
    lm = Called("m")
    with dspy.context(lm=lm, adapter=Bare()):
        assert dspy.Predict("question -> answer")(question="q").answer == ANSWER
        assert asyncio.run(dspy.ChainOfThought("question -> answer").acall(question="q")).reasoning == ANSWER
    assert lm.seen[0]["content"].endswith("{'question': 'q'}")
    assert Bare()(lm, {}, dspy.Signature("question -> answer"), [], {"question": "q"}) == [{"answer": ANSWER}]
    with pytest.raises(NotImplementedError, match="must define `format_field_structure`"):
        dspy.Adapter().format(dspy.Signature("question -> answer"), [], {"question": "q"})
