"""`Parallel`: what it cannot run is said before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

import whet
from whet.errors import ConfigurationError
from whet.testing import ScriptedLM


def program() -> whet.Predict:
    return whet.Predict("q -> a", lm=ScriptedLM(lambda _: {"a": "s"}))


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ([program()], "it got Predict"),
        ((program(), {"q": "x"}), "it got Predict"),
        (program(), "it got Predict"),
        ([(program(), {"q": "x"}, 3)], "it got tuple of 3"),
    ],
)
def test_what_is_no_list_of_pairs_is_said(given: Any, got: str) -> None:
    with pytest.raises(ConfigurationError, match=f"list of pairs.*{got}"):
        whet.Parallel()(given)


def test_an_example_that_fits_nothing_is_found_before_the_first_call() -> None:
    one = program()
    with pytest.raises(ConfigurationError, match="it got int"):
        whet.Parallel(num_threads=1)([(one, {"q": "x"}), (one, 3)])
    assert one.lm is not None and not one.lm.requests
