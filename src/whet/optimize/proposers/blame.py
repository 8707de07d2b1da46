"""Which predictor of a program to work on: the one whose step went wrong in most of the failed runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from whet.adapters.chat import ChatAdapter
from whet.core.field import InputField, OutputField
from whet.core.flow import Flow
from whet.core.signature import Signature
from whet.modules.predict import Predict
from whet.optimize.candidate import Candidate
from whet.optimize.search import Search
from whet.optimize.store import Result
from whet.optimize.strand import Strand

__all__ = ["Blame"]


class FindFault(Signature):
    """A program of several steps gave wrong results. Read what each step was given and what it gave, and name the first step that
    did not do its part in most of these runs: its output does not follow from its inputs, or does not serve the steps after it."""

    program_outline: str = InputField(desc="all steps of the program, what each takes and gives")
    failed_runs: str = InputField()
    faulty_step: str = OutputField(desc="the name of one step, as in the outline")


@dataclass(kw_only=True)
class Blame:
    """Points at predictors. What is certain counts first: a step whose label is in the row, or that the feedback names; else a model says.

    A model that twice named no step is not asked again; then predictors take turns.
    """

    search: Search
    model: Any
    perfect: float = 1.0
    turns: int = 0
    unanswered: int = 0

    def targets(self, candidate: Candidate, failed: Sequence[tuple[Any, Result]], number: int, rng: Random) -> Strand[list[str]]:
        """Which predictor each of `number` proposals is for."""
        names = list(candidate.params)
        if len(names) == 1:
            return names * number
        turn, self.turns = self.turns, self.turns + number
        counts = self._certain(names, failed)
        if not counts and self.unanswered < 2:
            rollout = rng.randrange(10**9)
            answer = yield self.search.ask("blame", lambda: self._asked(candidate, failed[:6], rollout))
            if isinstance(answer, str) and (found := [n for n in names if n == answer.strip(" `'\".")]):
                counts[found[0]] = 1
                self.search.decide("blame", candidate, f"`{found[0]}` goes wrong first, says the model")
            else:
                self.unanswered += 1
        if not counts:
            return [names[(turn + i) % len(names)] for i in range(number)]
        total = sum(counts.values())
        chosen = [name for name, times in counts.most_common() for _ in range(max(1, round(number * times / total)))]
        return (chosen * number)[:number]

    def _certain(self, names: Sequence[str], failed: Sequence[tuple[Any, Result]]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for row, result in failed:
            if (name := _first_wrong(names, row, result)) is not None:
                counts[name] += 1
        return counts

    def _asked(self, candidate: Candidate, failed: Sequence[tuple[Any, Result]], rollout: int) -> Flow[str]:
        from whet.optimize.proposers.reflect import outline_of, shown_run  # noqa: PLC0415 - reflection stands on blame

        judge = Predict(FindFault, adapter=ChatAdapter())
        prediction = yield from judge.run_flow(
            (),
            {
                "program_outline": outline_of(self.search.program_of(candidate)),
                "failed_runs": "\n\n".join(shown_run(row, result, self.perfect) for row, result in failed),
                "lm": self.model.copy(temperature=1.0, rollout_id=rollout),
            },
        )
        return str(prediction.faulty_step)


def _first_wrong(names: Sequence[str], row: Any, result: Result) -> str | None:
    """The first step of a failed run of which it is certain that it went wrong, if any."""
    feedback = result.score.feedback if result.score is not None else ""
    named = [n for n in names if n != "self" and (f"`{n}`" in feedback or f"{n}:" in feedback)]
    if len(named) == 1:
        return named[0]
    steps = result.steps
    labels = row.labels()
    last = set(result.prediction or {})
    for step in steps:
        for name, value in step.prediction.items():
            inner = name in labels and (name not in last or step is not steps[-1])
            if inner and str(value).strip().lower() != str(labels[name]).strip().lower():
                return step.name
    if result.error and steps and len(steps) < len(names) and "Parse" in result.error:
        done = {s.name for s in steps}
        return next((n for n in names if n not in done), None)
    return None
