"""Notes of which two in five have an error, exam questions, and a model that needs demos to be sure of itself."""

from __future__ import annotations

from scripted.actor import Asked

import whet

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
