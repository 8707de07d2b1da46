"""Several runs for one answer: `BestOfN`, `Refine`, `MultiChainComparison`, `majority`; and `Check` in each of its places."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import whet
from whet.errors import AssertionFailed, ConfigurationError, InputError
from whet.modules.best_of import BestOfN
from whet.modules.check import Check
from whet.modules.comparison import MultiChainComparison
from whet.modules.refine import Refine
from whet.modules.voting import majority
from whet.testing.scripted import ScriptedLM

WORLDS = pytest.mark.parametrize("world", ["sync", "async"])


def run(program: Any, lm: Any, world: str = "sync", *args: Any, **inputs: Any) -> Any:
    with whet.context(lm=lm):
        return program(*args, **inputs) if world == "sync" else asyncio.run(program.acall(*args, **inputs))


def numbers(*values: int) -> ScriptedLM:
    return ScriptedLM([{"answer": n} for n in values])


async def reward(inputs: dict[str, Any], prediction: Any) -> float:
    return prediction.answer / 10


QA = whet.Predict("question -> answer: int")


@WORLDS
def test_the_best_of_n(world: str) -> None:
    lm = numbers(3, 7, 5)
    best = BestOfN(QA, 3, reward, 1.0)
    assert run(best, lm, world, question="q").answer == 7 and lm.calls == 3
    assert [r.rollout_id for r in lm.requests] == [0, 1, 2] and {r.options["temperature"] for r in lm.requests} == {1.0}
    lm = numbers(3, 10, 5)
    assert run(best, lm, world, question="q").answer == 10 and lm.calls == 2
    assert QA.config == {} and [name for name, _ in best.named_predictors()] == ["module"]


def test_rollouts_start_where_the_model_is() -> None:
    lm = ScriptedLM([{"answer": 1}, {"answer": 2}], rollout_id=5)
    run(BestOfN(QA, 2, reward, 1.0), lm, question="q")
    assert [r.rollout_id for r in lm.requests] == [5, 6]


def test_the_trace_of_the_best_run_is_kept_under_its_own_predictors() -> None:
    program = whet.ChainOfThought("question -> answer: int")
    lm = ScriptedLM([{"reasoning": "r", "answer": n} for n in (3, 7, 5)])
    with whet.trace() as steps:
        run(BestOfN(program, 3, lambda inputs, p: p.answer, 99), lm, question="q")
    assert [(s.predictor, s.prediction.answer) for s in steps] == [(program.predict, 7)]


class Flaky(whet.Module):
    """Fails as often as it is told."""

    failures = 2

    def __init__(self) -> None:
        self.count = [0]

    def deepcopy(self) -> Any:
        return self

    def forward(self, question: str) -> whet.Prediction:
        self.count[0] += 1
        if self.count[0] <= self.failures:
            raise ValueError(f"failure {self.count[0]}")
        return whet.Prediction(answer=self.count[0])


@pytest.mark.parametrize("kind", [BestOfN, Refine])
def test_failing_runs_are_tolerated_up_to_a_number(kind: Any) -> None:
    module = Flaky()
    assert run(kind(module, 3, lambda i, p: 1.0, 1.0), None, question="q").answer == 3
    module = Flaky()
    with pytest.raises(ValueError, match="failure 2"):
        run(kind(module, 3, lambda i, p: 1.0, 1.0, fail_count=1), None, question="q")
    assert module.count == [2]
    module = Flaky()
    module.failures = 9
    with pytest.raises(ValueError, match="failure 3"):
        run(kind(module, 3, lambda i, p: 1.0, 1.0), None, question="q")


@WORLDS
def test_refine_tells_the_next_run_what_was_wrong(world: str) -> None:
    lm = ScriptedLM([{"answer": 3}, {"discussion": "d", "advice": {"self": "Count higher.", "other": "N/A"}}, {"answer": 9}])

    def judged(inputs: dict[str, Any], prediction: Any) -> whet.Score:
        return whet.Score(value=prediction.answer / 9, feedback="" if prediction.answer > 8 else "too low")

    result = run(Refine(QA, 3, judged, 1.0), lm, world, question="how many?")
    assert result.answer == 9 and lm.calls == 3
    advice, again = lm.requests[1].messages[-1].text, lm.requests[2].messages[-1].text
    assert "too low" in advice and "def judged" in advice and "how many?" in advice and '"answer": 3' in advice
    assert "[[ ## hint_ ## ]]\ntoo low\nCount higher." in again
    assert "hint_" not in QA.signature.fields


def test_checks_reach_the_model_word_for_word_without_another_call() -> None:
    def even(prediction: Any) -> Any:
        return "" if prediction.answer % 2 == 0 else f"{prediction.answer} is odd; give an even number"

    lm = numbers(3, 5, 4)
    result = run(Refine(QA, 5, checks=[even]), lm, question="q")
    assert result.answer == 4 and lm.calls == 3
    assert "[[ ## hint_ ## ]]\n5 is odd; give an even number" in lm.requests[2].messages[-1].text
    lm = numbers(3, 5, 7)
    with pytest.raises(AssertionFailed, match="None of 3 runs was good enough") as caught:
        run(Refine(QA, 3, checks=[even], required=True), lm, question="q")
    assert [(a.outputs.answer, a.message[:8]) for a in caught.value.attempts] == [(3, "3 is odd"), (5, "5 is odd"), (7, "7 is odd")]
    result = run(Refine(QA, 1, checks=[even]), numbers(3), question="q")
    assert result.meta.suggestions == ("3 is odd; give an even number",)
    # Checks are wanted beside a reward, too.
    result = run(BestOfN(QA, 3, lambda i, p: 1.0, 1.0, checks=[even]), numbers(3, 4, 5), question="q")
    assert result.answer == 4


def test_unreadable_advice_loses_no_run() -> None:
    lm = ScriptedLM([{"answer": 3}, "nothing to say", {"answer": 4}])
    assert run(Refine(QA, 2, lambda i, p: p.answer / 10, 1.0), lm, question="q").answer == 4


def test_mistakes_are_said() -> None:
    for wrong in ({"N": 0, "reward_fn": reward}, {"N": 1}):
        with pytest.raises(ConfigurationError):
            BestOfN(QA, **wrong)
    with pytest.raises(ConfigurationError):
        Check("no function")  # type: ignore[arg-type]


def test_one_check_in_all_its_places() -> None:
    @Check
    def short(prediction: Any) -> bool:
        """Use one word."""
        return " " not in prediction.answer

    row, good, bad = whet.Example(q="x").with_inputs("q"), whet.Prediction(answer="a"), whet.Prediction(answer="a b")
    assert short(row, good) == whet.Score(value=1.0) and short(row, bad) == whet.Score(value=0.0, feedback="Use one word.")

    class Program(whet.Module):
        def __init__(self, soft: bool) -> None:
            self.p, self.soft = whet.Predict("q -> answer"), soft

        def forward(self, q: str) -> Any:
            found = self.p(q=q)
            if self.soft:
                short.suggest(found)
            else:
                short.require(found, on=self.p)
            return found

    lm = ScriptedLM([{"answer": "a b"}, {"answer": "c"}])
    assert run(Program(False), lm, q="x").answer == "c" and "Use one word." in lm.requests[1].messages[-1].text
    result = run(Program(True), ScriptedLM([{"answer": "a b"}] * 3), q="x")
    assert result.answer == "a b" and result.meta.suggestions == ("Use one word.",)
    # As a metric: of an evaluation, and as a filter for demos.
    with whet.context(lm=ScriptedLM([{"answer": "a"}, {"answer": "a b"}])):
        assert whet.Evaluate(devset=[row, row], metric=short, num_threads=1)(whet.Predict("q -> answer")).score == 50.0
    with whet.context(lm=ScriptedLM([{"answer": "a b"}, {"answer": "b"}])):
        made = whet.BootstrapFewShot(metric=short, max_labeled_demos=0).compile(
            whet.Predict("q -> answer"), trainset=[row, whet.Example(q="y").with_inputs("q")]
        )
    assert [demo.answer for demo in made.demos] == ["b"]
    assert short.problem({}, bad) == "Use one word." and "short" in repr(short)


def test_majority() -> None:
    samples = [
        {"a": "x", "answer": "Paris"},
        {"a": "y", "answer": ""},
        {"a": "z", "answer": "The paris"},
        {"a": "x", "answer": ""},
        {"a": "x", "answer": ""},
    ]
    assert majority(samples).answer == "Paris" and majority(samples, field="a").a == "x"
    assert majority(samples, normalize=None).answer == ""
    assert majority([{"answer": "b"}, {"answer": "a"}]).answer == "b"
    assert majority([{"answer": ""}]).answer == ""
    prediction = whet.Prediction.from_completions(
        {"answer": ["1", "2", "2"], "why": ["p", "q", "r"]}, signature=whet.Signature("q -> why, answer")
    )
    assert majority(prediction).answer == "2" and majority(prediction).why == "q" and majority(prediction.completions).answer == "2"
    assert majority([{"answer": [1]}, {"answer": [2]}, {"answer": [2]}], normalize=None).answer == [2]
    with pytest.raises(InputError):
        majority([])


@WORLDS
def test_comparison_of_attempts(world: str) -> None:
    lm = ScriptedLM([{"rationale": "both say so", "answer": "blue"}])
    compare = MultiChainComparison("question -> answer", M=2)
    attempts = [whet.Prediction(reasoning="I saw it\nand more", answer="blue"), {"rationale": "I read it", "answer": "grey\n?"}]
    result = run(compare, lm, world, attempts, question="sky?")
    assert result.answer == "blue" and result.rationale == "both say so" and lm.requests[0].options["temperature"] == 0.7
    text = lm.requests[0].messages[-1].text
    assert "«I'm trying to I saw it I'm not sure but my prediction is blue»" in text
    assert "[[ ## reasoning_attempt_2 ## ]]\n«I'm trying to I read it I'm not sure but my prediction is grey»" in text
    with pytest.raises(AssertionError, match="compares 2"):
        compare(attempts[:1], question="q")
    with pytest.raises(AssertionError, match="compares 2"):
        compare(question="q")
    lm = ScriptedLM([{"rationale": "r", "answer": "named"}])
    assert run(compare, lm, world, completions=attempts, question="sky?").answer == "named" and "I saw it" in str(lm.requests)
    with pytest.raises(InputError, match="rationale"):
        compare([{"answer": "x"}] * 2, question="q")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"module": 3}, "`module` is a `whet.Module`"),
        ({"reward_fn": "great"}, "not a callable object"),
        ({"reward_fn": lambda prediction: 1.0}, "too many positional arguments"),
        ({"reward_fn": lambda inputs, prediction, gold: 1.0}, "missing a required argument: 'gold'"),
    ],
)
@pytest.mark.parametrize("kind", [whet.BestOfN, whet.Refine])
def test_what_could_not_work_is_refused_before_a_run_is_paid(kind: Any, options: dict[str, Any], said: str) -> None:
    given = {"module": whet.Predict("q -> a"), "N": 2, "reward_fn": lambda inputs, prediction: 1.0, "threshold": 1.0} | options
    with pytest.raises(ConfigurationError, match=said):
        kind(**given)


def test_no_model_is_no_failed_run(caplog: pytest.LogCaptureFixture) -> None:
    with whet.context(lm=None), pytest.raises(ConfigurationError, match="No LM is loaded"):
        whet.BestOfN(whet.Predict("q -> a"), 3, lambda inputs, prediction: 1.0, 1.0)(q="x")
    assert not caplog.records


def test_a_field_that_nobody_voted_on() -> None:
    with pytest.raises(InputError, match="no field `b` to vote with; it has: a"):
        whet.majority([{"a": 1}], field="b")
