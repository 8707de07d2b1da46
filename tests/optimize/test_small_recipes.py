"""InferRules, AvatarOptimizer, TextualGradient, KNNFewShot, BootstrapFewShotWithOptuna, Ensemble."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

import whet
from optimize.instructed import CLUES, exact, model, program, rows, truth, wanted, world
from whet.core.hashing import hash_embed
from whet.errors import MissingExtraError


def test_rules_are_added_to_the_instructions() -> None:
    def script(request: Any) -> Any:
        number = int(request.rollout_id or 0)
        return (
            {"natural_language_rules": f"1. {CLUES[number % 4]}\n2. {CLUES[4 + number % 3]}"}
            if "natural_language_rules" in wanted(request)
            else world(request)
        )

    for strict in (False, True):
        with whet.context(lm=whet.testing.ScriptedLM(script)):
            recipe = whet.InferRules(metric=exact, num_candidates=4, num_rules=5, max_labeled_demos=2, strict=strict)
            result = recipe.compile(program(), trainset=rows(40))
        assert truth(result) > truth(program()) and len(recipe.run.trials[0].scores) == 20
        assert "Keep to these rules:" in result.signature.instructions


class Actor(whet.Module):
    """A program with a tool."""

    def __init__(self) -> None:
        self.tools = [whet.Tool(double)]
        self.actor = whet.Predict(whet.Signature("question -> answer", "Double the number."))

    def forward(self, question: str) -> Any:
        return self.actor(question=question)


def double(x: int) -> int:
    """Doubles a number."""
    return 2 * x


def test_avatar_rewrites_from_a_comparison() -> None:
    lm = model()
    with whet.context(lm=lm):
        recipe = whet.AvatarOptimizer(metric=exact, max_iters=6)
        result = recipe.compile(Actor(), trainset=rows(40))
    assert truth(result) > truth(Actor())
    compared = next(r.messages[-1].text for r in lm.requests if "runs_that_went_badly" in r.messages[-1].text)
    assert "double: Doubles a number." in compared
    with pytest.raises(ValueError, match="lower"):
        whet.AvatarOptimizer(metric=exact, lower_bound=2).compile(Actor(), trainset=rows(3))


def test_gradients_in_words() -> None:
    lm = model()
    with whet.context(lm=lm):
        recipe = whet.TextualGradient(metric=exact, max_steps=5)
        result = recipe.compile(program(), trainset=rows(40))
    assert truth(result) > truth(program())
    assert any("Critique: The numbers are to be doubled." in r.messages[-1].text for r in lm.requests)


def test_nearest_rows_become_the_demos_of_a_call() -> None:
    lm = model()
    train = rows(30)
    with whet.context(lm=lm):
        compiled = whet.KNNFewShot(3, train, hash_embed, metric=exact, max_bootstrapped_demos=1, max_labeled_demos=3).compile(program())
        assert compiled(question="double the number 7").answer in ("14", "0")
        shown = lm.requests[-1]
        assert [m.role for m in shown.messages] == ["system", *["user", "assistant"] * 3, "user"]
        assert any("number 7" in m.text for m in shown.messages[1:-1])
        assert asyncio.run(compiled.acall(question="double the number 9")).answer in ("18", "0")
        assert program().demos == [] and compiled.named_predictors()
    with pytest.raises(ValueError, match="max_rounds"):
        whet.KNNFewShot(3, train, hash_embed, max_rounds=0)


def test_optuna_is_asked_for_before_any_call(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    lm = model()
    with whet.context(lm=lm), pytest.raises(MissingExtraError, match=r"whet\[optuna\]"):
        whet.BootstrapFewShotWithOptuna(metric=exact).compile(program(), trainset=rows(9), max_demos=3)
    assert lm.calls == 0


def test_optuna_chooses_one_demo_for_each_predictor(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "optuna", FakeOptuna())
    with whet.context(lm=model()):
        recipe = whet.BootstrapFewShotWithOptuna(metric=exact, num_candidate_programs=5, max_labeled_demos=2)
        result = recipe.compile(program(), trainset=rows(30), max_demos=4)
    assert len(result.demos) == 1 and result.demos[0].augmented
    assert len(FakeOptuna.told) == 5 and max(FakeOptuna.told.values()) == recipe.run.trials[0].score


class FakeOptuna:
    """The part of Optuna that is used."""

    told: dict[int, float] = {}

    class logging:
        WARNING = 0
        set_verbosity = staticmethod(lambda level: None)

    class samplers:
        TPESampler = staticmethod(lambda seed: None)

    def create_study(self, direction: str, sampler: Any) -> Any:
        return FakeStudy()


class FakeStudy:
    def __init__(self) -> None:
        self.count = 0

    def ask(self) -> Any:
        self.count += 1
        return FakeTrial(self.count - 1)

    def tell(self, trial: Any, value: float) -> None:
        FakeOptuna.told[trial.number] = value


class FakeTrial:
    def __init__(self, number: int) -> None:
        self.number = number

    def suggest_int(self, name: str, low: int, high: int) -> int:
        return min(high, low + self.number % 4)


def test_an_ensemble_runs_all_and_reduces() -> None:
    programs = [program() for _ in range(3)]
    with whet.context(lm=model()):
        outputs = whet.Ensemble().compile(programs)(question="double the number 4")
        assert len(outputs) == 3
        voted = whet.Ensemble(reduce_fn=whet.majority).compile(programs)(question="double the number 4")
        assert voted.answer == outputs[0].answer
        assert len(whet.Ensemble(size=2).compile(programs)(question="double the number 4")) == 2
        assert asyncio.run(whet.Ensemble(reduce_fn=whet.majority).compile(programs).acall(question="double the number 4")).answer
    with pytest.raises(AssertionError):
        whet.Ensemble(deterministic=True)
    for wrong, size in (([], None), ([1], None), (programs, 4)):
        with pytest.raises(ValueError, match="programs"):
            whet.Ensemble(size=size).compile(wrong)


def test_an_ensemble_of_the_best_candidates_of_an_optimizer() -> None:
    with whet.context(lm=model()):
        optimized = whet.BootstrapRS(exact, num_candidate_programs=4, num_threads=1).compile(
            program(), trainset=rows(12), valset=rows(8, start=50)
        )
        made = whet.Ensemble(reduce_fn=whet.majority, top=3).compile(optimized)
        best = max(entry["score"] for entry in optimized.candidate_programs)
        assert 1 < len(made.programs) <= 3 and made(question="double the number 4").answer
        assert len({str(p.dump_state()) for p in made.programs}) == len(made.programs), "each candidate once"
        first = next(e["score"] for e in optimized.candidate_programs if e["program"].dump_state() == made.programs[0].dump_state())
        assert first == best
    with pytest.raises(ValueError, match="no `candidate_programs`"):
        whet.Ensemble().compile(program())
    with pytest.raises(ValueError, match="`top`"):
        whet.Ensemble(top=0)
