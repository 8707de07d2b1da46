"""GEPA: budgets, metrics of every kind, who is to blame, selectors and proposers of one's own, merges, results, both orders."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import whet
from optimize import waves
from optimize.instructed import exact, model, program, rows, told, truth, wanted, world
from whet.core.records import Example


def evolved(lm: Any = None, student: Any = None, metric: Any = told, **options: Any) -> tuple[Any, Any, Any]:
    lm = lm or model()
    options = {"max_metric_calls": 250, **options} if not set(options) & {"auto", "max_full_evals"} else options
    with whet.context(lm=lm):
        recipe = whet.GEPA(metric=metric, reflection_lm=options.pop("reflection_lm", lm), **options)
        result = recipe.compile(student or program(), trainset=rows(40), valset=rows(40, start=500))
    return result, recipe, lm


@pytest.mark.parametrize("strict", [False, True])
def test_it_improves_instructions_and_nothing_else(strict: bool) -> None:
    student = program()
    student.demos = [Example(question="double the number 7", answer="14")]
    result, _, _ = evolved(student=student, strict=strict, max_metric_calls=400)
    assert truth(result) > truth(student) + 0.15
    assert result.demos == student.demos


def test_the_cap_on_program_runs_holds() -> None:
    for cap in (5, 40, 120):
        _, recipe, _ = evolved(max_metric_calls=cap)
        assert recipe.run.rollouts <= cap


@pytest.mark.parametrize(
    "metric",
    [
        lambda gold, pred: exact(gold, pred),
        lambda gold, pred, trace=None: exact(gold, pred),
        lambda gold, pred, trace, pred_name, pred_trace: exact(gold, pred),
        told,
    ],
)
def test_metrics_with_two_three_and_five_arguments(metric: Any) -> None:
    result, _, _ = evolved(metric=metric)
    assert truth(result) > truth(program())


def test_arguments_are_checked_at_once() -> None:
    lm = model()
    for budgets in ({}, {"auto": "light", "max_metric_calls": 9}, {"auto": "huge"}):
        with pytest.raises(AssertionError):
            whet.GEPA(metric=told, reflection_lm=lm, **budgets)
    with pytest.raises(AssertionError, match="reflection_lm"):
        whet.GEPA(metric=told, auto="light")
    with pytest.raises(TypeError, match="pred_name"):
        whet.GEPA(metric=lambda gold: 1, auto="light", reflection_lm=lm)
    for name in ("reflection_prompt_template", "max_reflection_cost"):
        with pytest.raises(ValueError, match=name):
            whet.GEPA(metric=told, auto="light", reflection_lm=lm, gepa_kwargs={name: 1})
    recipe = whet.GEPA(metric=told, auto="light", reflection_lm=lm)
    with whet.context(lm=lm):
        with pytest.raises(AssertionError, match="empty"):
            recipe.compile(program(), trainset=[])
        with pytest.raises(AssertionError, match="teacher"):
            recipe.compile(program(), trainset=rows(4), teacher=program())
    assert lm.calls == 0


class Three(whet.Module):
    """Three steps; the second is the one that goes wrong."""

    def __init__(self) -> None:
        self.read = whet.Predict(whet.Signature("question -> found", "Read the number."))
        self.double = whet.Predict(whet.Signature("found -> doubled", "Double the number."))
        self.say = whet.Predict(whet.Signature("doubled -> answer", "Say the number."))

    def forward(self, question: str) -> Any:
        found = self.read(question=question).found
        return self.say(doubled=self.double(found=found).doubled)


def of_three(request: Any) -> Any:
    fields = wanted(request)
    last = request.messages[-1].text
    if fields == ["found"]:
        return {"found": "number " + last.split("number ")[1].split()[0]}
    if fields == ["doubled"]:
        made = world(request) if "double" in request.messages[0].text else {"answer": "0"}
        number = int(last.split("number ")[1].split()[0])
        return {"doubled": made["answer"] if number % 5 else str(2 * number)}
    if fields == ["answer"]:
        return {"answer": last.split("## doubled ## ]]\n")[1].split()[0]}
    if fields == ["faulty_step"]:
        return {"faulty_step": "double"}
    return world(request)


def test_reflection_aims_at_the_step_that_is_wrong() -> None:
    aimed: Counter[str] = Counter()
    for metric in (
        lambda gold, pred, trace=None: exact(gold, pred),
        lambda gold, pred, trace, pred_name, pred_trace: whet.Prediction(score=exact(gold, pred), feedback="`double` gave a wrong number."),
    ):
        lm = whet.testing.ScriptedLM(of_three)
        _, recipe, _ = evolved(lm=lm, student=Three(), metric=metric, max_metric_calls=150)
        for request in lm.requests:
            if "new_instruction" in wanted(request):
                text = request.messages[-1].text
                assert "read: question -> found" in text and "say: doubled -> answer" in text  # the outline of the whole
                aimed[text.split("[[ ## step ## ]]\n")[1].split()[0]] += 1
    assert aimed["double"] >= 0.8 * aimed.total() and aimed.total() >= 8


def test_the_metric_is_asked_about_single_predictors() -> None:
    names: list[Any] = []

    def metric(gold: Any, pred: Any, trace: Any, pred_name: Any, pred_trace: Any) -> Any:
        if pred_name is not None:
            names.append(pred_name)
            assert len(pred_trace) == 1 and len(pred_trace[0]) == 3
        return whet.Prediction(score=exact(gold, pred), feedback=f"about {pred_name}")

    lm = whet.testing.ScriptedLM(of_three)
    evolved(lm=lm, student=Three(), metric=metric, max_metric_calls=80)
    assert "double" in names
    assert any("about double" in r.messages[-1].text for r in lm.requests)


def test_refused_proposals_and_reasons_are_shown() -> None:
    _, _, lm = evolved(max_metric_calls=250)
    shown = [
        r.messages[-1].text.split("## earlier_proposals ## ]]\n")[1].split("[[")[0] for r in lm.requests if "new_instruction" in wanted(r)
    ]
    assert shown[0].strip() == "none" and any("changed the score by" in text for text in shown)
    assert all(len(r.messages[-1].text) < 60_000 for r in lm.requests)


def test_duplicates_are_never_evaluated() -> None:
    def stubborn(request: Any) -> Any:
        return {"new_instruction": "Double the number. double it."} if "new_instruction" in wanted(request) else world(request)

    _, recipe, _ = evolved(lm=whet.testing.ScriptedLM(stubborn))
    assert len(recipe.run.candidates) == 2
    assert any("not new" in d.reason for d in recipe.run.decisions)


def test_a_proposer_of_ones_own() -> None:
    seen: list[Any] = []

    def proposer(candidate: Any, reflective_dataset: Any, components_to_update: Any) -> dict[str, str]:
        seen.append((candidate, reflective_dataset, components_to_update, whet.settings.lm.model))
        return {name: f"{candidate[name]} check twice." for name in components_to_update}

    lm = model()
    with whet.context(lm=lm):
        recipe = whet.GEPA(metric=lambda g, p, t, n, pt: exact(g, p), max_metric_calls=100, instruction_proposer=proposer)
        recipe.compile(program(), trainset=rows(20), valset=rows(20, 500))
        spoken = model(model="reflecting")
        recipe = whet.GEPA(metric=told, max_metric_calls=60, instruction_proposer=proposer, reflection_lm=spoken)
        recipe.compile(program(), trainset=rows(20), valset=rows(20, 500))
    candidate, records, names, used = seen[0]
    assert names == ["self"] and candidate == {"self": "Double the number."} and used == "scripted" and seen[-1][3] == "reflecting"
    assert set(records["self"][0]) == {"Inputs", "Generated Outputs", "Feedback"}
    assert records["self"][0]["Feedback"].startswith("This trajectory got a score of ")


def test_selectors() -> None:
    calls: list[Any] = []

    def last_one(state: Any, trajectories: Any, scores: Any, index: Any, candidate: Any) -> list[str]:
        calls.append((len(trajectories), len(scores), sorted(candidate)))
        return ["say"]

    lm = whet.testing.ScriptedLM(of_three)
    _, recipe, _ = evolved(lm=lm, student=Three(), component_selector=last_one, max_metric_calls=60)
    assert calls and calls[0][2] == ["double", "read", "say"]
    changed = [n for c in recipe.run.candidates for n, p in c.params.items() if p != recipe.run.baseline.params[n]]
    assert set(changed) <= {"say"}
    _, recipe, _ = evolved(lm=lm, student=Three(), component_selector="all", max_metric_calls=60)
    assert any(sum(p != recipe.run.baseline.params[n] for n, p in c.params.items()) == 3 for c in recipe.run.candidates)


@pytest.mark.parametrize("strict", [False, True])
def test_detailed_results(strict: bool) -> None:
    result, recipe, _ = evolved(track_stats=True, track_best_outputs=True, strict=strict)
    found = result.detailed_results
    n = len(found.candidates)
    assert n == len(found.parents) == len(found.val_aggregate_scores) == len(found.val_subscores) == len(found.discovery_eval_counts)
    assert found.discovery_eval_counts == sorted(found.discovery_eval_counts) and found.discovery_eval_counts[0] == 0
    assert n == 1 or 0 < found.discovery_eval_counts[-1] <= found.total_metric_calls
    assert found.best_candidate.signature.instructions == result.signature.instructions
    assert found.parents[0] == [None] and len(found.highest_score_achieved_per_val_task) == 40
    assert found.total_metric_calls == recipe.run.rollouts and found.best_outputs_valset
    assert found.to_dict()["best_idx"] == found.best_idx


def test_parts_of_scores_and_usage_tracking() -> None:
    def metric(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
        return whet.Prediction(score=exact(gold, pred), objective_scores={"right": exact(gold, pred), "short": 1.0})

    with whet.context(track_usage=True):
        result, _, _ = evolved(metric=metric, track_stats=True)
    assert result.detailed_results.val_aggregate_subscores[0]["short"] == 1.0


def test_two_runs_with_one_seed_are_equal() -> None:
    first, second = evolved(num_threads=1)[0], evolved(num_threads=16)[0]
    assert first.signature.instructions == second.signature.instructions


def test_without_a_valset_a_warning_says_so(caplog: Any) -> None:
    with whet.context(lm=model()):
        whet.GEPA(metric=told, max_metric_calls=20, reflection_lm=model()).compile(program(), trainset=rows(10))
    assert "valset" in caplog.text


def test_how_many_children_a_round_has_can_be_said() -> None:
    def waves_of(children: int) -> list[set[str]]:
        lm = model()
        recipe = whet.GEPA(metric=told, max_metric_calls=250, reflection_lm=lm, children=children, hedge=False)
        with whet.context(lm=lm):
            _, found = waves.compiled(recipe, program(), lambda: len(lm.requests), 96, trainset=rows(60), valset=rows(40, start=500))
        return [{wanted(request)[-1] for request in lm.requests[start:end]} for start, end in found]

    few, many = waves_of(2), waves_of(8)
    assert len(many) < len(few)


def test_children_are_checked_before_anything_is_asked() -> None:
    lm = model()
    with whet.context(lm=lm):
        for children in (0, 2.5, "4"):
            with pytest.raises(ValueError, match="children"):
                whet.GEPA(metric=told, auto="light", reflection_lm=lm, children=children).compile(program(), trainset=rows(20))
        with pytest.raises(ValueError, match="published one"):
            whet.GEPA(metric=told, auto="light", reflection_lm=lm, children=8, strict=True).compile(program(), trainset=rows(20))
    assert lm.calls == 0


def test_a_budget_in_full_evaluations_is_one_in_program_runs() -> None:
    def most(**options: Any) -> int:
        plan = whet.GEPA(metric=told, max_full_evals=3, reflection_lm=model()).plan(program(), trainset=rows(20), **options)
        return plan.runs[1]

    with whet.context(lm=model()):
        assert most() == 3 * 20
        assert most(valset=rows(10, start=100)) == 3 * (10 + 20)
