"""Every module, on the model that comes with whet and on a scripted one: sync and async give the same result and the same trace."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import whet
from whet.errors import WhetError
from whet.modules.function_program import cot, predict
from whet.modules.tool_dialogue import ToolDialogue
from whet.testing import ScriptedLM


def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


@predict
def total(question: str) -> int:
    """Answer with a number."""
    raise NotImplementedError


@cot
def mood(question: str) -> str:
    """Say how it feels."""
    raise NotImplementedError


class Program(whet.Module):
    """A user's own, with an assertion."""

    def __init__(self) -> None:
        self.first = whet.ChainOfThought("question -> answer: int")
        self.second = whet.Predict("question, answer: int -> better: int")

    def forward(self, question: str) -> Any:
        found = self.first(question=question)
        whet.Suggest(found.answer > 10, "It must be larger than 10.", on=self.first)
        return self.second(question=question, answer=found.answer)


def old(kind: Callable[..., Any], *args: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return kind(*args)


QA = whet.Signature("question -> answer: int")
ATTEMPTS = [{"reasoning": "a", "answer": 41}, {"reasoning": "b", "answer": 42}]
MODULES: dict[str, tuple[Callable[[], Any], tuple[Any, ...]]] = {
    "Predict": (lambda: whet.Predict("question -> answer: int"), ()),
    "ChainOfThought": (lambda: whet.ChainOfThought("question -> answer: int"), ()),
    "ChainOfThoughtWithHint": (lambda: whet.ChainOfThoughtWithHint("question -> answer: int"), ()),
    "ReAct": (lambda: whet.ReAct("question -> answer: int", [add]), ()),
    "ReAct in text": (lambda: whet.ReAct("question -> answer: int", [add], native=False), ()),
    "ToolDialogue": (lambda: ToolDialogue("question -> answer: int", [add], 4), ()),
    "ProgramOfThought": (lambda: old(whet.ProgramOfThought, "question -> answer: int", 2), ()),
    "CodeAct": (lambda: old(whet.CodeAct, "question -> answer: int", [add], 2), ()),
    "RLM": (lambda: whet.RLM("question -> answer: int", 2), ()),
    "BestOfN": (lambda: whet.BestOfN(whet.Predict("question -> answer: int"), 3, lambda i, p: p.answer / 100, 1.0), ()),
    "Refine": (lambda: whet.Refine(whet.Predict("question -> answer: int"), 2, lambda i, p: p.answer / 100, 1.0), ()),
    "MultiChainComparison": (lambda: whet.MultiChainComparison("question -> answer: int", 2), (ATTEMPTS,)),
    "Ensemble": (lambda: whet.Ensemble(reduce_fn=whet.majority).compile([whet.Predict(QA), whet.ChainOfThought(QA)]), ()),
    "FunctionProgram": (lambda: total, ()),
    "FunctionProgram that reasons": (lambda: mood, ()),
    "Program": (Program, ()),
}


def outcome(name: str, world: str, lm: Any) -> Any:
    make, args = MODULES[name]
    program = make()
    with whet.context(lm=lm), whet.trace() as steps:
        try:
            if world == "sync":
                result = program(*args, question="What is 17 + 25?")
            else:
                result = asyncio.run(program.acall(*args, question="What is 17 + 25?"))
        except WhetError as error:
            result = f"{type(error).__name__}: {error}"
    shown = repr(result.without("history")) if isinstance(result, whet.Prediction) else repr(result)
    return shown, sorted((sorted(step.inputs), repr(dict(step.prediction))) for step in steps)


@pytest.mark.parametrize("name", MODULES)
def test_on_the_embedded_model(name: str) -> None:
    lm = whet.LM("embedded")
    first = outcome(name, "sync", lm)
    assert outcome(name, "async", lm) == first
    if name in ("ReAct", "ReAct in text"):
        assert "42" in first[0]


def scripted() -> ScriptedLM:
    """Fills in every field that a prompt asks for, in the same way each time."""
    values = {
        "reasoning": "so it is", "rationale": "so it is", "answer": 42, "better": 43, "result": 42, "finished": True,
        "generated_code": "print(17 + 25)", "code": "SUBMIT(17 + 25)", "next_thought": "done", "next_tool_name": "finish",
        "next_tool_args": {"answer": 42}, "tool_calls": [{"name": "submit", "args": {"answer": 42}}],
        "discussion": "d", "advice": {"self": "more"},
    }  # fmt: skip

    def answer(request: Any) -> Any:
        asked = request.messages[0].text.partition("produce")[2] or request.messages[0].text
        return {name: value for name, value in values.items() if f"`{name}` (" in asked}

    return ScriptedLM(answer)


@pytest.mark.parametrize("name", MODULES)
def test_on_a_scripted_model(name: str) -> None:
    first = outcome(name, "sync", scripted())
    assert outcome(name, "async", scripted()) == first
    assert any(number in first[0] for number in ("42", "43")), first[0]


ANYTHING = st.one_of(
    st.text(max_size=40),
    st.dictionaries(
        st.sampled_from(
            [
                "reasoning",
                "answer",
                "better",
                "result",
                "code",
                "generated_code",
                "finished",
                "next_tool_name",
                "next_tool_args",
                "tool_calls",
            ]
        ),
        st.one_of(st.none(), st.integers(-5, 50), st.text(max_size=12), st.just({"answer": "x"}), st.just([{"name": "add"}])),
        max_size=5,
    ),
    st.sampled_from(
        [
            whet.LMServerError("down"),
            whet.ContextWindowExceededError("m"),
            whet.ResponseChoice(text=None),
            whet.ResponseChoice(text="", finish_reason="length"),
        ]
    ),
)


@pytest.mark.parametrize("name", MODULES)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(ANYTHING, max_size=6))
def test_whatever_a_model_says_only_our_errors_come_out(name: str, script: list[Any]) -> None:
    logger = logging.getLogger("whet")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        first = outcome(name, "sync", ScriptedLM(list(script)))
        if name != "Ensemble":  # which of its programs asks first is a matter of chance
            assert outcome(name, "async", ScriptedLM(list(script))) == first
    finally:
        logger.setLevel(before)
