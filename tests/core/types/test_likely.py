"""Probabilities of an answer are read from the token that the answer begins in."""

from __future__ import annotations

import math

import pytest

import whet

Colour = whet.Choice["red", "blue"]


def token(text: str, **chances: float) -> dict[str, object]:
    return {"token": text, "top_logprobs": [{"token": option, "logprob": math.log(chance)} for option, chance in chances.items()]}


# The answer begins at place 4: a token that ends there is before it, one that begins there or goes on beyond it is its own.
@pytest.mark.parametrize(
    "tokens",
    [
        [token("is: ", blue=0.9, red=0.1), token("red", red=0.75, blue=0.25)],
        [token("is:", blue=0.9, red=0.1), token(" red", red=0.75, blue=0.25)],
        [token("is", blue=1.0), {"token": None}, token(": ", blue=1.0), token("r", red=0.75, blue=0.25), token("ed", blue=1.0)],
    ],
)
def test_the_token_at_the_answers_place_is_read_and_no_other(tokens: list[dict[str, object]]) -> None:
    answer = Colour("red").with_logprobs(tokens, 4)
    assert answer == "red" and answer.probabilities == pytest.approx({"red": 0.75, "blue": 0.25})


def test_an_answer_beyond_the_tokens_has_no_probabilities() -> None:
    assert Colour("red").with_logprobs([token("is: ", red=1.0)], 4).probabilities is None
