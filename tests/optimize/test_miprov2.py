"""MIPROv2 and its first name: arguments, attributes, no wasted call, paired rows, the published order."""

from __future__ import annotations

from typing import Any

import pytest

import whet
from optimize.instructed import exact, model, program, rows, truth, wanted
from whet.errors import ConfigurationError
from whet.optimize.proposers.tpe import suggest


def compiled(lm: Any = None, train: int = 40, val: int = 60, **options: Any) -> tuple[Any, Any, Any]:
    made = {name: options.pop(name) for name in ("num_trials", "minibatch", "minibatch_size") if name in options}
    lm = lm or model()
    with whet.context(lm=lm):
        recipe = whet.MIPROv2(metric=exact, **options)
        result = recipe.compile(program(), trainset=rows(train), valset=rows(val, start=500), **made)
    return result, recipe, lm


def test_it_improves_and_carries_what_people_look_for() -> None:
    result, recipe, _ = compiled()
    assert truth(result) > truth(program()) + 0.15
    assert type(result) is whet.Predict and recipe.run.stop_reason == "finished"
    assert isinstance(result.trial_logs, dict) and result.trial_logs
    assert result.score == result.candidate_programs[0]["score"] and not result.candidate_programs[0]["full_eval"]
    assert result.mb_candidate_programs


def test_no_proposal_is_wasted() -> None:
    _, recipe, lm = compiled()
    asked = [f for request in lm.requests for f in wanted(request)]
    assert asked.count("proposed_instruction") == 5  # of 6 candidates the first one is there already
    assert asked.count("program_description") == 0  # one step: its outline says it all
    assert asked.count("observations") == 3 and asked.count("summary") == 1
    assert len({(r.messages, r.rollout_id) for r in lm.requests}) == len(lm.requests)


def test_it_costs_half_of_the_published_order() -> None:
    _, ours, _ = compiled(val=100)
    result, published, _ = compiled(val=100, strict=True)
    assert result.candidate_programs[0]["full_eval"] and truth(result) > truth(program())
    assert ours.run.spend.calls <= 0.65 * published.run.spend.calls


def test_instructions_only() -> None:
    result, _, lm = compiled(max_bootstrapped_demos=0, max_labeled_demos=0)
    assert result.demos == [] and result.signature.instructions != "Double the number."
    assert truth(result) > truth(program())


def test_demo_limits_hold_also_when_given_to_compile() -> None:
    with whet.context(lm=model()):
        recipe = whet.MIPROv2(metric=exact, max_labeled_demos=16)
        result = recipe.compile(program(), trainset=rows(40), valset=rows(40, 500), max_bootstrapped_demos=2, max_labeled_demos=2)
    assert all(len(entry["program"].demos) <= 2 for entry in result.candidate_programs + result.mb_candidate_programs)


def test_two_runs_with_one_seed_are_equal() -> None:
    first, second = compiled(num_threads=1)[0], compiled(num_threads=12)[0]
    assert first.dump_state() == second.dump_state() and first.score == second.score


@pytest.mark.parametrize(
    ("settings", "options", "words"),
    [
        ({"auto": "tiny"}, {}, "auto"),
        ({"num_candidates": 4}, {}, "leave them out"),
        ({}, {"num_trials": 4}, "leave them out"),
        ({"auto": None}, {}, "num_candidates"),
        ({"auto": None, "num_candidates": 4}, {}, "num_trials"),
        ({"auto": None, "num_candidates": 4}, {"num_trials": 3, "minibatch_size": 99}, "minibatch_size"),
    ],
)
def test_wrong_arguments_are_found_before_any_call(settings: Any, options: Any, words: str) -> None:
    lm = model()
    with whet.context(lm=lm), pytest.raises(ValueError, match=words):
        whet.MIPROv2(metric=exact, **settings).compile(program(), trainset=rows(20), valset=rows(20), **options)
    assert lm.calls == 0


def test_rows_are_held_out_where_none_are_given() -> None:
    with whet.context(lm=model()):
        recipe = whet.MIPROv2(metric=exact)
        recipe.compile(program(), trainset=rows(50))
        assert len(recipe.run.trials[0].scores) == 40
        for few in ([], rows(1)):
            with pytest.raises(ValueError, match="trainset"):
                recipe.compile(program(), trainset=few)
    with pytest.raises(ConfigurationError, match="no model"):
        whet.MIPROv2(metric=exact).compile(program(), trainset=rows(10))


def test_a_proposer_that_writes_nonsense_does_no_harm() -> None:
    def script(request: Any) -> Any:
        return "@@@" if set(wanted(request)) - {"answer"} else {"answer": "0"}

    result, recipe, _ = compiled(lm=whet.testing.ScriptedLM(script))
    assert result.signature.instructions == "Double the number."
    assert any(d.kind == "failed" for d in recipe.run.decisions)


def test_the_first_name_with_its_old_arguments() -> None:
    with whet.context(lm=model()):
        recipe = whet.BayesianSignatureOptimizer(metric=exact, n=4, init_temperature=1.2)
        result = recipe.compile(
            program(), devset=rows(30), optuna_trials_num=5, max_bootstrapped_demos=2, max_labeled_demos=2, eval_kwargs={}
        )
    assert truth(result) >= truth(program())


def test_the_small_bayesian_search_prefers_what_did_well() -> None:
    import random

    seen = {(i, j): float(i == 2) + 0.1 * j for i in range(3) for j in range(2)}
    assert suggest([3, 4], seen, random.Random(0))[0] == 2  # type: ignore[index]
    assert suggest([1, 1], {(0, 0): 1.0}, random.Random(0)) is None


def test_a_size_that_does_not_exist_is_refused_when_it_is_written() -> None:
    with pytest.raises(ConfigurationError, match="'huge'; it takes one of 'light', 'medium', 'heavy'"):
        whet.MIPROv2(metric=exact, auto="huge")
