"""What one call is made with is looked at before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import whet
from whet.testing.scripted import ScriptedLM

ANSWER = "[[ ## a ## ]]\nx\n\n[[ ## completed ## ]]"


@pytest.fixture
def asked() -> Iterator[ScriptedLM]:
    lm = ScriptedLM(lambda request: ANSWER)
    with whet.context(lm=lm):
        yield lm


@pytest.mark.parametrize(
    ("made", "given", "said"),
    [
        ({"adapter": "json"}, {}, r"object such as `whet.JSONAdapter\(\)`.*got 'json'"),
        ({"adapter": whet.JSONAdapter}, {}, "An adapter is an object"),
        ({"adapter": [whet.ChatAdapter(), None]}, {}, "got None"),
        ({"n": 0}, {}, "number of samples, 1 or more; got 0"),
        ({"n": "2"}, {}, "got '2'"),
        ({}, {"config": {"n": -1}}, "got -1"),
        ({}, {"config": "hot"}, "`config` is a dict of request parameters"),
        ({}, {"demos": "x"}, "`demos` is a list of examples"),
        ({}, {"demos": [1]}, "`demos` is a list of examples"),
    ],
)
def test_a_wrong_choice_is_refused_before_a_call(asked: ScriptedLM, made: dict[str, Any], given: dict[str, Any], said: str) -> None:
    with pytest.raises(whet.ConfigurationError, match=said):
        whet.Predict("q -> a", **made)(q="1", **given)
    assert not asked.history


@pytest.mark.parametrize("retries", [-1, "x", True, 1.5])
def test_retries_are_a_number(retries: Any) -> None:
    with pytest.raises(whet.ConfigurationError, match="`retries` is how often"):
        whet.Predict("q -> a", retries=retries)


def test_a_predictor_has_something_to_ask_for() -> None:
    with pytest.raises(whet.SignatureError, match="this signature has none"):
        whet.Predict({"q": (str, whet.InputField())})


def test_nothing_chosen_is_no_mistake(asked: ScriptedLM) -> None:
    program = whet.Predict("q -> a", adapter=[])
    assert program(q="1", config=None, demos=None).a == "x"
    assert program(q="1", config={"n": None}, demos=[{"q": "2", "a": "y"}]).a == "x"


@pytest.mark.parametrize(("given", "sent"), [(None, 0.7), (0.0, 0.7), (0.15, 0.7), (0.2, 0.2), (1.0, 1.0)])
def test_several_samples_are_not_taken_at_a_temperature_that_makes_them_equal(given: float | None, sent: float) -> None:
    lm = ScriptedLM(lambda request: {"a": "x"}, temperature=given)
    with whet.context(lm=lm):
        whet.Predict("q -> a")(q="?", config={"n": 3})
    assert lm.requests[0].options["temperature"] == sent
