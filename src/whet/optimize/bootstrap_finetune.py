"""`BootstrapFinetune`: the program's own right answers become training rows, and its model learns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from whet.core.context import current
from whet.core.flow import Flow
from whet.core.wording import counted
from whet.errors import ConfigurationError
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_student, check_teacher
from whet.optimize.collecting import Collecting, episodes
from whet.optimize.lesson import Lesson, bound, config_for, judged, ready, shares, trained
from whet.optimize.optimizer import Optimizer
from whet.optimize.search import Search, Task
from whet.optimize.strand import Strand
from whet.train.data import TrainData
from whet.train.episodes import Collected, Episode, Renderer, collected
from whet.train.trainer import Trainer

__all__ = ["BootstrapFinetune"]


class BootstrapFinetune(Optimizer):
    """Runs a teacher on the trainset, keeps the runs that the metric accepts, and trains the student's model on what its predictors did
    (Khattab et al. 2023, arXiv 2310.03714; Soylu et al. 2024, arXiv 2407.10930).

    The teacher is the student itself unless one is given (several may be given as a list); while it answers, inputs marked `train_only`
    are shown to it, and they are never in the rows that the student learns from. With `multitask` there is one training per model, else
    one per predictor. `exclude_demos` leaves demos out of the rows and of the result. `train_kwargs` (options of the trainer, such as
    `epochs`) and `adapter` may be mappings from LM to what holds for it. A predictor without a model of its own uses the ambient one.
    `trainer` replaces the one that fits the model's name. The result is a candidate in `run`; it is scored if a valset is given.

    Raises `TrainingError` (a `RuntimeError`) when a training fails.

    >>> import whet
    >>> rows = [whet.Example(text=f"a {c} coat", colour=c).with_inputs("text") for c in ("red", "green", "blue")]
    >>> optimizer = BootstrapFinetune(metric=lambda row, prediction, trace=None: row.colour == prediction.colour)
    >>> student = whet.Predict("text -> colour: Literal['red', 'blue', 'green']", lm=whet.LM("embedded"))
    >>> optimizer.compile(student, trainset=rows).lm.model.startswith("embedded:")
    True
    """

    needs_metric: ClassVar[bool] = False
    chooses_values: ClassVar[bool] = False
    freezes: ClassVar[bool] = True

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
        jobs = shares(task.student, self.multitask)
        threads = self.num_threads or current().num_threads
        if len(jobs) > threads:
            raise ConfigurationError(
                f"{len(jobs)} trainings would run side by side, but `num_threads` is {threads}. Raise it, or train with `multitask=True`."
            )
        yield from ready(self, task.student)
        return task

    def check_teacher(self, student: Any, teacher: Any) -> None:
        """Raise for a teacher of another structure; several may be given as a list."""
        for one in teacher if isinstance(teacher, list | tuple) else [teacher]:
            check_student(one, role="teacher")
            check_teacher(student, one)

    def steps(self, search: Search) -> Strand[Candidate]:
        """Collect, train, bind."""
        runs = yield from self.taught(search)
        renderer = Renderer(student=search.task.student, adapter=self.adapter, demos=not self.exclude_demos)
        self.collected = collected(runs, renderer)
        if not self.collected.chats:
            raise ConfigurationError(
                f"There is nothing to learn from: the metric accepted none of {len(runs)} runs. Look at one with "
                "`whet.Evaluate`, give a stronger `teacher`, or hints that only training sees (`InputField(train_only=True)`)."
            )
        search.decide("collect", None, f"{counted(len(self.collected.chats), 'row')}", summary=dict(self.collected.summary))
        candidate = yield from trained(search, search.baseline, self._lessons(search.task.student), self.trainer)
        if self.exclude_demos:
            candidate = candidate.with_demos(dict.fromkeys(candidate.params, ()), "finetuned, without demos")
        yield from judged(search, candidate)
        return candidate

    def taught(self, search: Search) -> Strand[list[Episode]]:
        """What the teachers do on the training rows."""
        return (yield from episodes(search, self.teachers(search), search.train, Collecting()))

    @staticmethod
    def teachers(search: Search) -> list[Any]:
        """The programs to learn from, each with its models."""
        given = search.task.teacher
        return [search.task.student] if given is None else [bound(t) for t in (given if isinstance(given, list | tuple) else [given])]

    def _lessons(self, student: Any) -> list[Lesson]:
        assert self.collected is not None
        lessons = []
        for lm, names in shares(student, self.multitask):
            rows = tuple(row for row in self.collected.chats if row.predictor in names)
            if rows:
                lessons.append(Lesson(lm=lm, predictors=names, data=TrainData(rows=rows), config=config_for(self, student, lm)))
        return lessons
