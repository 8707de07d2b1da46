"""A driver for compilations that ends works in an order drawn by lot: what a run decides must not depend on which call is in first."""

from __future__ import annotations

import contextvars
from random import Random
from typing import Any

from whet.core.flow import Flow, Gather, Waiting, drive


def compiled(recipe: Any, student: Any, seed: int, places: int = 8, **rows: Any) -> Any:
    """`recipe.compile(student, **rows)` with the works of the search in a random order."""
    flow = recipe.flow(student, **rows)
    rng, value = Random(seed), None
    try:
        while True:
            effect = flow.send(value)
            value = _gathered(effect, rng, places) if isinstance(effect, Gather) and effect.done is not None else effect.perform()
    except StopIteration as end:
        return end.value


def _gathered(gather: Gather, rng: Random, places: int) -> list[Any]:
    jobs, running, outcomes = iter(gather.jobs), {}, []
    while True:
        while len(running) < places and (job := next(jobs, None)) is not None and not isinstance(job, Waiting):
            running[len(outcomes)] = job
            outcomes.append(None)
        if not running:
            return outcomes
        index = rng.choice(sorted(running))
        outcomes[index] = outcome_of(running.pop(index))
        assert gather.done is not None
        gather.done(index, outcomes[index])


def outcome_of(job: Any) -> Any:
    """What a work ends with: a value, or the exception that it raised."""

    def run() -> Any:
        flow: Flow[Any] = job()
        return drive(flow)

    try:
        return contextvars.copy_context().run(run)
    except Exception as error:  # noqa: BLE001 - an outcome is a value or an exception
        return error
