"""A driver for compilations in which everything that is under way ends together: a run is then so many waves long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optimize.shuffled import outcome_of
from whet.core.flow import Gather, Waiting


def compiled(recipe: Any, student: Any, asked: Callable[[], int], places: int = 24, **rows: Any) -> tuple[Any, list[tuple[int, int]]]:
    """`recipe.compile(student, **rows)`, and for each wave which of the requests (`asked` counts them) it made: from, to."""
    flow, value = recipe.flow(student, **rows), None
    waves: list[tuple[int, int]] = []
    try:
        while True:
            effect = flow.send(value)
            search = isinstance(effect, Gather) and effect.done is not None
            value = _gathered(effect, places, asked, waves) if search else effect.perform()
    except StopIteration as end:
        return end.value, waves


def _gathered(gather: Gather, places: int, asked: Callable[[], int], waves: list[tuple[int, int]]) -> list[Any]:
    jobs, outcomes = iter(gather.jobs), []
    while True:
        wave: list[Any] = []
        while len(wave) < places and (job := next(jobs, None)) is not None and not isinstance(job, Waiting):
            wave.append(job)
        if not wave:
            return outcomes
        before, ended = asked(), [outcome_of(job) for job in wave]
        waves.append((before, asked()))
        for outcome in ended:
            outcomes.append(outcome)
            assert gather.done is not None
            gather.done(len(outcomes) - 1, outcome)
