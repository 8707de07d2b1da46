"""`BootstrapFinetune`: the program's own right answers become training rows, and its model learns them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from whet.core.context import current
from whet.core.flow import Flow, Invoke, Wait
from whet.errors import ConfigurationError, TrainingError
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_student, check_teacher
from whet.optimize.collecting import Collecting, episodes
from whet.optimize.optimizer import Optimizer
from whet.optimize.search import Search, Task
from whet.optimize.strand import Strand
from whet.train.data import TrainData
from whet.train.door import trainer_of
from whet.train.episodes import Collected, Renderer, collected
from whet.train.trainer import TrainConfig, Trainer

__all__ = ["BootstrapFinetune", "Lesson", "bound", "judged", "lesson_name", "options_for", "shares", "trained"]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One training to be done: the model, the predictors that use it, the rows, and how."""

    lm: Any
    predictors: tuple[str, ...]
    data: TrainData
    config: TrainConfig


class BootstrapFinetune(Optimizer):
    """Runs a teacher on the trainset, keeps the runs that the metric accepts, and trains the student's model on what its predictors did
    (Khattab et al. 2023, arXiv 2310.03714; Soylu et al. 2024, arXiv 2407.10930).

    The teacher is the student itself unless one is given (several may be given as a list); while it answers, inputs marked `train_only`
    are shown to it, and they are never in the rows that the student learns from. With `multitask` there is one training per model, else
    one per predictor. `exclude_demos` leaves demos out of the rows and of the result. `train_kwargs` (options of the trainer, such as
    `epochs`) and `adapter` may be mappings from LM to what holds for it. A predictor without a model of its own uses the ambient one.
    `trainer` replaces the one that fits the model's name. The result is a candidate in `run`; it is scored if a valset is given.

    Raises `TrainingError` (a `RuntimeError`) when a training fails.
    """

    needs_metric: ClassVar[bool] = False

    def __init__(  # noqa: PLR0913 - the arguments people know
        self,
        metric: Any = None,
        multitask: bool = True,
        train_kwargs: Mapping[Any, Any] | None = None,
        adapter: Any = None,
        exclude_demos: bool = False,
        num_threads: int | None = None,
        trainer: Trainer | None = None,
        **common: Any,
    ) -> None:
        super().__init__(metric, num_threads=num_threads, **common)
        self.multitask = multitask
        self.train_kwargs = dict(train_kwargs or {})
        self.adapter = adapter
        self.exclude_demos = exclude_demos
        self.trainer = trainer
        self.collected: Collected | None = None

    def get_params(self) -> dict[str, Any]:
        """The arguments that this optimizer works with, by name."""
        return {name: value for name, value in super().get_params().items() if name != "collected"}

    def prepared(self, student: Any) -> Any:
        """A copy whose predictors all have a model of their own."""
        return bound(student)

    def checked(self, student: Any, trainset: Any, teacher: Any, valset: Any, options: Mapping[str, Any]) -> Flow[Task]:
        """The task, after everything has been looked at that can be wrong before the first call, the trainers included."""
        task = yield from super().checked(student, trainset, teacher, valset, options)
        jobs = self._shares(task.student)
        threads = self.num_threads or current().num_threads
        if len(jobs) > threads:
            raise ConfigurationError(
                f"{len(jobs)} trainings would run side by side, but `num_threads` is {threads}. Raise it, or train with `multitask=True`."
            )
        for lm, _ in jobs:
            if self.trainer is None:
                trainer_of(lm)
        return task

    def check_teacher(self, student: Any, teacher: Any) -> None:
        """Raise for a teacher of another structure; several may be given as a list."""
        for one in teacher if isinstance(teacher, list | tuple) else [teacher]:
            check_student(one, role="teacher")
            check_teacher(student, one)

    def steps(self, search: Search) -> Strand[Candidate]:
        """Collect, train, bind."""
        given = search.task.teacher
        teachers = [search.task.student] if given is None else [bound(t) for t in (given if isinstance(given, list | tuple) else [given])]
        runs = yield from episodes(search, teachers, search.train, Collecting())
        renderer = Renderer(student=search.task.student, adapter=self.adapter, demos=not self.exclude_demos)
        self.collected = collected(runs, renderer)
        if not self.collected.chats:
            failed = len(search.train) * len(teachers) - len(runs)
            raise ConfigurationError(
                f"There is nothing to learn from: the metric accepted none of {len(runs)} runs ({failed} more failed). Look at one with "
                "`whet.Evaluate`, give a stronger `teacher`, or hints that only training sees (`InputField(train_only=True)`)."
            )
        search.decide("collect", None, f"{len(self.collected.chats)} rows", summary=dict(self.collected.summary))
        candidate = yield from trained(search, search.baseline, self._lessons(search.task.student), self.trainer)
        if self.exclude_demos:
            candidate = candidate.with_demos(dict.fromkeys(candidate.params, ()), "finetuned, without demos")
        yield from judged(search, candidate)
        return candidate

    def _shares(self, student: Any) -> list[tuple[Any, tuple[str, ...]]]:
        """Which predictors share one training."""
        return shares(student, self.multitask)

    def _lessons(self, student: Any) -> list[Lesson]:
        assert self.collected is not None
        lessons = []
        for lm, names in self._shares(student):
            rows = tuple(row for row in self.collected.chats if row.predictor in names)
            if rows:
                config = TrainConfig(lm=lm, options=options_for(self.train_kwargs, lm), seed=self.seed, name=lesson_name(student))
                lessons.append(Lesson(lm=lm, predictors=names, data=TrainData(rows=rows), config=config))
        return lessons


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


def trained(search: Search, base: Candidate, lessons: Sequence[Lesson], trainer: Trainer | None = None) -> Strand[Candidate]:
    """Train all lessons side by side; the base with the new models in it. Raises `TrainingError` when one fails."""
    outcomes = yield [search.ask(f"training {', '.join(lesson.predictors)}", partial(_training, lesson, trainer)) for lesson in lessons]
    for lesson, outcome in zip(lessons, outcomes, strict=True):
        if isinstance(outcome, TrainingError):
            raise outcome
        if isinstance(outcome, Exception):
            raise TrainingError(f"The training of `{lesson.lm.model}` failed: {outcome}") from outcome
    params = {name: base.params[name].evolve(lm=lm) for lesson, lm in zip(lessons, outcomes, strict=True) for name in lesson.predictors}
    models = ", ".join(sorted({lm.model for lm in outcomes}))
    return search.add(base.evolve(params, f"trained: {models}"), f"trained on {sum(len(lesson.data) for lesson in lessons)} rows: {models}")


def judged(search: Search, candidate: Candidate) -> Strand[Any]:
    """Score a candidate beside the program as given, where there are rows of their own to judge by."""
    if search.task.val is not search.task.train:
        yield [*search.scores(search.baseline, search.val), *search.scores(candidate, search.val)]
        search.mark(candidate, search.trial(candidate, search.val).score)
        search.announce(candidate, search.val)


def _training(lesson: Lesson, trainer: Trainer | None) -> Flow[Any]:
    job = yield Invoke((trainer or trainer_of(lesson.lm)).train, (lesson.data, lesson.config))
    return (yield Wait(job))


def options_for(given: Mapping[Any, Any], lm: Any) -> dict[str, Any]:
    """Options for all models, or those for this one where the keys are models."""
    if given and not all(isinstance(key, str) for key in given):
        return dict(given.get(lm) or {})
    return dict(given)


def lesson_name(student: Any) -> str:
    """The beginning of the name of a model that is trained for this program."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in type(student).__name__.lower())
    return kept.strip("-")[:40] or "program"
