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
