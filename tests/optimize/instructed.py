"""A task whose right answers depend on clues in the instruction and on demos, and a model that also writes instructions; for tests."""

from __future__ import annotations

import re
from collections import Counter
from hashlib import blake2b
from typing import Any

import whet
from whet.core.records import Example
from whet.testing.scripted import ScriptedLM

CLUES = ("double it", "check twice", "only digits", "no words", "think first", "start small", "be exact", "mind zero")
WRITTEN = ("new_instruction", "proposed_instruction", "module_advice", "natural_language_rules")
PROSE = ("observations", "summary", "program_description", "critique", "feedback", "proposed_prefix_for_output_field", "faulty_step")


def rows(n: int, start: int = 0) -> list[Example]:
    return [Example(question=f"double the number {i}", answer=str(2 * i)).with_inputs("question") for i in range(start, start + n)]


def exact(example: Any, prediction: Any, trace: Any = None) -> float:
    return float(str(prediction.answer) == example.answer)


def told(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
    right = exact(gold, pred)
    return whet.Prediction(score=right, feedback="Right." if right else f"Wrong. Expected {gold.answer}.")


def share(*parts: Any) -> float:
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=4).digest()) / 2**32


def clues_in(text: str) -> int:
    return sum(clue in text for clue in CLUES)


def wanted(request: Any) -> list[str]:
    """The output fields that a request asks for."""
    filled = re.findall(r"\[\[ ## (\w+) ## \]\]\n", request.messages[-1].text)
    named = re.findall(r"\[\[ ## (\w+) ## \]\]", request.messages[0].text)
    return [name for name in dict.fromkeys(named) if name not in filled and name != "completed"]


def better(request: Any, again: int = 0) -> str:
    """The instruction that the request shows, with one more clue; another one when the same request asks `again`."""
    text = request.messages[-1].text
    number = again + (len(text) if request.rollout_id is None else int(request.rollout_id))
    shown = max((clue for clue in re.findall(r"Double the number\.[^\n\[]*", text)), key=clues_in, default="Double the number.")
    missing = [c for c in CLUES if c not in shown]
    return f"{shown.strip()} {missing[number % len(missing)]}." if missing else shown


def answered(request: Any) -> dict[str, Any]:
    """Right more often with more clues and more demos; always the same for the same prompt."""
    number = int(re.findall(r"number (\d+)", request.messages[-1].text)[-1])
    demos = (len(request.messages) - 2) // 2
    power = 0.15 + 0.11 * clues_in(request.messages[0].text) + 0.03 * min(demos, 8)
    sample = request.rollout_id or 0
    return {"answer": str(2 * number) if share(number, sample) < power else "0"}


def world(request: Any, again: int = 0) -> Any:
    fields = wanted(request)
    if not set(fields) & {*WRITTEN, *PROSE}:
        return answered(request)
    made: dict[str, Any] = {}
    for name in fields:
        made[name] = better(request, again) if name in WRITTEN else "Answer:" if "prefix" in name else "The numbers are to be doubled."
    if "module_advice" in made:
        made["module_advice"] = {"self": made["module_advice"].rsplit(". ", 1)[-1]}
    return made


class World:
    """The world with other answers where one request wants several."""

    def __init__(self) -> None:
        self.asked: Counter[Any] = Counter()

    def __call__(self, request: Any) -> Any:
        key = (request.messages, request.rollout_id)
        self.asked[key] += request.n > 1
        return world(request, self.asked[key])


def model(**options: Any) -> ScriptedLM:
    return ScriptedLM(World(), **options)


def program() -> Any:
    return whet.Predict(whet.Signature("question -> answer", "Double the number."))


def truth(compiled: Any, n: int = 60) -> float:
    """The mean score on rows that no test trains on."""
    unseen = rows(n, start=1000)
    with whet.context(lm=model()):
        return sum(exact(row, compiled(**row.inputs())) for row in unseen) / n
