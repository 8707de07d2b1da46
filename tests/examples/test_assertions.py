"""Assertions: compliance rises when constraints send steps back, again with demos made that way; calls stay bounded; failures are typed."""

from __future__ import annotations

from typing import Any

import pytest
from research.assertions import LongAnswer, Quiz, Tweet, Unchecked, good_tweet, retriever, unsupported
from scripted.actor import Actor
from scripted.assertions import TEST, TRAIN, tweet

import whet


def share_good(program: Any, metric: Any = good_tweet) -> float:
    return whet.Evaluate(devset=TEST, metric=metric)(program).score


def test_compliance_rises_with_assertions_and_again_when_compiled() -> None:
    lm = Actor({"tweet": tweet})
    with whet.context(lm=lm):
        without, checked = share_good(Unchecked()), share_good(Tweet())
        compiled = whet.BootstrapFewShot(metric=good_tweet, max_labeled_demos=0).compile(Tweet(), trainset=TRAIN)
        lm.requests.clear()
        both = share_good(compiled)
    assert without < 50 and checked > without + 20 and both > checked, (without, checked, both)
    assert len(compiled.write.predict.demos) == 4
    assert lm.calls < 1.5 * len(TEST)
    first_tries = [r for r in lm.requests if "[[ ## feedback ## ]]" not in r.messages[-1].text]
    assert len(first_tries) == len(TEST) and not any("feedback" in message.text for r in first_tries for message in r.messages)


def test_what_stays_unfulfilled_is_said_and_calls_are_bounded() -> None:
    lm = Actor({"tweet": lambda a: "#always"})
    with whet.context(lm=lm):
        found = Tweet()(question="q", answer="a")
    assert lm.calls == 3
    assert any("hash" in said for said in found.meta.suggestions)
    assert "past_tweet" in lm.requests[1].messages[-1].text and "Use no hash signs." in lm.requests[1].messages[-1].text


def test_only_the_step_to_blame_is_asked_again() -> None:
    good = "Merrowby is a town on the river Hesper [1]."
    answers = {"query": lambda a: "Merrowby town", "paragraph": lambda a: good if a.inputs.get("feedback") else "It is wet there [7]."}
    lm = Actor(answers)
    with whet.context(lm=lm, rm=lambda query, k: retriever()("Merrowby is a town on the river", k=k)), whet.trace() as steps:
        found = LongAnswer()(question="Where is Merrowby?")
    assert found.paragraph == good and not unsupported(found.paragraph, found.passages)
    assert [request.messages[-1].text.count("## query ##") for request in lm.requests].count(1) == 1 and lm.calls == 3
    assert len(steps) == 2  # what was undone is no part of the trace


def test_a_hard_failure_is_typed_and_holds_every_try() -> None:
    tries = iter(["no list", '["a", "a", "b"]', '["b"]'])
    with whet.context(lm=Actor({"choices": lambda a: next(tries)})), pytest.raises(whet.AssertionFailed) as raised:
        Quiz()(question="q", answer="a")
    assert [attempt.outputs.choices for attempt in raised.value.attempts] == ["no list", '["a", "a", "b"]', '["b"]']
    assert "Exactly one" in str(raised.value)
    with whet.context(lm=Actor({"choices": lambda a: '["a", "b"]' if a.inputs.get("feedback") else "no list"})):
        assert Quiz()(question="q", answer="a").choices == ["a", "b"]
