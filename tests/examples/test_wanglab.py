"""WangLab: an early exit leaves no gap; the third step has its demos though 2 of 5 notes reach it; each subtask has a score of its own."""

from __future__ import annotations

import pytest
from research.wanglab import NoteChecker, subtasks

import whet
from examples.actor import Actor, Asked

TREATS = {
    "gout": "colchicine", "scurvy": "ascorbic acid", "pertussis": "azithromycin", "scabies": "permethrin", "malaria": "artesunate",
    "epilepsy": "valproate", "angina": "nitroglycerin", "asthma": "salbutamol", "anaphylaxis": "adrenaline",
    "hypothyroidism": "levothyroxine",
}  # fmt: skip
EXAM = [f"Which drug is given for {illness}? {drug}" for illness, drug in TREATS.items()]


def note(place: int) -> whet.Example:
    illness, drug = list(TREATS.items())[place % 10]
    wrong = place % 5 in (3, 4)
    given = list(TREATS.values())[(place + 3) % 10] if wrong else drug
    text = f"Patient {place} was admitted in the night.\nThe history and the tests point to {illness}.\nTreatment with {given} was begun."
    right = f"Treatment with {drug} was begun."
    row = whet.Example(
        note=text, source=("MS", "UW")[place % 2], has_error=wrong, place=2 if wrong else -1, corrected=right if wrong else ""
    )
    return row.with_inputs("note", "source")


ROWS = [note(place) for place in range(50)]
TRAIN, TEST = ROWS[:25], ROWS[25:]
GOLD = {row.note: row for row in ROWS}


def detect(asked: Asked) -> bool:
    """Compares with the exam question; without one it needs to have seen demos, or luck."""
    row = GOLD[asked.note]
    sure = "?" in asked.similar or asked.demos or asked.lucky(0.5)
    return row.has_error if sure else not row.has_error


def correct(asked: Asked) -> str:
    """Right, but wordy until demos show that the sentence alone is wanted."""
    right = GOLD[asked.note].corrected
    return right if asked.demos or asked.lucky(0.5) else f"This sentence is wrong; what should stand there instead is: {right}"


SKILLS = {"has_error": detect, "place": lambda a: 2 if a.demos or a.lucky(0.6) else 1, "corrected": correct}


def test_every_step_gets_its_demos_and_its_score() -> None:
    plain, evaluate = NoteChecker(EXAM), whet.Evaluate(devset=TEST, metric=subtasks)
    with whet.context(lm=Actor(SKILLS)):
        optimizer = whet.BootstrapFewShot(metric=subtasks, max_bootstrapped_demos=3, max_labeled_demos=0, max_rounds=4)
        better = optimizer.compile(plain, trainset=TRAIN)
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
