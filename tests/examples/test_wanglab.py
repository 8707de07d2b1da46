"""WangLab: an early exit leaves no gap; the third step has its demos though 2 of 5 notes reach it; each subtask has a score of its own."""

from __future__ import annotations

import pytest
from research.wanglab import NoteChecker, compile_checker, subtasks
from scripted.actor import Actor
from scripted.wanglab import EXAM, ROWS, SKILLS, TEST, TRAIN

import whet


def test_every_step_gets_its_demos_and_its_score() -> None:
    plain, evaluate = NoteChecker(EXAM), whet.Evaluate(devset=TEST, metric=subtasks)
    with whet.context(lm=Actor(SKILLS)):
        better = compile_checker(plain, TRAIN)
        before, after = evaluate(plain), evaluate(better)
    assert {name: len(predictor.demos) for name, predictor in better.named_predictors()} == {
        "detect.predict": 3, "locate.predict": 3, "correct.predict": 3
    }  # fmt: skip
    assert after.score > before.score + 20
    assert after.parts["detect"].n == 25 and after.parts["locate"].n == after.parts["correct"].n == 10
    assert all(after.parts[name].value > before.parts[name].value for name in ("detect", "locate", "correct"))


@pytest.mark.parametrize("place", [0, 3])
def test_a_note_without_an_error_costs_one_call(place: int) -> None:
    row, lm = ROWS[place], Actor(SKILLS)
    with whet.context(lm=lm), whet.trace() as steps:
        found = NoteChecker(EXAM)(note=row.note, source="MS")
    assert found.has_error is row.has_error
    assert lm.calls == len(steps) == (3 if row.has_error else 1)


def test_only_notes_of_one_source_are_compared_with_the_exam() -> None:
    lm = Actor(SKILLS)
    with whet.context(lm=lm):
        for source in ("MS", "UW"):
            NoteChecker(EXAM)(note=ROWS[0].note, source=source)
    assert ["Which drug" in request.messages[-1].text for request in lm.requests] == [True, False]
