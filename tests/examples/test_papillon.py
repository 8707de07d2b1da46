"""PAPILLON: the optimizer finds the instruction that leaks nothing at equal quality; what was sent is read off the untrusted model."""

from __future__ import annotations

import re

import pytest
from research.papillon import Papillon, optimize, pareto_front, quality_and_privacy
from scripted.actor import Actor
from scripted.papillon import GOOD, MUTE, ROWS, outsider, propose, trusted

import whet


def test_gepa_finds_no_leakage_at_equal_quality() -> None:
    untrusted = outsider()
    writer = Actor({"new_instruction": propose, "faulty_step": lambda a: "rewrite.predict"})
    evaluate = whet.Evaluate(devset=ROWS, metric=quality_and_privacy)
    with whet.context(lm=trusted()):
        plain = Papillon(untrusted)
        better = optimize(plain, ROWS, writer)
        before, after = evaluate(plain).parts, evaluate(better).parts
        front = pareto_front([entry["program"] for entry in better.candidate_programs] + [plain], ROWS)
    assert before["privacy"].value == 0 and after["privacy"].value == 1
    assert after["quality"].value == before["quality"].value == 1
    assert better.rewrite.predict.signature.instructions == GOOD
    assert {tuple(parts.values()) for parts, _ in front} == {(1.0, 1.0)}


def test_the_front_keeps_what_each_objective_needs() -> None:
    quiet = Papillon(outsider())
    quiet.rewrite.predict.signature = quiet.rewrite.predict.signature.with_instructions(MUTE)
    with whet.context(lm=trusted()):
        front = pareto_front([Papillon(outsider()), quiet], ROWS)
    assert [parts for parts, _ in front] == [{"quality": 1.0, "privacy": 0.0}, {"quality": 0.0, "privacy": 1.0}]


def test_with_a_hard_check_no_personal_unit_ever_leaves() -> None:
    untrusted, units = outsider(), lambda text: re.findall(r"I am (\w+)|(\S+@\S+\w)", text)
    with whet.context(lm=trusted()):
        program = Papillon(untrusted, lambda text: [unit for pair in units(text) for unit in pair if unit])
        found = program(**ROWS[0].inputs())
        stubborn = Actor({"prompt": lambda a: a.private_query})
        with whet.context(lm=stubborn), pytest.raises(whet.AssertionFailed, match="gives away"):
            program(**ROWS[0].inputs())
    assert found.response == "Here is all about gout."
    sent = " ".join(message.text for request in untrusted.requests for message in request.messages)
    assert untrusted.calls == 1 and not any(unit in sent for unit in ROWS[0].personal)
    assert found.outbound == ["Explain gout."]
