"""`plan()`: what a run will cost, said before any call, and refused where it cannot fit."""

from __future__ import annotations

from typing import Any

import pytest

import whet
from optimize.doubling import exact, model, rows
from whet.errors import ConfigurationError
from whet.lm.facts import Price


def planned(recipe: Any, lm: Any = None) -> Any:
    with whet.context(lm=lm or model()):
        return recipe.plan(whet.Predict("question -> answer"), trainset=rows(30), valset=rows(40, start=100))


@pytest.mark.parametrize(
    "recipe",
    [
        whet.LabeledFewShot(k=4),
        whet.BootstrapFewShot(metric=exact),
        whet.BootstrapRS(metric=exact, num_candidate_programs=5),
        whet.BootstrapRS(metric=exact, num_candidate_programs=2, strict=True),
        whet.Auto(metric=exact, max_runs=200),
    ],
    ids=lambda r: type(r).__name__,
)
def test_what_is_spent_lies_within_the_bounds(recipe: Any) -> None:
    lm = model()
    forecast = planned(recipe, lm)
    assert lm.calls == 0
    with whet.context(lm=lm):
        recipe.compile(whet.Predict("question -> answer"), trainset=rows(30), valset=rows(40, start=100))
    assert forecast.runs[0] <= recipe.run.rollouts <= forecast.runs[1]
    assert forecast.calls[0] <= lm.calls <= forecast.calls[1]
    assert forecast.tokens[0] <= 2 * recipe.run.spend.tokens and recipe.run.spend.tokens <= 2 * forecast.tokens[1]
    assert str(forecast).startswith(type(recipe).__name__)


def test_money_is_forecast_where_the_price_is_known() -> None:
    lm = whet.LM("openai/mystery", api_key="x", price=Price(input=1.0, output=2.0))
    forecast = planned(whet.BootstrapRS(metric=exact), lm)
    assert forecast.usd is not None and 0 < forecast.usd[0] < forecast.usd[1] < 10
    assert planned(whet.BootstrapRS(metric=exact)).usd is None


def test_what_cannot_fit_is_refused_and_what_may_not_fit_is_said() -> None:
    with pytest.raises(ConfigurationError, match="`max_calls=5` cannot fit"):
        planned(whet.Auto(metric=exact, max_calls=5))
    for searching in (whet.MIPROv2, whet.COPRO, whet.TextualGradient, lambda **o: whet.SIMBA(bsize=8, **o)):
        with pytest.raises(ConfigurationError, match="`max_calls=3` cannot fit"):
            planned(searching(metric=exact, max_calls=3))
    warnings = planned(whet.Auto(metric=exact, max_calls=100)).warnings
    assert any("may end it early" in w for w in warnings)
    assert any("price" in w for w in planned(whet.BootstrapRS(metric=exact, max_usd=1)).warnings)


def test_bad_arguments_are_found_here_too() -> None:
    with pytest.raises(ConfigurationError):
        whet.BootstrapRS(metric=exact).plan(whet.Predict("question -> answer"), trainset=[])


def test_a_prompt_is_as_long_as_the_rows_are_however_many_there_are() -> None:
    def tokens(count: int, text: str) -> tuple[int, int]:
        many = [whet.Example(question=text, answer="4").with_inputs("question") for _ in range(count)]
        with whet.context(lm=model()):
            recipe = whet.BootstrapFewShot(metric=exact, max_bootstrapped_demos=1, max_labeled_demos=0)
            found = recipe.plan(whet.Predict("question -> answer"), trainset=many)
        return found.tokens[0] // max(1, found.calls[0]), found.tokens[1] // max(1, found.calls[1])

    assert tokens(1, "x" * 4000)[0] == tokens(5, "x" * 4000)[0] > tokens(5, "x")[0] + 900
