"""A lesson: one training inside a search. Which models are trained for which predictors, on what, for how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from whet.core.context import current
from whet.core.flow import Flow, Invoke, Wait
from whet.core.wording import counted
from whet.errors import ConfigurationError, TrainingError
from whet.optimize.candidate import Candidate
from whet.optimize.search import Search
from whet.optimize.strand import Strand
from whet.train.data import TrainData
from whet.train.door import trainer_of
from whet.train.trainer import ReadyTrainer, TrainConfig, Trainer

__all__ = ["Lesson", "bound", "config_for", "judged", "ready", "shares", "trained"]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One training to be done: the model, the predictors that use it, the rows, and how."""

    lm: Any
    predictors: tuple[str, ...]
    data: TrainData
    config: TrainConfig


def bound(student: Any) -> Any:
    """A copy of the program in which every predictor has a model: its own, else the ambient one.

    Raises `ConfigurationError` where there is neither.
    """
    program, ambient = student.deepcopy(), current().lm
    program._compiled = False
    for name, predictor in program.named_predictors():
        predictor.lm = predictor.lm or ambient
        if predictor.lm is None:
            raise ConfigurationError(
                f"Predictor `{name}` does not have an LM assigned, and none is ambient: `program.set_lm(lm)` or `whet.configure(lm=lm)`."
            )
    return program


def shares(student: Any, multitask: bool) -> list[tuple[Any, tuple[str, ...]]]:
    """The models of a program with the predictors that each is trained for: all that use it, or one at a time."""
    found: dict[Any, list[Any]] = {}
    for name, predictor in student.named_predictors():
        found.setdefault(id(predictor.lm) if multitask else name, [predictor.lm]).append(name)
    return [(lm, tuple(names)) for lm, *names in found.values()]


def config_for(recipe: Any, student: Any, lm: Any, method: str = "sft", max_usd: float | None = None) -> TrainConfig:
    """How a recipe trains one of its models: its `train_kwargs` (for all models, or for this one where the keys are models), its seed."""
    given = recipe.train_kwargs
    options = dict(given) if all(isinstance(key, str) for key in given) else dict(given.get(lm) or {})
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in type(student).__name__.lower())
    name = kept.strip("-")[:40] or "program"
    return TrainConfig(lm=lm, method=method, options=options, seed=recipe.seed, name=name, max_usd=max_usd)


def ready(recipe: Any, student: Any, method: str = "sft") -> Flow[None]:
    """Look at everything about the trainings that can be wrong whatever their rows will be, before the first paid call."""
    for lm, _ in shares(student, recipe.multitask):
        trainer = recipe.trainer or trainer_of(lm)
        if isinstance(trainer, ReadyTrainer):
            yield Invoke(trainer.ready, (config_for(recipe, student, lm, method, recipe.max_usd),))


def trained(search: Search, base: Candidate, lessons: Sequence[Lesson], trainer: Trainer | None = None) -> Strand[Candidate]:
    """Train all lessons side by side; the base with the new models in it. What they cost is part of what the search spends.

    Raises `TrainingError` when one fails, `ConfigurationError` for one that would cost more than is left.
    """
    works = [partial(_training, replace(lesson, config=_within(search, lesson.config)), trainer) for lesson in lessons]
    names = [f"training {', '.join(lesson.predictors)}" for lesson in lessons]
    outcomes = yield [search.ask(name, work, hedge=False) for name, work in zip(names, works, strict=True)]
    for lesson, outcome in zip(lessons, outcomes, strict=True):
        if isinstance(outcome, TrainingError):
            raise outcome
        if isinstance(outcome, Exception):
            raise TrainingError(f"The training of `{lesson.lm.model}` failed: {outcome}") from outcome
    models = [lm for lm, _ in outcomes]
    for lm, usd in outcomes:
        search.invest(f"training of {lm.model}", usd)
    params = {name: base.params[name].evolve(lm=lm) for lesson, lm in zip(lessons, models, strict=True) for name in lesson.predictors}
    called = ", ".join(sorted({lm.model for lm in models}))
    return search.add(
        base.evolve(params, f"trained: {called}"), f"trained on {counted(sum(len(lesson.data) for lesson in lessons), 'row')}: {called}"
    )


def _within(search: Search, config: TrainConfig) -> TrainConfig:
    """The same training for no more than what is left of the search's dollars."""
    cap = search.options.budget.max_usd
    return config if cap is None else replace(config, max_usd=max(0.0, cap - (search.spend.spend.usd or 0.0)))


def judged(search: Search, candidate: Candidate) -> Strand[Any]:
    """Score a candidate beside the program as given, where there are rows of their own to judge by."""
    if search.task.val is not search.task.train:
        yield [*search.scores(search.baseline, search.val), *search.scores(candidate, search.val)]
        search.mark(candidate, search.trial(candidate, search.val).score)
        search.announce(candidate, search.val)


def _training(lesson: Lesson, trainer: Trainer | None) -> Flow[tuple[Any, float | None]]:
    """The new model, and what it cost."""
    job = yield Invoke((trainer or trainer_of(lesson.lm)).train, (lesson.data, lesson.config))
    lm = yield Wait(job)
    preflight = getattr(job, "preflight", None)
    return lm, 0.0 if preflight is None else preflight.usd
