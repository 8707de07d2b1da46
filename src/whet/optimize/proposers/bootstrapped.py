"""Demos from the teacher's own right answers, row by row, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from whet.core.records import Example
from whet.core.trace import Step
from whet.optimize.candidate import Candidate, content_hash
from whet.optimize.search import Search
from whet.optimize.store import Result, Subject
from whet.optimize.strand import Strand

__all__ = ["Bootstrapper", "demos_of", "filled"]

# How many rows more are run, for each demo wanted, where some predictor was reached too seldom.
_MORE = 4


@dataclass(frozen=True, kw_only=True)
class Bootstrapper:
    """Runs a teacher on rows and keeps one demo per predictor of each run that the metric accepts.

    Accepted is what has at least `threshold`, or any score above 0 without one. A row is never among the demos that the teacher sees
    while it answers it. `max_rounds` above 1 asks again, at temperature 1, where the answer was not accepted. With `one_by_one` rows are
    run in turn and no row is run in vain; otherwise as many at once as will probably be needed. Rows are accepted in their order in both
    cases, so the demos are the same.
    """

    search: Search
    teacher: Candidate
    subject: Subject
    threshold: float | None = None
    max_rounds: int = 1
    one_by_one: bool = False

    def row(self, row: Any) -> Strand[dict[str, Example] | None]:
        """The demos from one row, by predictor; `None` if the teacher got it wrong."""
        candidate = self._without(row)
        for number in range(self.max_rounds):
            temperature = 1.0 if number else None
            result: Result = yield self.search.score(candidate, row, subject=self.subject, sample=number, temperature=temperature)
            if self._accepts(result):
                return demos_of(result.steps)
        return None

    def first(self, rows: Sequence[Any], wanted: int) -> Strand[list[tuple[Any, dict[str, Example]]]]:
        """The first `wanted` rows that the teacher gets right, with their demos.

        Then, unless `one_by_one`, a few rows more for predictors that not every run reaches, of which only their demos are kept.
        """
        accepted: list[tuple[Any, dict[str, Example]]] = []
        place = 0
        while len(accepted) < wanted and place < len(rows):
            rate = (len(accepted) + 2) / (place + 3)
            size = 1 if self.one_by_one else min(self.search.options.num_threads, math.ceil((wanted - len(accepted)) / rate))
            wave = rows[place : place + size]
            outcomes = yield [self.row(row) for row in wave]
            accepted += [(row, demos) for row, demos in zip(wave, outcomes, strict=True) if demos is not None]
            place += size
        found = accepted[:wanted]
        if found and len(found) == wanted and not self.one_by_one:
            after = 1 + next(i for i, row in enumerate(rows) if row is found[-1][0])
            found += yield from self._rest(rows[after : after + _MORE * wanted], found, wanted)
        return found

    def _rest(self, rows: Sequence[Any], found: Sequence[tuple[Any, dict[str, Example]]], wanted: int) -> Strand[list[Any]]:
        missing = {name: wanted - sum(name in demos for _, demos in found) for name in self.teacher.params}
        more: list[tuple[Any, dict[str, Example]]] = []
        for start in range(0, len(rows), self.search.options.num_threads):
            if not any(missing.values()):
                break
            wave = rows[start : start + self.search.options.num_threads]
            outcomes = yield [self.row(row) for row in wave]
            for row, demos in zip(wave, outcomes, strict=True):
                kept = {name: demo for name, demo in (demos or {}).items() if missing.get(name)}
                missing.update({name: missing[name] - 1 for name in kept})
                more += [(row, kept)] if kept else []
        return more

    def _without(self, row: Any) -> Candidate:
        demos = {name: [d for d in p.demos if d != row] for name, p in self.teacher.params.items()}
        if all(len(d) == len(self.teacher.params[name].demos) for name, d in demos.items()):
            return self.teacher
        return self.teacher.with_demos(demos, "teacher without the row")

    def _accepts(self, result: Result) -> bool:
        if result.status != "ok" or result.score is None:
            return False
        return result.score.value >= self.threshold if self.threshold is not None else bool(result.score.value)


def demos_of(steps: Sequence[Step]) -> dict[str, Example]:
    """One demo per predictor that took part: inputs and outputs of its step, without what only training may see.

    Of several steps of one predictor it is the last one in half of all cases, else one of the others (chosen by their content).
    """
    by_name: dict[str, list[Example]] = {}
    for step in steps:
        hidden = {f.name for f in step.predictor.signature.input_fields.values() if f.train_only}
        values = {**{k: v for k, v in step.inputs.items() if k not in hidden}, **step.prediction}
        by_name.setdefault(step.name or "self", []).append(Example(augmented=True, **values))
    return {name: _one_of(demos) for name, demos in by_name.items()}


def _one_of(demos: list[Example]) -> Example:
    if len(demos) == 1:
        return demos[0]
    rng = Random(content_hash([dict(d) for d in demos]))
    return rng.choice(demos[:-1]) if rng.random() < 0.5 else demos[-1]


def filled(
    base: Candidate, found: Sequence[tuple[Any, dict[str, Example]]], rows: Sequence[Any], max_labeled: int, *, seed: int | None = None
) -> Candidate:
    """The base with these demos, and labelled rows for what is free up to `max_labeled` in each predictor."""
    used = [row for row, _ in found]
    rest = [row for row in rows if not any(row is u for u in used)]
    Random(0).shuffle(rest)
    rng = Random(0)
    demos: dict[str, list[Any]] = {}
    for name in base.params:
        own = [made[name] for _, made in found if name in made]
        demos[name] = own + rng.sample(rest, max(0, min(max_labeled - len(own), len(rest))))
    return base.with_demos(demos, f"{len(found)} bootstrapped demos, labels for the rest", seed=seed)
