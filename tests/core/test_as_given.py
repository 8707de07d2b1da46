"""What is on record of a call is what it was given, whatever the program does with its lists afterwards."""

from __future__ import annotations

import whet
from whet.testing import ScriptedLM


def test_a_list_that_grows_after_the_call_is_on_record_as_it_was() -> None:
    ask = whet.Predict("facts: list[str] -> fact")
    facts: list[str] = []
    with whet.context(lm=ScriptedLM([{"fact": "one"}, {"fact": "two"}])), whet.trace() as steps:
        for _ in range(2):
            facts.append(ask(facts=facts).fact)
    assert [step.inputs["facts"] for step in steps] == [[], ["one"]]


def test_a_backtrack_finds_earlier_calls_again_though_their_inputs_have_changed_since() -> None:
    class Gather(whet.Module):
        def __init__(self) -> None:
            self.find = whet.Predict("facts: list[str] -> fact")
            self.answer = whet.Predict("facts: list[str] -> answer")

        def forward(self) -> whet.Prediction:
            facts: list[str] = []
            facts.append(self.find(facts=facts).fact)
            answer = self.answer(facts=facts).answer
            whet.Assert(answer == "good", "Be good.", on=self.answer)
            return whet.Prediction(answer=answer)

    lm = ScriptedLM([{"fact": "one"}, {"answer": "bad"}, {"answer": "good"}])
    with whet.context(lm=lm):
        assert Gather()().answer == "good"
    assert lm.calls == 3


def test_a_recording_within_a_recording_tells_the_outer_one() -> None:
    ask = whet.Predict("question -> answer")
    with whet.context(lm=ScriptedLM([{"answer": "one"}, {"answer": "two"}])), whet.trace() as outer:
        ask(question="1")
        with whet.trace() as inner:
            ask(question="2")
    assert [step.inputs["question"] for step in inner] == ["2"] and len(inner.calls) == 1
    assert [step.inputs["question"] for step in outer] == ["1", "2"] and len(outer.calls) == 2


def test_rows_with_lists_in_them_can_stand_in_sets() -> None:
    one = whet.Example(question="q", gold=["a", {"b": 1}], tags={"x"})
    same = whet.Example(question="q", gold=["a", {"b": 1.0}], tags={"x"})
    assert one == same and hash(one) == hash(same)
    assert len({one, same, one.copy(gold=["c"])}) == 2
