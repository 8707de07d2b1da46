"""Typed functions as programs, and programs of one world in the other."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

import whet
from whet.modules.function_program import cot, predict
from whet.testing.scripted import ScriptedLM


@dataclasses.dataclass
class Verdict:
    """What was found."""

    label: str
    sure: float


class Pair(NamedTuple):
    left: int
    right: int


class City(BaseModel):
    name: str


@predict
def capital(country: str, era: str = "today") -> str:
    """Name the capital."""
    raise NotImplementedError


@cot(temperature=0.3)
def judge(text: str) -> Verdict:
    """Judge the text."""
    raise NotImplementedError


@predict(kind=whet.ChainOfThought)
def split(text: str) -> Pair:
    """Split it."""
    raise NotImplementedError


@predict
def cities(country: str) -> list[City]:
    """Name cities."""
    raise NotImplementedError


def test_a_function_gives_what_it_says() -> None:
    lm = ScriptedLM(
        [
            {"result": "Paris"},
            {"reasoning": "r", "label": "good", "sure": 0.5},
            {"reasoning": "r", "left": 1, "right": 2},
            {"result": [{"name": "A"}]},
        ]
    )
    with whet.context(lm=lm):
        assert capital("France") == "Paris"
        assert asyncio.run(judge.acall(text="x")) == Verdict("good", 0.5)
        assert split(text="1 2") == Pair(1, 2)
        assert cities("France") == [City(name="A")]
    assert "Name the capital." in lm.requests[0].messages[0].text and "today" in lm.requests[0].messages[-1].text
    assert lm.requests[1].options["temperature"] == 0.3
    assert [name for name, _ in judge.named_predictors()] == ["predict.predict"]


def test_the_prediction_behind_it() -> None:
    with whet.context(lm=ScriptedLM([{"reasoning": "because", "label": "good", "sure": 1}])):
        assert judge.prediction("x").reasoning == "because"
    with whet.context(lm=ScriptedLM([])), pytest.raises(whet.InputError):
        capital()  # type: ignore[call-arg]


def test_a_function_can_be_optimized_and_saved(tmp_path: Any) -> None:
    rows = [whet.Example(country="France", era="today", result="Paris").with_inputs("country", "era")]
    with whet.context(lm=ScriptedLM([{"result": "Paris"}] * 3)):
        made = whet.BootstrapFewShot(metric=lambda e, p: e.result == p, max_labeled_demos=0).compile(capital, trainset=rows)
    assert made.predict.demos[0]["result"] == "Paris" and capital.predict.demos == []
    made.save(tmp_path / "p.json")
    other = capital.deepcopy()
    other.load(tmp_path / "p.json")
    assert len(other.predict.demos) == 1


class Shouting(whet.ChainOfThought[..., whet.Prediction]):
    """Overrides a module of whet's own in the way people do."""

    def forward(self, **inputs: Any) -> Any:
        found = super().forward(**inputs)
        return whet.Prediction(found, answer=found.answer.upper())


class ShoutingLater(whet.Predict[..., whet.Prediction]):
    async def aforward(self, **inputs: Any) -> Any:
        found = await super().aforward(**inputs)
        return whet.Prediction(found, answer=found.answer.upper())


def test_a_forward_of_ones_own_over_any_module(caplog: pytest.LogCaptureFixture) -> None:
    with whet.context(lm=ScriptedLM(lambda request: {"reasoning": "r", "answer": "x"})):
        for made in (Shouting("question -> answer"), ShoutingLater("question -> answer")):
            assert made(question="q").answer == "X" and asyncio.run(made.acall(question="q")).answer == "X"
        assert whet.Predict("question -> answer").forward(question="q").answer == "x"
    assert "discouraged" not in caplog.text


def test_calling_forward_directly_is_discouraged(caplog: pytest.LogCaptureFixture) -> None:
    class Program(whet.Module):
        def forward(self, x: int) -> int:
            return x + 1

    class Child(Program):
        def forward(self, x: int) -> int:
            return super().forward(x) * 2

    with caplog.at_level(logging.WARNING, logger="whet"):
        assert Child()(1) == 4 and Program()(x=1) == 2
        assert "discouraged" not in caplog.text
        assert Program().forward(1) == 2
    assert "Calling module.forward(...)" in caplog.text and "is discouraged" in caplog.text


def test_usage_is_that_of_the_outermost_program(caplog: pytest.LogCaptureFixture) -> None:
    class Twice(whet.Module):
        def __init__(self) -> None:
            self.a, self.b = whet.Predict("q -> a"), whet.Predict("q -> a")

        def forward(self, q: str) -> Any:
            first, second = whet.Parallel(num_threads=2)([(self.a, {"q": q}), (self.b, {"q": q + "!"})])
            return whet.Prediction(a=first.a + second.a)

    lm = ScriptedLM(lambda request: {"a": "x"})
    rows = [whet.Example(q=str(i)).with_inputs("q") for i in range(10)]
    with whet.context(lm=lm, track_usage=True), whet.track_usage() as outer:
        results = Twice().batch(rows, num_threads=4)

        async def go() -> Any:
            return await asyncio.gather(*(Twice().acall(q=str(i)) for i in range(10)))

        results += asyncio.run(go())
    total = [r.get_lm_usage()["scripted"]["total_tokens"] for r in results]
    assert lm.calls == 40 and sum(total) == outer.get_total_tokens()["scripted"]["total_tokens"] and len(set(total)) == 1
    with whet.context(lm=ScriptedLM([{"result": "Paris"}]), track_usage=True), caplog.at_level(logging.WARNING, logger="whet"):
        capital("France")
    assert "returned a str" in caplog.text


def test_a_call_takes_what_predict_takes_and_says_what_does_not_fit() -> None:
    @predict
    def capital(country: str, style: str = "plain") -> str:
        """Name the capital."""
        raise NotImplementedError

    lm = ScriptedLM(lambda request: {"result": "Paris"})
    with whet.context(lm=lm):
        assert capital("France", config={"temperature": 0.2}) == "Paris" and lm.requests[0].options["temperature"] == 0.2  # type: ignore[call-arg]
        for args, kwargs, said in (
            (("a", "b", "c"), {}, "takes country, style, but 3 values were given"),
            (("a",), {"country": "b"}, "got `country` twice"),
            ((), {"contry": "a"}, "Did you mean `country`"),
        ):
            with pytest.raises(whet.InputError, match=said):
                capital(*args, **kwargs)  # type: ignore[arg-type]
    assert lm.calls == 1


def test_what_is_no_typed_function_is_refused_where_it_is_made() -> None:
    def many(*texts: str) -> str: ...  # type: ignore[empty-body]

    class Program:
        def method(self, text: str) -> str: ...  # type: ignore[empty-body]

    with pytest.raises(whet.SignatureError, match=r"`\*texts: .?str.?` of `many` is no input"):
        predict(many)
    with pytest.raises(whet.SignatureError, match="`method` is a method"):
        predict(Program.method)
    with pytest.raises(whet.ConfigurationError, match="not of 'question -> answer'"):
        predict("question -> answer")  # type: ignore[call-overload]
