"""Assertions and their helpers in the ways that programs for DSPy 2 use them."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from whet.primitives.assertions import assert_transform_module, backtrack_handler

import whet as dspy
from whet.compat.dummies import DummyLM
from whet.errors import AssertionFailed


class Short(dspy.Module):
    def __init__(self, ask: Any = dspy.Suggest) -> None:
        super().__init__()
        self.first, self.second, self.ask = dspy.Predict("question -> draft"), dspy.Predict("draft -> answer"), ask

    def forward(self, question: str) -> Any:
        answer = self.second(draft=self.first(question=question).draft)
        self.ask(len(answer.answer) < 6, "Be brief.", backtrack=self.first)
        return answer


def lm() -> DummyLM:
    return DummyLM([{"draft": "d", "answer": "far too long"}] * 2 + [{"draft": "e", "answer": "short"}] * 3)


def test_backtrack_names_the_step_that_is_asked_again() -> None:
    model = lm()
    with dspy.context(lm=model):
        assert Short()(question="q").answer == "short"
    asked = [message["messages"][-1]["content"] for message in model.history]
    assert ["Be brief." in text for text in asked] == [False, False, True, False]


def test_retry_and_the_transformation_give_the_program_back() -> None:
    from whet.predict import Retry
    from whet.predict.retry import Retry as Again

    assert Retry is Again
    program = assert_transform_module(Short().map_named_predictors(Retry), functools.partial(backtrack_handler, max_backtracks=1))
    with dspy.context(lm=lm()):
        assert program(question="q").answer == "short"


def test_assertions_can_be_bypassed() -> None:
    model = lm()
    with dspy.context(lm=model, bypass_suggest=True):
        assert Short()(question="q").answer == "far too long" and len(model.history) == 2
    always = DummyLM([{"draft": "d", "answer": "far too long"}] * 20)
    with dspy.context(lm=always, bypass_assert=True):
        assert Short(dspy.Assert)(question="q").answer == "far too long"
    with dspy.context(lm=always), pytest.raises(AssertionFailed, match="Be brief"):
        Short(dspy.Assert)(question="q")


def test_signature_optimizer_takes_its_old_arguments() -> None:
    rows = [dspy.Example(question=str(i), answer="a").with_inputs("question") for i in range(3)]
    recipe = dspy.teleprompt.SignatureOptimizer(metric=lambda e, p, t=None: e.answer == p.answer, breadth=2, depth=1, verbose=True)
    assert isinstance(recipe, dspy.COPRO)
    with dspy.context(lm=DummyLM([{"answer": "a", "proposed_instruction": "Do."}] * 50)):
        best = recipe.compile(dspy.Predict("question -> answer"), devset=rows, eval_kwargs={"num_threads": 1, "display_progress": False})
    assert isinstance(best, dspy.Predict)
