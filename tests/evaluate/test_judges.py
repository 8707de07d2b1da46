"""Judges: what they ask, how they score, and what calibration says of them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import whet
from whet.errors import ConfigurationError, InputError
from whet.evaluate import CompleteAndGrounded, PairwiseJudge, RubricJudge, SemanticF1, acalibrate, calibrate
from whet.testing import ScriptedLM

ROW = whet.Example(question="Who inherited it?", response="David Gregory did, in 1664.").with_inputs("question")
PRED = whet.Prediction(response="David Gregory.", context=["David Gregory inherited it in 1664."])


@pytest.mark.parametrize("decompositional", [False, True])
def test_semantic_f1_is_the_harmonic_mean_of_the_two_shares_held_to_0_and_1(decompositional: bool) -> None:
    answer = {"reasoning": "r", "recall": 0.5, "precision": 1.5}
    if decompositional:
        answer |= {"ground_truth_key_ideas": "a\nb", "system_response_key_ideas": "a", "discussion": "b is missing"}
    lm = ScriptedLM(lambda _: answer)
    with whet.context(lm=lm):
        judged = SemanticF1(decompositional=decompositional)(ROW, PRED)
    assert judged.score == pytest.approx(2 / 3)
    assert judged > 0.6
    assert judged.feedback.startswith(
        "b is missing (The judge gave precision 1.5;" if decompositional else "r (The judge gave precision 1.5;"
    )
    shown = lm.requests[0].messages[-1].text
    assert "David Gregory did, in 1664." in shown
    assert "[[ ## system_response ## ]]\nDavid Gregory." in shown


def test_with_a_trace_the_threshold_decides() -> None:
    lm = ScriptedLM(lambda _: {"reasoning": "r", "recall": 0.5, "precision": 1.0})
    with whet.context(lm=lm):
        assert SemanticF1(threshold=0.7)(ROW, PRED, []).score is False
        assert SemanticF1(threshold=0.6)(ROW, PRED, []).score is True


def test_complete_and_grounded() -> None:
    answers = {
        "completeness": {
            "reasoning": "r", "ground_truth_key_ideas": "a", "system_response_key_ideas": "a", "discussion": "half", "completeness": 0.5
        },
        "groundedness": {"reasoning": "r", "system_response_claims": "c", "discussion": "supported", "groundedness": 1.0},
    }  # fmt: skip
    lm = ScriptedLM(answers)
    with whet.context(lm=lm):
        judged = CompleteAndGrounded()(ROW, PRED)
    assert judged.score == pytest.approx(2 / 3)
    assert judged.feedback == "half\nsupported"
    (grounding,) = [text for request in lm.requests if "groundedness" in (text := request.messages[-1].text)]
    assert "inherited it in 1664" in grounding


def test_a_judge_is_a_metric_of_evaluate_and_its_calls_are_counted() -> None:
    lm = ScriptedLM(lambda _: {"reasoning": "r", "recall": 1.0, "precision": 1.0})
    with whet.context(lm=lm):
        result = whet.Evaluate(devset=[ROW] * 4, metric=SemanticF1(), num_threads=2)(lambda question: PRED)
    assert result.score == 100.0
    assert lm.calls == 4


def leaning(request: Any) -> dict[str, Any]:
    """A judge that likes what it reads first, unless one response is "good" and the other is not."""
    text = request.messages[-1].text
    first, second = (text.split(f"[[ ## {n}_response ## ]]\n")[1].split("\n")[0] for n in ("first", "second"))
    if (first == "good") == (second == "good"):
        return {"reasoning": "r", "better": "first"}
    return {"reasoning": "r", "better": "first" if first == "good" else "second"}


def test_a_pairwise_judge_asks_in_both_orders_so_that_position_wins_nothing() -> None:
    judge = PairwiseJudge()
    with whet.context(lm=ScriptedLM(leaning)):
        assert judge.compare("q", "good", "bad").winner == "a"
        assert judge.compare("q", "bad", "good").winner == "b"
        even = judge.compare("q", "bad", "worse")
        naive = PairwiseJudge(swap=False).compare("q", "bad", "worse")
    assert (even.winner, even.score, even.consistent) == ("tie", 0.5, False)
    assert naive.winner == "a"


def test_judges_compare_and_are_calibrated_from_async_code_too() -> None:
    judge = PairwiseJudge()
    labelled = [
        (whet.Example(question="q", response=theirs), whet.Prediction(response=mine), people)
        for mine, theirs, people in [("good", "bad", 1), ("bad", "good", 0), ("good", "bad", 1), ("bad", "good", 1)]
    ]

    async def main() -> tuple[str, float]:
        winner = (await judge.acompare("q", "good", "bad")).winner
        return winner, (await acalibrate(judge, labelled)).agreement.value

    with whet.context(lm=ScriptedLM(leaning)):
        assert asyncio.run(main()) == ("a", 0.75)
        assert calibrate(judge, labelled).agreement.value == 0.75


def test_what_a_judge_asks_twice_it_asks_side_by_side() -> None:
    both = threading.Barrier(2, timeout=10)

    class Meeting(ScriptedLM):
        def complete(self, request: Any) -> Any:
            both.wait()
            return super().complete(request)

    answers = {
        "better": {"reasoning": "r", "better": "first"},
        "completeness": {
            "reasoning": "r", "ground_truth_key_ideas": "a", "system_response_key_ideas": "a", "discussion": "half", "completeness": 1.0
        },
        "groundedness": {"reasoning": "r", "system_response_claims": "c", "discussion": "supported", "groundedness": 1.0},
    }  # fmt: skip
    with whet.context(lm=Meeting(answers)):
        assert PairwiseJudge().compare("q", "a", "b").winner == "tie"
        assert CompleteAndGrounded()(ROW, PRED).score == 1.0


def test_a_pairwise_judge_as_a_metric_compares_with_the_rows_own_response() -> None:
    row = whet.Example(question="q", response="bad").with_inputs("question")
    with whet.context(lm=ScriptedLM(leaning)):
        result = whet.Evaluate(devset=[row], metric=PairwiseJudge(), num_threads=1)(lambda question: whet.Prediction(response="good"))
    assert result.score == 100.0


def test_a_rubric_grades_each_criterion_by_itself() -> None:
    def grade(request: Any) -> dict[str, Any]:
        text = request.messages[-1].text
        return {"reasoning": "because", "grade": 4 if "polite" in text.split("[[ ## criterion ## ]]")[1] else 1}

    judge = RubricJudge({"polite": "Is it polite?", "true": "Is it true?"}, weights={"true": 3})
    lm = ScriptedLM(grade)
    with whet.context(lm=lm):
        judged = judge(ROW, PRED)
    assert (judged.polite, judged.true, judged.score) == (1.0, 0.25, pytest.approx((1 + 3 * 0.25) / 4))
    assert lm.calls == 2


def test_a_rubric_with_swap_asks_with_the_scale_in_both_directions() -> None:
    lm = ScriptedLM(lambda request: {"reasoning": "r", "grade": 4 if "0 = not at all, 4" in request.messages[-1].text else 2})
    with whet.context(lm=lm):
        assert RubricJudge({"true": "Is it true?"}, swap=True)(ROW, PRED).score == 0.75


def test_mistakes_in_a_rubric() -> None:
    with pytest.raises(ConfigurationError, match="at least one criterion"):
        RubricJudge({})
    with pytest.raises(ConfigurationError, match="no criterion: polite"):
        RubricJudge({"polite": "?"}, weights={"true": 1})


def test_a_judge_is_calibrated_against_people() -> None:
    rows = [whet.Example(n=i).with_inputs("n") for i in range(60)]

    def lenient(example: Any, pred: Any) -> bool:
        return bool(example.n % 2 == 0 or example.n % 10 == 1)

    labelled = [(row, whet.Prediction(), row.n % 2 == 0) for row in rows[:40]]
    report = calibrate(lenient, labelled, unlabelled=[(row, whet.Prediction()) for row in rows[40:]])
    assert report.n == 40
    assert report.bias.value == pytest.approx(0.1)
    assert report.sensitivity is not None
    assert report.sensitivity.value == 1.0
    assert (report.raw_mean, report.corrected_mean.value) == (pytest.approx(0.6), pytest.approx(0.5))
    with pytest.raises(InputError, match="at least two"):
        calibrate(lenient, labelled[:1])


@pytest.mark.parametrize("judge", [SemanticF1(), CompleteAndGrounded(), PairwiseJudge(), RubricJudge({"clear": "Is it clear?"})])
def test_a_missing_field_is_found_before_anything_is_asked(judge: Any) -> None:
    lm = ScriptedLM(lambda _: {})
    with whet.context(lm=lm):
        with pytest.raises(InputError, match="prediction has no field 'response', which this judge reads; it has: text"):
            judge(ROW, whet.Prediction(text="x", context=[]))
        if isinstance(judge, CompleteAndGrounded):
            with pytest.raises(InputError, match="no field 'context'"):
                judge(ROW, whet.Prediction(response="x"))
    assert lm.requests == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"rubric": ["clear"]}, "maps names to criteria"),
        ({"rubric": {"a": "b"}, "weights": {"a": 0}}, "at least one above"),
        ({"rubric": {"a": "b", "c": "d"}, "weights": {"a": -1}}, "none is below 0"),
    ],
)
def test_a_rubric_that_cannot_be_scored(arguments: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        RubricJudge(**arguments)


@pytest.mark.parametrize("name", ["score", "feedback"])
def test_a_criterion_cannot_hide_the_score(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot be called '{name}'"):
        RubricJudge({name: "Is it good?"})


def test_a_share_that_is_no_number_is_no_judgement() -> None:
    with (
        whet.context(lm=ScriptedLM(lambda _: {"reasoning": "r", "recall": "nan", "precision": 1.0})),
        pytest.raises(InputError, match="NaN"),
    ):
        SemanticF1()(ROW, PRED)


@pytest.mark.parametrize("grade", [5, 9, -1, 100])
def test_a_grade_of_another_scale_is_an_error_and_not_full_marks(grade: int) -> None:
    rows = [ROW, ROW]
    with (
        whet.context(lm=ScriptedLM(lambda _: {"reasoning": "r", "grade": grade})),
        pytest.raises(whet.EvaluationError, match="less than or equal to: 4"),
    ):
        whet.Evaluate(devset=rows, metric=RubricJudge({"kind": "Is it kind?"}), num_threads=1)(lambda question: PRED)


@pytest.mark.parametrize("judge", [RubricJudge({"kind": "?"}), PairwiseJudge()])
def test_rows_that_are_plain_dicts_are_judged(judge: Any) -> None:
    lm = ScriptedLM(lambda _: {"reasoning": "r", "grade": 4, "better": "equal"})
    with whet.context(lm=lm):
        judge({"request": "Say who.", "response": "the answer of the row"}, PRED)
    shown = lm.requests[0].messages[-1].text
    assert "request: Say who." in shown
    assert ("the answer of the row" in shown) == isinstance(judge, PairwiseJudge)


def test_people_who_did_not_score_are_found_before_the_judge_is_paid() -> None:
    lm = ScriptedLM(lambda _: {"reasoning": "r", "recall": 1, "precision": 1})
    with whet.context(lm=lm):
        with pytest.raises(InputError, match="Score 1 of a human is None"):
            calibrate(SemanticF1(), [(ROW, PRED, 1), (ROW, PRED, None)])
        with pytest.raises(ConfigurationError, match="level"):
            calibrate(SemanticF1(), [(ROW, PRED, 1), (ROW, PRED, 0)], level=95)
        with pytest.raises(InputError, match=r"Row 1 of `labelled` is of 2 parts; give a tuple \(example, prediction, human score\)"):
            calibrate(SemanticF1(), [(ROW, PRED, 1), (ROW, PRED)])  # type: ignore[list-item]
        with pytest.raises(InputError, match="Row 0 of `unlabelled` is of 3 parts"):
            calibrate(SemanticF1(), [(ROW, PRED, 1), (ROW, PRED, 0)], unlabelled=[(ROW, PRED, 1)])  # type: ignore[list-item]
    assert not lm.requests


def test_weights_and_scales_that_are_none() -> None:
    for wrong in ({"weights": {"kind": float("nan")}}, {"best": 2.5}):
        with pytest.raises(ConfigurationError):
            RubricJudge({"kind": "?"}, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "says"),
    [(lambda: SemanticF1(threshold=66), "`threshold` is 66; it is held against a share"),
     (lambda: CompleteAndGrounded(threshold="0.5"), "is '0.5'"),
     (lambda: RubricJudge({"clear": None}), "'clear' is None"), (lambda: RubricJudge({1: "Is it clear?"}), "1 is 'Is it clear"), ],
)  # fmt: skip
def test_a_judge_that_could_only_waste_money_is_not_made(make: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make()
